"""How much a stream said that ended before its provider counted it.

The trap: an event may hold one token or a thousand, so events are no measure, and a client could
take what it likes and hang up before the count. What was kept of the answer is read instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from federation.dialects.faces import StreamDecoder
from federation.errors import FederationError
from federation.gateway.kept import Kept
from federation.schema.chunks import Chunk, Delta, PartBegun
from federation.schema.parts import ToolCall

_BYTES_PER_TOKEN: Final = 4
_PIECE: Final = 1024
_ENOUGH: Final = 64 * 1024
_LINES: Final = 8192
_MOST: Final = 4 * 1024 * 1024
"""Lines, and bytes, without a word after which nobody looks for one: pings cost as much as words
to read, and a picture may be big."""


def spoken(decoder: Callable[[], StreamDecoder], kept: Kept, most: int | None, events: int) -> int:
    """Tokens of an answer by our own count: fours of bytes of its words, thoughts and calls of
    tools, and `most` where the call allowed no more. Of a long answer of so many events the
    beginning is read, up to some words where they come within reason, and stands for the rest,
    which may also be pings or pictures: so neither by bytes nor by events does it stand for more.
    """
    reader = decoder()
    said: list[Chunk] = []
    read = told = lines = 0
    try:
        for piece in kept.pieces():
            if read >= _ENOUGH and (told or lines > _LINES or read > _MOST):
                break
            lines += piece.count(b"\n")
            for at in range(0, len(piece), _PIECE):
                said += reader.feed(piece[at : at + _PIECE])
                read += len(piece[at : at + _PIECE])
            told = sum(type(chunk) is Delta for chunk in said)
    except FederationError:
        told = sum(type(chunk) is Delta for chunk in said)  # which stand for what follows, too
    if not told:
        return 0
    tokens = counted(said)
    found = min(tokens * kept.total // max(read, 1), tokens * max(events, told) // told)
    return found if most is None else min(found, most)


def counted(chunks: Iterable[Chunk]) -> int:
    """Tokens of these, by the same count."""
    return sum(map(_bytes, chunks)) // _BYTES_PER_TOKEN


def _bytes(chunk: Chunk) -> int:
    if isinstance(chunk, Delta):
        return len(chunk.text.encode())
    if isinstance(chunk, PartBegun) and isinstance(chunk.head, ToolCall):
        return len(chunk.head.name)
    return 0
