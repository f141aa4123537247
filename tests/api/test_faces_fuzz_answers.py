"""Answers of providers that are nearly right: every client gets a good answer or an error in its
own words, and a broken stream never looks whole.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, Final

import pytest
from bedrock_frames import event as frame
from canned import CannedTransport, desk_over
from cross_world import WIRES
from fuzz_bodies import broken, golden_bodies
from fuzz_faces import FACES, Face, called, place, row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inprocess import SECRET
from native_vendors import WHOLE, stream_type

from federation.dialects.aws_eventstream import write_frame, write_headers
from federation.dialects.table import CLIENTS
from federation.errors import FederationError, UpstreamCut, UpstreamError
from federation.gateway.desk import render_error
from federation.schema.http import ClientReply, ClientRequest

bounded = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
every_provider = pytest.mark.parametrize("provider", WIRES)
clients = st.sampled_from(list(FACES.values()))

HELLO: Final[dict[str, Any]] = {
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
    "openai_responses": {"input": "Hi"},
    "openai_completions": {"prompt": "Hi"},
    "ollama_generate": {"prompt": "Hi"},
}
MESSAGES: Final = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
ANSWERS: Final = {
    name: [json.loads(WHOLE[name]), *golden_bodies(name, "answer", "answer")] for name in WIRES
}
ERRORS: Final = {
    name: [body for body in golden_bodies(name, "error", "body") if isinstance(body, dict)]
    or golden_bodies("openai", "error", "body")
    for name in WIRES
}
FAILED: Final = b'"ERROR"'
"""The only word that Cohere's clients know for an answer that was filtered: a failure."""
STREAMS: Final = {name: golden_bodies(name, "stream", "events", "lines") for name in WIRES}
NOISE: Final = (
    b"",
    b"\n",
    b"\r\n",
    b"data:",
    b"data: {}\n\n",
    b"\xff",
    b"\x00",
    b"event: x\n",
    b"{",
)


def ask(
    face: Face, transport: CannedTransport, provider: str, *, stream: bool
) -> tuple[ClientReply, bytes, FederationError | None]:
    """The reply, its bytes, and the error that ended it: refused, or broken off."""
    deployed = row(provider, "http://127.0.0.1:1/v1")
    front, books = desk_over(deployed, transport)
    body = called(HELLO.get(face.name, MESSAGES), "chat", stream=stream, face=face)
    path, _, query = place(face, "chat", stream=stream).partition("?")
    headers = {b"authorization": b"Bearer " + SECRET.encode()}

    async def run() -> tuple[ClientReply, bytes, FederationError | None]:
        request = ClientRequest("POST", path, query, headers, json.dumps(body).encode())
        try:
            reply = await front(request)
        except FederationError as error:
            refusal = render_error(error, path)
            assert isinstance(refusal.body, bytes)
            return refusal, refusal.body, error
        if isinstance(reply.body, bytes):
            return reply, reply.body, None
        data, broken_off = b"", None
        try:
            while piece := await reply.body.read():
                data += piece
        except FederationError as error:
            broken_off = error
        await reply.body.aclose()
        if broken_off is None and books.ended[0].outcome == "cut":
            # In some languages an error is a stream's regular end.
            assert CLIENTS[face.name].error_ends, data
            broken_off = UpstreamCut(books.ended[0].error)
        return reply, data, broken_off

    found = asyncio.run(run())
    assert len(books.ended) == 1
    return found


def check_refusal(face: Face, reply: ClientReply, data: bytes) -> None:
    """The client can read the error. What a provider found wrong is handed on in its own words,
    of which there may be none."""
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    assert isinstance(face.read_error(reply.status, headers, data), str)


@every_provider
@bounded
@given(data=st.data(), face=clients, status=st.sampled_from((200, 200, 200, 200, 400, 429, 529)))
def test_a_whole_answer_with_accidents(
    provider: str, data: st.DataObject, face: Face, status: int
) -> None:
    documents = ANSWERS if status == 200 else ERRORS
    body = data.draw(broken(documents[provider]))
    transport = CannedTransport(status, pieces=(body,))
    reply, got, error = ask(face, transport, provider, stream=False)
    if error is not None:
        assert isinstance(error, UpstreamError)
        check_refusal(face, reply, got)
        return
    assert reply.status == 200
    if face.name == provider:
        assert got == body
    elif face.name in WIRES and FAILED not in got:
        WIRES[face.name].upstream.decode(got)
    else:
        json.loads(got)


def events_of(provider: str, draw: st.DrawFn) -> list[bytes]:
    """A golden stream with accidents in its events, among them and around them."""
    whole = draw(st.sampled_from(STREAMS[provider]))
    events = [written(provider, draw, event) for event in whole]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, max(len(events) - 1, 0)))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del events[at : at + 1]
        elif kind == 1:
            events[at:at] = events[at : at + 1]
        elif kind == 2:
            events[at : at + 2] = reversed(events[at : at + 2])
        else:
            events.insert(at, draw(st.sampled_from(NOISE)))
    return events


def written(provider: str, draw: st.DrawFn, event: Any) -> bytes:
    """One event; a fifth of them have accidents."""
    hurt = draw(st.integers(0, 4)) == 0
    if provider == "bedrock":
        name, payload = event
        if hurt and payload:
            return framed(name, draw(broken([payload])), spoilt=draw(st.integers(0, 9)) == 0)
        return frame(name, payload)
    if isinstance(event, str):
        before, mark, data = event.partition("data: ")
        text = data if mark else event
        document = parsed(text) if hurt else None
        if document:
            ending = text[len(text.rstrip()) :]
            return (before + mark).encode() + draw(broken([document])) + ending.encode()
        return event.encode()
    text_ = draw(broken([event])) if hurt else json.dumps(event).encode()
    head = b"event: %b\n" % event["type"].encode() if provider == "openai_responses" else b""
    return head + b"data: " + text_ + b"\n\n"


def parsed(text: str) -> Any:
    """A line's document; None where it is none, or more than one."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def framed(name: str, payload: bytes, *, spoilt: bool) -> bytes:
    """A frame around any bytes; where it is spoilt, with a checksum that does not hold."""
    marks = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    raw = bytearray(write_frame(write_headers(marks), payload))
    if spoilt:
        raw[len(raw) // 2] ^= 0x55
    return bytes(raw)


@every_provider
@bounded
@given(
    data=st.data(),
    face=clients,
    cuts=st.lists(st.integers(0, 5_000), max_size=5),
    short=st.integers(0, 3),
)
def test_a_stream_with_accidents(
    provider: str, data: st.DataObject, face: Face, cuts: list[int], short: int
) -> None:
    events = data.draw(st.composite(lambda draw: events_of(provider, draw))())
    sent = b"".join(events)
    if short == 0:
        sent = sent[: data.draw(st.integers(0, len(sent)))]
    marks = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    pieces = tuple(piece for a, b in itertools.pairwise(marks) if (piece := sent[a:b]))
    transport = CannedTransport(200, stream_type(provider), pieces)
    reply, got, error = ask(face, transport, provider, stream=True)
    if error is not None:
        assert isinstance(error, UpstreamError)
        if reply.status != 200:
            check_refusal(face, reply, got)
        return
    assert reply.status == 200
    if face.name in WIRES and face.name != provider and FAILED not in got:
        decoder = WIRES[face.name].upstream.decoder()
        decoder.feed(got)
        decoder.close()
        assert decoder.complete, got
