"""The request-target: from its bytes to a decoded path and a query left as it came.

The path is decoded once. Decoding it again further in would let a client smuggle a slash or
a NUL past whoever looked first.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from federation.errors import InvalidRequest

_CONTROL = frozenset(chr(code) for code in (*range(32), 127))


def split_target(target: bytes) -> tuple[str, str]:
    """Return (path, query) of an origin-form, absolute-form or asterisk-form target.

    The host of an absolute-form target is ignored, as `host` is: neither chooses anything
    here. Raises `InvalidRequest` where the path is not UTF-8 or holds a control character.
    """
    path, _, query = target.partition(b"?")
    if b"#" in target:
        raise InvalidRequest("The request target holds a fragment; leave out '#' and what follows.")
    if path[:1] != b"/":
        path = _without_authority(path)
    if b"%" in path:
        path = unquote_to_bytes(path)
    try:
        decoded = path.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("The path is not valid UTF-8 once percent-decoded.") from None
    if not decoded.isprintable() and not _CONTROL.isdisjoint(decoded):
        raise InvalidRequest("The path holds a control character.")
    return decoded, query.decode("latin-1")


def _without_authority(path: bytes) -> bytes:
    if path == b"*":
        return path
    scheme, separator, rest = path.partition(b"://")
    if not separator or scheme.lower() not in {b"http", b"https"}:
        raise InvalidRequest("The request target must be a path or an http URL.")
    slash = rest.find(b"/")
    return b"/" if slash < 0 else rest[slash:]
