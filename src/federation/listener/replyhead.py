"""The head of a reply: status line, the caller's headers, and the framing that is ours alone.

A header that a handler sets and that belongs to the connection (`content-length`, `date`, ...)
is left out: two of them would let a client and a proxy disagree on where the reply ends.
"""

from __future__ import annotations

from http import HTTPStatus

_OURS = frozenset(
    {
        b"connection",
        b"content-length",
        b"date",
        b"keep-alive",
        b"server",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_BODILESS = frozenset({204, 304})
_COLON = b": "

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class UnsafeHeader(ValueError):
    """A header name or value holds a line break: sent as it is, it would forge headers."""


def render_headers(headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the header lines of a reply, without those that are ours. Raises `UnsafeHeader`."""
    if not _OURS.isdisjoint([header[0] for header in headers]):
        headers = [header for header in headers if header[0] not in _OURS]
    if not headers:
        return b""
    block = b"%b\r\n" % b"\r\n".join(map(_COLON.join, headers))
    if block.count(b"\n") != len(headers) or block.count(b"\r") != len(headers):
        raise UnsafeHeader("a reply header holds a line break")
    return block


def safe_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return a reply's headers without those that are ours. Raises `UnsafeHeader`."""
    render_headers(headers)
    return [header for header in headers if header[0] not in _OURS]


def status_line(status: int) -> bytes:
    """Return the first line of a reply, with its CRLF."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def has_body(status: int, method: str) -> bool:
    """Whether a reply with this status to this method carries a body at all."""
    return method != "HEAD" and status not in _BODILESS


def reply_head(
    status: int, date: bytes, headers: bytes, framing: bytes, keep_alive: bool, old: bool
) -> bytes:
    """The whole head of a reply; `date` is its header line, `old` says HTTP/1.0."""
    if not keep_alive:
        framing += b"connection: close\r\n"
    elif old:
        framing += b"connection: keep-alive\r\n"
    return b"%b%b%b%b\r\n" % (status_line(status), date, headers, framing)
