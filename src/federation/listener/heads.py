"""Cutting an accepted head into its request line and its fields.

Only for bytes that the strict parser has accepted: nothing here checks the grammar again.
Clients repeat themselves: from the second request of a connection on, lines are remembered, and
all but the content length and a request id are found instead of cut. The memory is the
connection's own and ends with it, because some of these lines hold a secret.
"""

from __future__ import annotations

from typing import NamedTuple

from federation.errors import CallerError, InvalidRequest, MethodNotAllowed
from federation.listener.target import split_target
from federation.schema.http import Headers

_ONCE = frozenset(
    {
        b"api-key",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"x-api-key",
        b"x-goog-api-key",
    }
)


_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")}
_KNOWN_LINES = 64
_KNOWN_LINE_BYTES = 256


class RequestLine(NamedTuple):
    """The first line of a request, decoded; `old` says HTTP/1.0."""

    method: str
    path: str
    query: str
    old: bool


class Scissors:
    """Cuts the heads of one connection."""

    __slots__ = ("_known", "_last", "_last_cut")

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[bytes, bytes]] | None = None
        self._last = b""
        self._last_cut: RequestLine | None = None

    @property
    def seasoned(self) -> bool:
        """Whether this connection has had a request before the one that was cut last."""
        return bool(self._known)

    def request_line(self, line: bytes) -> RequestLine:
        """Return the decoded request line. Raises `CallerError` for another HTTP version."""
        if self._last_cut is None or line != self._last:
            self._last_cut = cut_request_line(line)
            self._last = line
        return self._last_cut

    def fields(self, lines: list[bytes]) -> Headers:
        """Return the header fields of these lines.

        Names in lower case; what is repeated is joined. Raises `InvalidRequest` where a
        field came twice on which two readers could then disagree.
        """
        known = self._known
        if known is None:
            self._known = {}
            return cut_fields(lines)
        headers = dict([known.get(line) or self._learn(known, line) for line in lines])
        return headers if len(headers) == len(lines) else cut_fields(lines)

    def _learn(self, known: dict[bytes, tuple[bytes, bytes]], line: bytes) -> tuple[bytes, bytes]:
        name, _, value = line.partition(b":")
        pair = (name.lower(), value.strip())
        if len(line) <= _KNOWN_LINE_BYTES:
            if len(known) >= _KNOWN_LINES:
                known.clear()
            known[line] = pair
        return pair


def cut_request_line(line: bytes) -> RequestLine:
    """Return the decoded request line. Raises `CallerError` for another HTTP version, and for more
    than one space between its parts, which the parser lets through: others read such a line
    differently, and RFC 9112 (section 3) leaves it to each."""
    method, target, *version = line.split(b" ")  # HTTP/0.9 names no version
    if not target or b"" in version:
        raise InvalidRequest("Malformed HTTP request: more than one space in the request line.")
    old = version == [b"HTTP/1.0"]
    if not old and version != [b"HTTP/1.1"]:
        raise CallerError(
            "Speak HTTP/1.1 or HTTP/1.0.", status=505, code="http_version_unsupported"
        )
    if method == b"CONNECT":
        raise MethodNotAllowed("CONNECT is not offered here.")
    path, query = split_target(target)
    return RequestLine(_METHODS.get(method) or method.decode(), path, query, old)


def cut_fields(lines: list[bytes]) -> Headers:
    """Return the header fields, as `Scissors.fields` does, without a memory."""
    headers: Headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in headers:
            headers[name] = value.strip()
        else:
            add_field(headers, name, value.strip())
    return headers


def add_field(headers: Headers, name: bytes, value: bytes) -> None:
    """Put one more field in; raises `InvalidRequest` as `cut_fields` does."""
    if name not in headers:
        headers[name] = value
    elif name in _ONCE:
        raise InvalidRequest(f"The header '{name.decode('latin-1')}' came twice.")
    else:
        headers[name] += b", " + value
