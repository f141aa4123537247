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


def spoken(decoder: Callable[[], StreamDecoder], kept: Kept, most: int | None, events: int) -> int:
    """Tokens of an answer by our own count: fours of bytes of its words, thoughts and calls of
    tools, and `most` where the call allowed no more. Of a long answer of so many events the
    beginning is read, and stands for the rest, which may also be pings or pictures: so neither
    by bytes nor by events does it stand for more."""
    beginning, reader = kept.beginning(), decoder()
    said: list[Chunk] = []
    done = 0
    try:
        while done < len(beginning):
            said += reader.feed(beginning[done : done + _PIECE])
            done = min(done + _PIECE, len(beginning))
    except FederationError:
        pass  # what was read up to there stands for it, too
    pieces = sum(type(chunk) is Delta for chunk in said)
    if not pieces:
        return 0
    tokens = counted(said)
    found = min(tokens * kept.total // max(done, 1), tokens * max(events, pieces) // pieces)
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
