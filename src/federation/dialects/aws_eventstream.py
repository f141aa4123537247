"""AWS's binary event stream: frames with typed headers, each under two checksums.

What a newcomer gets wrong: the first checksum covers the eight bytes of lengths only, and
must hold before the lengths are believed; the second covers everything before it, the first
checksum included. A frame's kind stands in its headers and never in its payload.

Reference: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, TypeAlias
from uuid import UUID
from zlib import crc32

import msgspec

from federation.dialects.sse import EVENT_LIMIT
from federation.errors import UpstreamGarbled

FRAME_LIMIT: Final = 16 * 1024 * 1024
"""Most bytes of a frame that is written. Of what is read no more than an event may have."""
HEADERS_LIMIT: Final = 128 * 1024
"""Most bytes of a frame's headers."""
CONTENT_TYPE: Final = b"application/vnd.amazon.eventstream"

Value: TypeAlias = bool | int | bytes | str | UUID
"""What a header may hold. Times are their milliseconds since 1970, as an int."""

_PRELUDE: Final = struct.Struct(">II")
_CHECKED: Final = struct.Struct(">III")
_SUM: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">H")
_OVERHEAD: Final = 16
_REMEMBERED: Final = 64
"""Different header blocks of one stream that are read only once: services repeat a few."""

_TRUE, _FALSE, _BYTES, _STRING, _TIME, _UUID = 0, 1, 6, 7, 8, 9
_INTEGERS: Final = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"),
                    5: struct.Struct(">q"), _TIME: struct.Struct(">q")}  # fmt: skip


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message of a stream."""

    data: bytes
    """The whole frame as it came."""
    headers: dict[str, Value]
    """Shared between the frames of a stream: read only."""
    payload: bytes

    def text(self, name: str) -> str:
        """A header's text; empty where it is missing or no text."""
        value = self.headers.get(name, "")
        return value if isinstance(value, str) else ""


class FrameCutter:
    """Cuts a byte stream into frames and checks them; one for each stream."""

    __slots__ = ("_held", "_known", "_wanted")

    def __init__(self) -> None:
        self._held = bytearray()
        self._wanted = 0
        """Bytes without which nothing new can be said."""
        self._known: dict[bytes, dict[str, Value]] = {}

    @property
    def holding(self) -> bool:
        """A part of a frame is held back."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now.

        Raises `UpstreamGarbled` for a wrong checksum, lengths that cannot be, a frame over
        the limit and headers that are not headers. A cut anywhere gives the same frames.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
        frames: list[Frame] = []
        at = 0
        self._wanted = _CHECKED.size
        while len(data) - at >= _CHECKED.size:
            total, head, checksum = _CHECKED.unpack_from(data, at)
            _check_prelude(data, at, total, head, checksum)
            if len(data) - at < total:
                self._wanted = total
                break
            frames.append(self._frame(data[at : at + total], head))
            at += total
        self._held = bytearray(data[at:])
        return frames

    def _frame(self, data: bytes, head: int) -> Frame:
        body = len(data) - _SUM.size
        if crc32(data[:body]) != _SUM.unpack_from(data, body)[0]:
            raise UpstreamGarbled("The event stream holds a frame with a wrong checksum.")
        start = _CHECKED.size
        block = data[start : start + head]
        headers = self._known.get(block)
        if headers is None:
            headers = read_headers(block)
            if len(self._known) < _REMEMBERED:
                self._known[block] = headers
        return Frame(data, headers, data[start + head : body])


def write_headers(headers: Mapping[str, Value]) -> bytes:
    """A header block. Raises `ValueError` for a name or value that the format cannot hold."""
    pieces: list[bytes] = []
    for name, value in headers.items():
        encoded = name.encode()
        if not 0 < len(encoded) < 256:
            raise ValueError(f"a header's name must have 1 to 255 bytes: {name[:40]!r}")
        pieces += (bytes((len(encoded),)), encoded, _write_value(value))
    block = b"".join(pieces)
    if len(block) > HEADERS_LIMIT:
        raise ValueError(f"a frame's headers may have at most {HEADERS_LIMIT} bytes")
    return block


def write_frame(headers: bytes, payload: bytes) -> bytes:
    """A frame with this header block (of `write_headers`) and this payload.

    Raises `ValueError` for a frame over the limit.
    """
    total = _OVERHEAD + len(headers) + len(payload)
    if total > FRAME_LIMIT:
        raise ValueError(f"a frame may have at most {FRAME_LIMIT} bytes")
    lengths = _PRELUDE.pack(total, len(headers))
    start = b"%b%b%b" % (lengths, _SUM.pack(crc32(lengths)), headers)
    return b"%b%b%b" % (start, payload, _SUM.pack(crc32(payload, crc32(start))))


def read_headers(block: bytes) -> dict[str, Value]:
    """The headers in a block. Raises `UpstreamGarbled` for a block that is torn, holds an
    unknown type or a name twice."""
    headers: dict[str, Value] = {}
    at = 0
    try:
        while at < len(block):
            start = at + 1
            at = start + block[at]
            name = _piece(block, start, at).decode()
            kind = block[at]
            value, at = _read_value(block, kind, at + 1)
            if name in headers:
                raise UpstreamGarbled("The event stream holds a frame with a header twice.")
            headers[name] = value
    except (IndexError, struct.error, UnicodeDecodeError):
        raise _torn() from None
    return headers


def _check_prelude(data: bytes, at: int, total: int, head: int, checksum: int) -> None:
    if crc32(data[at : at + _PRELUDE.size]) != checksum:
        raise UpstreamGarbled("The event stream holds a frame with a wrong checksum.")
    if total > EVENT_LIMIT or head > HEADERS_LIMIT:
        raise UpstreamGarbled(f"The event stream holds a frame over {EVENT_LIMIT} bytes.")
    if total < _OVERHEAD + head:
        raise _torn()


def _read_value(block: bytes, kind: int, at: int) -> tuple[Value, int]:
    """The value of this type at an offset, and the offset behind it."""
    if kind in (_STRING, _BYTES):
        start = at + _LENGTH.size
        end = start + _LENGTH.unpack_from(block, at)[0]
        data = _piece(block, start, end)
        return (data.decode() if kind == _STRING else data), end
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    form = _INTEGERS.get(kind)
    if form is not None:
        return form.unpack_from(block, at)[0], at + form.size
    if kind == _UUID:
        return UUID(bytes=_piece(block, at, at + 16)), at + 16
    raise UpstreamGarbled("The event stream holds a header of an unknown type.")


def _piece(block: bytes, start: int, end: int) -> bytes:
    if end > len(block):
        raise _torn()
    return block[start:end]


def _write_value(value: Value) -> bytes:
    if isinstance(value, bool):
        return bytes((_TRUE if value else _FALSE,))
    if isinstance(value, int):
        for kind in (4, 5):
            form = _INTEGERS[kind]
            if -(1 << (8 * form.size - 1)) <= value < 1 << (8 * form.size - 1):
                return bytes((kind,)) + form.pack(value)
        raise ValueError("a header's number must fit into eight bytes")
    if isinstance(value, UUID):
        return bytes((_UUID,)) + value.bytes
    kind, data = (_STRING, value.encode()) if isinstance(value, str) else (_BYTES, value)
    if len(data) > 0x7FFF:
        raise ValueError("a header's value may have at most 32767 bytes")
    return bytes((kind,)) + _LENGTH.pack(len(data)) + data


def _torn() -> UpstreamGarbled:
    return UpstreamGarbled("The event stream holds a frame whose lengths cannot be.")
