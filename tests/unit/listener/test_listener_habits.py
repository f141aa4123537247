"""A client that repeats itself is read without the parser, and never in another way."""

from __future__ import annotations

from collections.abc import Iterable
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.domain.routes import ListenerLimits
from federation.errors import FederationError
from federation.listener import intake as room
from federation.listener.habits import habit_of
from federation.listener.heads import cut_fields, cut_request_line
from federation.listener.intake import BETWEEN, BODY, Inbound, Intake

LIMITS = ListenerLimits(head_bytes=600, head_count=12, body_bytes=500)


def post(body: bytes, *lines: bytes, length: bytes = b"", target: bytes = b"/v1/x") -> bytes:
    announced = b"Content-Length: " + (length or b"%d" % len(body))
    return b"\r\n".join([b"POST %b HTTP/1.1" % target, b"Host: a", announced, *lines, b"", body])


def read(pieces: Iterable[bytes]) -> list[Inbound | str]:
    """What a connection makes of these pieces, each request taken up when it is there."""
    intake = Intake(LIMITS, "10.0.0.1")
    found: list[Inbound | str] = []
    for piece in pieces:
        try:
            intake.feed(piece)
        except FederationError as error:
            return [*found, *intake.ready, f"{error.status} {error.message}"]
        found += intake.ready
        intake.ready.clear()
    return [*found, f"{intake.phase} {intake.arrived}"]


def read_by_the_parser(pieces: Iterable[bytes]) -> list[Inbound | str]:
    with patch.object(room, "habit_of", return_value=None):
        return read(pieces)


def inbound(found: list[Inbound | str]) -> list[Inbound]:
    return [each for each in found if isinstance(each, Inbound)]


HABIT = [post(b"one"), post(b"two!")]
"""A habit is seen at the second request, and used at the third."""

NEXT = {
    "the same": post(b"two!"),
    "another length": post(b"x" * 321),
    "as much as may come": post(b"x" * 500),
    "too much": post(b"x" * 501),
    "no body": post(b""),
    "another field": post(b"abc", b"X-Thing: 1"),
    "another target": post(b"abc", target=b"/v1/y"),
    "two requests": post(b"abc") + post(b"defg"),
    "chunked instead": b"POST /v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0\r\n\r\n",
    "both framings": post(b"abc", b"Transfer-Encoding: chunked"),
    "two lengths": post(b"abc", b"Content-Length: 4"),
    "a length with a sign": post(b"abc", length=b"+3"),
    "a length with a space": post(b"abc", length=b"3 "),
    "a length that is none": post(b"abc", length=b"3x"),
    "a length that is missing": post(b"abc", length=b" "),
    "a very long length": post(b"abc", length=b"0" * 30 + b"3"),
    "a length with zeros": post(b"abc", length=b"0003"),
    "an empty line before": b"\r\n" + post(b"abc"),
    "an expectation": post(b"abc", b"Expect: 100-continue"),
    "a farewell": post(b"abc", b"Connection: close"),
    "a get": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no http": b"\x16\x03\x01",
}


@pytest.mark.parametrize("following", NEXT.values(), ids=NEXT)
@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_what_follows_a_habit_is_read_as_the_parser_reads_it(following: bytes, size: int) -> None:
    pieces = [*HABIT, *(following[at : at + size] for at in range(0, len(following), size))]
    assert read([*pieces, post(b"last")]) == read_by_the_parser([*pieces, post(b"last")])


@given(
    bodies=st.lists(st.binary(min_size=1, max_size=60), min_size=3, max_size=6),
    cuts=st.lists(st.integers(1, 90), min_size=1, max_size=8),
    close=st.booleans(),
)
def test_nothing_depends_on_how_a_habit_is_cut(
    bodies: list[bytes], cuts: list[int], close: bool
) -> None:
    lines = (b"Connection: close",) if close else (b"X-Key: v",)
    stream = b"".join(post(body, *lines) for body in bodies)
    pieces, at, turn = [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        pieces.append(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert read(pieces) == read_by_the_parser(pieces)


def test_a_habit_needs_no_parser() -> None:
    intake = Intake(LIMITS)
    for request in HABIT:
        intake.feed(request)
    with patch.object(Intake, "_parse", side_effect=AssertionError):
        intake.feed(post(b"three"))
        half = post(b"z" * 400)
        intake.feed(half[:200])
        assert intake.phase == BODY
        assert 0 < intake.arrived < 400
        intake.feed(half[200:300])
        intake.feed(half[300:])
    assert intake.phase == BETWEEN
    assert [each.request.body for each in intake.ready] == [b"one", b"two!", b"three", b"z" * 400]
    assert intake.ready[-1].request.headers[b"content-length"] == b"400"
    assert intake.ready[2].request.headers[b"content-length"] == b"5"


def test_what_changes_one_requests_fields_changes_no_others() -> None:
    found = inbound(read([*HABIT, post(b"abc"), post(b"abcd")]))
    found[2].request.headers[b"host"] = b"changed"
    assert found[3].request.headers[b"host"] == b"a"


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nUpgrade: h2c\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: content-length: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3 \r\n\r\n",
        b"POST / HTTP/1.1\r\nX: %b\r\nContent-Length: 3\r\n\r\n" % (b"x" * 9000),
    ],
)
def test_a_head_that_means_more_than_its_fields_makes_no_habit(head: bytes) -> None:
    line, *fields = head[:-4].split(b"\r\n")
    assert habit_of(head, cut_request_line(line), cut_fields(fields)) is None
