"""A request's head as bytes: checked against injection, with the fields that are ours to add.

The trap: a line break in a header value would start a header, or a whole request, of the
caller's choice. Nothing here escapes; what does not fit is refused.
"""

from __future__ import annotations

from federation.errors import InvalidRequest
from federation.schema.http import Origin, WireRequest

# Framing and hop-by-hop fields (RFC 9110 section 7.6.1): they describe the client's
# connection, not ours, and two opinions about a body's length are how requests are smuggled.
_OURS = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NAME_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_DEFAULT_PORT = {"http": 80, "https": 443}


def authority(origin: Origin) -> str:
    """Return what the `host` field says: the name, and the port where it is not the usual one."""
    host = origin.host
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    if not host:
        return "localhost"
    if origin.scheme == "http+unix" or _DEFAULT_PORT.get(origin.scheme) == origin.port:
        return host
    return f"{host}:{origin.port}"


def render(request: WireRequest, host: bytes, prefix: str, hop: tuple[bytes, ...]) -> bytes:
    """Return the head up to and with its empty line.

    `host` is the whole `host` line, `prefix` stands before the target (a plain proxy wants
    the absolute form), `hop` holds lines for the proxy alone. Raises `InvalidRequest` for
    anything that would not stay inside its own line.
    """
    target, method = request.target, request.method
    if not (
        target.startswith("/")
        and target.isascii()
        and target.isprintable()
        and " " not in target
        and method.isalpha()
        and method.isascii()
    ):
        raise InvalidRequest("the request's path or method holds characters that HTTP forbids")
    fields = request.headers
    names = dict(fields)
    if not _OURS.isdisjoint(names):
        fields = tuple(pair for pair in fields if pair[0] not in _OURS)
    if b"" in names or b"".join(names).translate(None, _NAME_BYTES):
        raise InvalidRequest("a header's name holds characters that HTTP forbids")
    lines = [f"{method} {prefix}{target} HTTP/1.1".encode("ascii")]
    if b"host" not in names:
        lines.append(host)
    lines += map(b": ".join, fields)
    if b"accept-encoding" not in names:
        lines.append(b"accept-encoding: identity")
    if request.body or method in _WITH_BODY:
        lines.append(b"content-length: %d" % len(request.body))
    lines += hop
    lines += (b"", b"")
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise InvalidRequest("a header's value holds a line break or a NUL")
    return head
