"""Bodies that are nearly right, at every client face: answered, or refused in the client's own
words. Never a fault of ours, never silence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from cross_world import WIRES
from fuzz_bodies import broken
from fuzz_faces import FACES, Face, Loopback, Reply, called, place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SLOWEST_S = 3.0
every_face = pytest.mark.parametrize("face", FACES.values(), ids=FACES)
bounded = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    loopback = Loopback()
    yield loopback
    loopback.close()


def providers(face: Face) -> list[str]:
    """Its own dialect, where there is one, and another."""
    other = "anthropic" if face.name.startswith("openai") else "openai"
    return [face.name, other] if face.name in WIRES else [other]


def check(face: Face, reply: Reply, body: bytes, *, stream: bool) -> None:
    """A reply that a client of this face can live with."""
    # A call for two answers that gets one is cut off: the provider here knows only one.
    assert reply.whole or (stream and b"error" in reply.body.lower()), body
    assert reply.status < 500, (reply, body)
    if reply.status >= 400:
        message = face.read_error(reply.status, reply.headers, reply.body)
        assert message
        assert reply.headers["content-type"].startswith("application/json")
        return
    assert reply.status == 200
    if reply.headers["content-type"].startswith("application/json") and not stream:
        json.loads(reply.body)
    assert reply.body


@every_face
def test_good_bodies_are_answered(face: Face, loopback: Loopback) -> None:
    for provider in providers(face):
        for stream in (False, True):
            path = place(face, f"to-{provider}", stream=stream)
            served = 0
            for document in face.bodies:
                body = json.dumps(called(document, f"to-{provider}", stream=stream, face=face))
                reply = loopback.post(path, body.encode())
                check(face, reply, body.encode(), stream=stream)
                served += reply.status == 200
            assert served >= 1, (face.name, provider)


@every_face
@bounded
@given(data=st.data(), stream=st.booleans(), number=st.integers(0, 1))
def test_a_body_with_accidents_is_answered_or_refused(
    face: Face, loopback: Loopback, data: st.DataObject, stream: bool, number: int
) -> None:
    names = providers(face)
    provider = names[number % len(names)]
    documents = [called(each, f"to-{provider}", stream=stream, face=face) for each in face.bodies]
    body = data.draw(broken(documents))
    begun = time.monotonic()
    reply = loopback.post(place(face, f"to-{provider}", stream=stream), body)
    assert time.monotonic() - begun < SLOWEST_S, body
    check(face, reply, body, stream=stream)
