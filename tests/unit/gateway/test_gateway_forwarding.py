"""Chunks of a known form that go on unread: just those, and nothing is lost of the others."""

from __future__ import annotations

import asyncio

from hypothesis import example, given
from hypothesis import strategies as st

from federation.gateway.forwarding import _LENGTHS, forwarder
from federation.gateway.kept_answer import KeptAnswer

HEAD, TAIL = b'data: {"content":"', b'"}\n\n'


class Tap:
    """What a forwarder knows of a tap."""

    def __init__(self, form: tuple[bytes, bytes] = (HEAD, TAIL)) -> None:
        self.form = form
        self.events = 0


class Line:
    """A forwarder, and what it handed on."""

    def __init__(self, tap: Tap | None = None) -> None:
        self.tap = tap or Tap()
        self.kept = KeptAnswer()
        self.out: list[bytes] = []
        self.loop = asyncio.new_event_loop()
        self.turn: asyncio.Future[None] = self.loop.create_future()
        self.heard: list[bytes] = []
        self.take = forwarder(self.tap, self.kept, self.turn, self.out.append, self.heard.append)
        self.loop.close()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@given(st.lists(st.binary(max_size=5000), min_size=1, max_size=20))
@example([b""])
@example([b"x" * (0x10 - len(HEAD + TAIL)), b"x" * (0x100 - len(HEAD + TAIL))])
def test_what_goes_on_is_one_event_of_the_form_and_is_kept_without_framing(
    texts: list[bytes],
) -> None:
    line = Line()
    plain = [text for text in texts if b'"' not in text and b"\n" not in text]
    for text in texts:
        assert line.take(chunk(HEAD + text + TAIL)) == (text in plain)
    assert line.out == [chunk(HEAD + text + TAIL) for text in plain]
    assert line.tap.events == len(plain)
    assert b"".join(line.kept.pieces()) == b"".join(line.heard)
    assert line.heard == [HEAD + text + TAIL for text in plain]


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_anything_else_is_left_alone(before: bytes, behind: bytes) -> None:
    line = Line()
    good = HEAD + b"word" + TAIL
    for framed in (
        before + chunk(good) + behind,
        chunk(before + good + behind),
        b"%X;a=b\r\n%b\r\n" % (len(good), good),
        b"0%x\r\n%b\r\n" % (len(good), good),
        b"%x\r\n%b\r\n" % (len(good) + 1, good),
        chunk(good)[:-1],
        chunk(good) + chunk(good),
        before,
    ):
        assert line.take(framed) == (framed == chunk(good))
    assert set(line.out) <= {chunk(good)}


def test_nothing_goes_on_without_a_form_and_a_new_form_is_noticed() -> None:
    line = Line(Tap((b"", b"")))
    event = HEAD + b"word" + TAIL
    assert not line.take(chunk(event))
    assert not line.take(chunk(b""))
    assert not line.take(b"\n0\r\n")
    assert not line.take(b"")
    line.tap.form = HEAD, TAIL
    for read in (b"\n0\r\n", b"\nx" + TAIL + b"\r\n", TAIL + b"\r\n", b"\r\n", b"\n"):
        assert not line.take(read)
    assert line.take(chunk(event))
    line.tap.form = b"data: <", b">\n\n"
    assert not line.take(chunk(event))
    assert line.take(chunk(b"data: <so>\n\n"))
    line.tap.form = b"", b""
    assert not line.take(chunk(event))
    assert line.tap.events == 2


def test_ends_do_not_overlap() -> None:
    line = Line(Tap((b"data: aba", b"aba\n\n")))
    assert not line.take(chunk(b"data: aba\n\n"))
    assert line.take(chunk(b"data: abaaba\n\n"))


def test_who_has_had_enough_is_given_nothing() -> None:
    line = Line()
    line.turn.cancel()
    assert not line.take(chunk(HEAD + b"late" + TAIL))
    assert (line.out, line.tap.events, [*line.kept.pieces()]) == ([], 0, [])


def test_beginnings_are_bounded_in_number() -> None:
    line = Line()
    for size in range(_LENGTHS * 3):
        assert line.take(chunk(HEAD + b"x" * size + TAIL))
    begins = next(
        cell.cell_contents
        for cell in line.take.__closure__ or ()
        if isinstance(cell.cell_contents, dict)
    )
    assert len(begins) <= _LENGTHS
