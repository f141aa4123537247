"""Request bodies that arrive compressed, undone under a bound.

A few kilobytes can unfold to gigabytes, and a large body takes long enough to hold up
everybody else: the output is bounded, and the loop gets its turn between the steps.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable

import msgspec

from federation.errors import InvalidRequest, PayloadTooLarge
from federation.schema.http import ClientRequest

Grow = Callable[[int], None]

CODINGS = frozenset({b"gzip", b"x-gzip", b"deflate"})
_STEP = 262_144
_PIECE = 65_536
_MEMBERS = 8
"""Streams in one body. Who compresses in parallel makes several; each costs a fresh start."""
_GZIP_WINDOW = 31
_RAW_WINDOW = -15
_ZLIB_WINDOW = 15
_ZLIB_METHOD = 8


async def inflated(
    request: ClientRequest, coding: bytes, limit: int, grow: Grow | None = None
) -> ClientRequest:
    """Return the request as it would have come uncompressed. Raises as `inflate` does."""
    body = await inflate(request.body, coding, limit, grow)
    headers = dict(request.headers)
    del headers[b"content-encoding"]
    if b"content-length" in headers:
        headers[b"content-length"] = b"%d" % len(body)
    return msgspec.structs.replace(request, headers=headers, body=body)


async def inflate(body: bytes, coding: bytes, limit: int, grow: Grow | None = None) -> bytes:
    """Return the decoded body. Raises `InvalidRequest`; above `limit` bytes `PayloadTooLarge`.

    `grow` hears of every piece that the result has grown by, and may raise to end it.
    """
    whole = bytearray()
    at = 0
    try:
        for _ in range(_MEMBERS):
            at = await _member(body, at, coding, limit, whole, grow)
            if at == len(body):
                return bytes(whole)
            if coding == b"deflate":
                raise InvalidRequest("The compressed body is followed by other bytes.")
    except zlib.error:
        raise InvalidRequest(f"The body is not valid {coding.decode()} data.") from None
    raise InvalidRequest(f"The compressed body has more than {_MEMBERS} parts.")


async def _member(
    body: bytes, at: int, coding: bytes, limit: int, whole: bytearray, grow: Grow | None
) -> int:
    """Undo the compressed stream that begins at `at`; where it ends.

    Given in pieces, for a stream may take much input and yield nothing.
    """
    engine = zlib.decompressobj(_window(coding, body[at : at + 2]))
    while True:
        piece = engine.unconsumed_tail
        if not piece:
            piece = body[at : at + _PIECE]
            at += len(piece)
        output = engine.decompress(piece, _STEP)
        whole += output
        if len(whole) > limit:
            raise PayloadTooLarge(f"The body is over {limit} bytes once decompressed.")
        if grow is not None:
            grow(len(output))
        if engine.eof:
            return at - len(engine.unused_data)
        if not piece and not output:
            raise InvalidRequest("The compressed body ends too early.")
        await asyncio.sleep(0)


def _window(coding: bytes, data: bytes) -> int:
    """zlib's window argument. `deflate` means zlib, yet some clients leave out the wrapper."""
    if coding != b"deflate":
        return _GZIP_WINDOW
    wrapped = (
        len(data) > 1
        and data[0] & 0x0F == _ZLIB_METHOD
        and int.from_bytes(data[:2], "big") % 31 == 0
    )
    return _ZLIB_WINDOW if wrapped else _RAW_WINDOW
