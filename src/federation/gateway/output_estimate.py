"""Our own estimate of the output tokens of a stream that ended before its provider counted them.

The trap: an event may hold one token or a thousand, so counting events is no measure, and a
client could take what it likes and hang up before the count. What was kept of the answer is
read instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from federation.dialects.faces import StreamDecoder
from federation.errors import FederationError
from federation.gateway.kept_answer import KeptAnswer
from federation.schema.chunks import Chunk, Delta, PartBegun
from federation.schema.parts import ToolCall

_BYTES_PER_TOKEN: Final = 4
_PIECE: Final = 1024
_ENOUGH: Final = 64 * 1024
_LINES: Final = 8192
_MOST: Final = 4 * 1024 * 1024
"""So many lines, or bytes, without any text, and the reading stops: pings cost as much to read as
text does, and a picture may be big."""


def estimated_output(
    decoder: Callable[[], StreamDecoder], kept: KeptAnswer, most: int | None, events: int
) -> int:
    """Output tokens of an answer: a token for every four bytes of its text, reasoning and tool
    calls, and never more than `most`, which the call allowed.

    Of a long answer only the beginning is read, and stands for the rest. The rest may be pings
    or pictures as well, so the estimate is the smaller of two: in proportion to the bytes, and in
    proportion to the `events`.
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
                more = reader.feed(piece[at : at + _PIECE])
                said += more
                told += sum(type(chunk) is Delta for chunk in more)
                read += len(piece[at : at + _PIECE])
    except FederationError:
        pass  # what was read before it stands for what follows, too
    if not told:
        return 0
    tokens = counted(said)
    found = min(tokens * kept.total // max(read, 1), tokens * max(events, told) // told)
    return found if most is None else min(found, most)


def counted(chunks: Iterable[Chunk]) -> int:
    """Output tokens of these chunks, by the same measure."""
    return sum(map(_bytes, chunks)) // _BYTES_PER_TOKEN


def _bytes(chunk: Chunk) -> int:
    if isinstance(chunk, Delta):
        return len(chunk.text.encode())
    if isinstance(chunk, PartBegun) and isinstance(chunk.head, ToolCall):
        return len(chunk.head.name)
    return 0
