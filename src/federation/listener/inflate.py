"""Request bodies that arrive compressed, undone under a bound.

A few kilobytes can unfold to gigabytes, and a large body takes long enough to hold up
everybody else: the output is bounded, and the loop gets its turn between the steps.
"""

from __future__ import annotations

import asyncio
import zlib

import msgspec

from federation.errors import InvalidRequest, PayloadTooLarge
from federation.schema.http import ClientRequest

CODINGS = frozenset({b"gzip", b"x-gzip", b"deflate"})
_STEP = 262_144
_GZIP_WINDOW = 31
_RAW_WINDOW = -15
_ZLIB_WINDOW = 15
_ZLIB_METHOD = 8


async def inflated(request: ClientRequest, coding: bytes, limit: int) -> ClientRequest:
    """Return the request as it would have come uncompressed. Raises as `inflate` does."""
    body = await inflate(request.body, coding, limit)
    headers = dict(request.headers)
    del headers[b"content-encoding"]
    if b"content-length" in headers:
        headers[b"content-length"] = b"%d" % len(body)
    return msgspec.structs.replace(request, headers=headers, body=body)


async def inflate(body: bytes, coding: bytes, limit: int) -> bytes:
    """Return the decoded body. Raises `InvalidRequest`; above `limit` bytes `PayloadTooLarge`."""
    whole = bytearray()
    rest = body
    try:
        while True:
            engine = zlib.decompressobj(_window(coding, rest))
            while not engine.eof:
                if not rest:
                    raise InvalidRequest("The compressed body ends too early.")
                whole += engine.decompress(rest, _STEP)
                rest = engine.unconsumed_tail
                if len(whole) > limit:
                    raise PayloadTooLarge(f"The body is over {limit} bytes once decompressed.")
                if rest:
                    await asyncio.sleep(0)
            rest = engine.unused_data
            if not rest:
                return bytes(whole)
            if coding == b"deflate":
                raise InvalidRequest("The compressed body is followed by other bytes.")
    except zlib.error:
        raise InvalidRequest(f"The body is not valid {coding.decode()} data.") from None


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
