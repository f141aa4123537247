"""One answer of the lab as moves: what is sent, what is waited for, how it ends.

Pure: a play and the pieces of an answer go in, the moves come out, and whoever has the socket
makes them. Pieces are whole events of a stream, or the body of a whole answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from federation.sandbox.lab_plays import Play
from federation.sandbox.lab_voices import count_tokens, place_after

END, CLOSE, RESET, HOLD = "end", "close", "reset", "hold"
"""How an exchange ends: in order; the connection closed in the middle; a TCP reset; never,
until the client hangs up."""

_PING_S: Final = 0.2
_ENDLESS_S: Final = 0.01
_EVENT_END: Final = re.compile(rb"(?:\r?\n){2}")
_NUMBER: Final = re.compile(rb"\b([wx])(\d{2,})\b")
_END_MARKS: Final = (b"data: [DONE]", b'"type":"message_stop"')
NO_HTTP: Final = b"\x00\xff\x16\x03SSH-2.0-simulated\r\n\x7f\x00garbage\r\n\r\n"
NO_EVENTS: Final = bytes(range(128, 256)) * 4 + b"\n\n"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a 200; without a length the body is chunked."""

    length: int | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes of the body."""

    data: bytes
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes of the connection, in place of HTTP."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing, for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Over:
    """The last move: one of END, CLOSE, RESET, HOLD."""

    how: str


Move = Head | Send | Raw | Wait | Over
Moves = Iterator[Move]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is ready to be sent, and the words for what may go wrong in it."""

    pieces: tuple[bytes, ...]
    stream: bool
    pace_s: float
    garbled: bytes
    """An event that is none."""
    failure: bytes
    """An error inside of a 200, as a piece."""
    ping: bytes

    @property
    def head(self) -> Head:
        """A whole answer announces its length, as providers do."""
        return Head(None if self.stream else sum(map(len, self.pieces)))

    def split(self, tokens: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """What comes up to the last of so many tokens, and what comes after it.

        Events stay whole where they end with that token; a whole answer is one piece, cut in it.
        """
        left = tokens
        for place, piece in enumerate(self.pieces):
            has = count_tokens(piece)
            if has > left or (has == left and has and not self.stream):
                cut = place_after(piece, left)
                head = (piece[:cut],) if cut else ()
                return (*self.pieces[:place], *head), (piece[cut:], *self.pieces[place + 1 :])
            left -= has
            if has and not left:
                return self.pieces[: place + 1], self.pieces[place + 1 :]
        return self.pieces, ()

    def paced(self, pieces: tuple[bytes, ...], pace_s: float | None = None) -> Moves:
        """Send these pieces, with a pause before each that holds a token."""
        pause = self.pace_s if pace_s is None else pace_s
        for piece in pieces:
            tokens = count_tokens(piece)
            if tokens and pause > 0 and (self.stream or pace_s is not None):
                yield Wait(pause)
            yield Send(piece, tokens)


def events(data: bytes) -> Iterator[bytes]:
    """The events of a piece of a stream, one by one."""
    start = 0
    for match in _EVENT_END.finditer(data):
        yield data[start : match.end()]
        start = match.end()
    if start < len(data):
        yield data[start:]


def moves(play: Play, answer: Answer) -> Moves:
    """What is done for a request that gets an answer, or a part of one."""
    made = _PLAYS.get(play.word, _ok)
    return made(play, answer)


def _ok(play: Play, answer: Answer) -> Moves:
    yield answer.head
    yield from answer.paced(answer.pieces)
    yield Over(END)


def _over(how: str) -> Callable[[Play, Answer], Moves]:
    """Nothing is sent."""

    def made(play: Play, answer: Answer) -> Moves:
        yield Over(how)

    return made


def _reset(play: Play, answer: Answer) -> Moves:
    return iter((Over(RESET),)) if play.tokens is None else _broken(RESET)(play, answer)


def _mute(play: Play, answer: Answer) -> Moves:
    yield answer.head
    yield Over(HOLD)


def _late(play: Play, answer: Answer) -> Moves:
    yield Wait(play.number or 0.0)
    yield from _ok(play, answer)


def _first(play: Play, answer: Answer) -> Moves:
    """What opens a stream comes at once: it is no token, and must not pass for one."""
    opening, rest = answer.split(0)
    yield answer.head
    yield from answer.paced(opening)
    yield Wait(play.number or 0.0)
    yield from answer.paced(rest)
    yield Over(END)


def _broken(how: str) -> Callable[[Play, Answer], Moves]:
    """The answer up to a token, and then its end."""

    def made(play: Play, answer: Answer) -> Moves:
        yield answer.head
        yield from answer.paced(answer.split(play.tokens or 0)[0])
        yield Over(how)

    return made


def _pings(play: Play, answer: Answer) -> Moves:
    yield answer.head
    yield from answer.paced(answer.split(play.tokens or 0)[0])
    while True:
        yield Wait(_PING_S)
        yield Send(answer.ping)


def _malformed(play: Play, answer: Answer) -> Moves:
    before, after = answer.split(play.tokens or 0)
    if not answer.stream:
        yield Head(sum(map(len, before)))
        yield from answer.paced(before)
    else:
        yield answer.head
        yield from answer.paced(before)
        yield Send(answer.garbled)
        yield from answer.paced(after)
    yield Over(END)


def _garbage(play: Play, answer: Answer) -> Moves:
    if play.tokens is None:
        yield Raw(NO_HTTP)
        yield Over(CLOSE)
        return
    yield Head()
    yield from answer.paced(answer.split(play.tokens)[0])
    yield Send(NO_EVENTS)
    yield Over(END)


def _inband(play: Play, answer: Answer) -> Moves:
    yield Head()
    if answer.stream:
        yield from answer.paced(answer.split(play.tokens or 0)[0])
    yield Send(answer.failure)
    yield Over(END)


def _unmarked(how: str) -> Callable[[Play, Answer], Moves]:
    """All but the end marker, where the language has one."""

    def made(play: Play, answer: Answer) -> Moves:
        yield answer.head
        kept = [piece for piece in answer.pieces if not any(mark in piece for mark in _END_MARKS)]
        yield from answer.paced(tuple(kept))
        yield Over(how if answer.stream else END)

    return made


def _unfinished(how: str) -> Callable[[Play, Answer], Moves]:
    """All tokens and nothing after the last; whole answers lose their end."""

    def made(play: Play, answer: Answer) -> Moves:
        tokens = sum(map(count_tokens, answer.pieces))
        before, _ = answer.split(tokens)
        yield answer.head if answer.stream else Head()
        yield from answer.paced(before)
        yield Over(how)

    return made


def _endless(play: Play, answer: Answer) -> Moves:
    tokens = sum(map(count_tokens, answer.pieces))
    before, _ = answer.split(tokens)
    yield Head()
    yield from answer.paced(before)
    last = before[-1] if before and answer.stream else b" w60"
    while True:
        tokens += 1
        yield Wait(max(answer.pace_s, _ENDLESS_S))
        yield Send(_NUMBER.sub(rb"\g<1>%d" % tokens, last), 1)


def _trickle(play: Play, answer: Answer) -> Moves:
    yield answer.head
    pieces = answer.pieces
    if not answer.stream:
        whole = b"".join(pieces)
        places = [place_after(whole, count) for count in range(count_tokens(whole))]
        pairs = zip(places, [*places[1:], len(whole)], strict=True)
        pieces = tuple(whole[start:end] for start, end in pairs) or pieces
    yield from answer.paced(pieces, (play.number or 0.0) / 1000.0)
    yield Over(END)


_PLAYS: Final[dict[str, Callable[[Play, Answer], Moves]]] = {
    "reset": _reset,
    "closed": _over(CLOSE),
    "silent": _over(HOLD),
    "mute": _mute,
    "late": _late,
    "first": _first,
    "cut": _broken(CLOSE),
    "stall": _broken(HOLD),
    "pings": _pings,
    "malformed": _malformed,
    "garbage": _garbage,
    "inband": _inband,
    "no-done": _unmarked(HOLD),
    "no-done-close": _unmarked(END),
    "no-finish": _unfinished(END),
    "no-finish-open": _unfinished(HOLD),
    "endless": _endless,
    "trickle": _trickle,
}
