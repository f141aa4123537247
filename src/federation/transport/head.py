"""A request's head as bytes: checked against injection, with the fields that are ours to add.

The trap: a line break in a header value would start a header, or a whole request, of the
caller's choice. Nothing here escapes; what does not fit is refused.
"""

from __future__ import annotations

from federation.domain.hosts import folded
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
_END = (b"", b"")
_MOST = 256
_DEFAULT_PORT = {"http": 80, "https": 443}


def authority(origin: Origin) -> str:
    """Return what the `host` field says: the name, and the port where it is not the usual one.
    It is ASCII; of a name that no resolver takes, the rest are question marks."""
    host = folded(origin.host).encode("ascii", "replace").decode()
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    if not host:
        return "localhost"
    if origin.scheme == "http+unix" or _DEFAULT_PORT.get(origin.scheme) == origin.port:
        return host
    return f"{host}:{origin.port}"


class HeadWriter:
    """Writes the heads of one origin's requests.

    What was checked once is remembered: a gateway sends the same few targets and the same
    sets of header names over and over.
    """

    __slots__ = ("_hop", "_host", "_plans", "_prefix", "_starts", "_written")

    def __init__(self, host: str, prefix: str = "", hop: tuple[bytes, ...] = ()) -> None:
        """`prefix` stands before the target (a plain proxy wants the absolute form), `hop`
        holds lines for the proxy alone."""
        self._host = b"host: " + host.encode("ascii")
        self._prefix = prefix
        self._hop = hop
        self._starts: dict[tuple[str, str], bytes] = {}
        self._plans: dict[tuple[bytes, ...], tuple[bool, tuple[bytes, ...]]] = {}
        self._written: dict[int, tuple[tuple[tuple[bytes, bytes], ...], str, bytes]] = {}
        """By the identity of its fields, which live as long as they are in it: a head's fields,
        its target, and its bytes up to the length of the body."""

    def render(self, request: WireRequest) -> bytes:
        """Return the head up to and with its empty line.

        Raises `InvalidRequest` for anything that would not stay inside its own line.
        """
        fields = request.headers
        known = self._written.get(id(fields))
        if known is not None and known[1] == request.target and request.method == "POST":
            return b"%b%d\r\n\r\n" % (known[2], len(request.body))
        method, body = request.method, request.body
        start = self._starts.get((method, request.target)) or self._start(method, request.target)
        names = next(zip(*fields, strict=True)) if fields else ()
        clean, ours = self._plans.get(names) or self._plan(names)
        if not clean:
            fields = tuple(pair for pair in fields if pair[0] not in _OURS)
        lines = [start, *map(b": ".join, fields), *ours]
        if body or method in _WITH_BODY:
            lines.append(b"content-length: %d" % len(body))
        lines += _END
        head = b"\r\n".join(lines)
        # Each joint is two bytes: any more of these three bytes came in with a value.
        if len(head) - len(head.translate(None, b"\r\n\0")) != 2 * len(lines) - 2:
            raise InvalidRequest("a header's value holds a line break or a NUL")
        if method == "POST":
            self._keep(request, head[: head.rindex(b" ") + 1])
        return head

    def _keep(self, request: WireRequest, head: bytes) -> None:
        """Most requests bring the very fields, one object, that were prepared for all calls."""
        if len(self._written) >= _MOST:
            self._written.clear()
        self._written[id(request.headers)] = request.headers, request.target, head

    def _start(self, method: str, target: str) -> bytes:
        if not (
            target.startswith("/")
            and target.isascii()
            and target.isprintable()
            and " " not in target
            and method.isalpha()
            and method.isascii()
        ):
            raise InvalidRequest("the request's path or method holds characters that HTTP forbids")
        if len(self._starts) >= _MOST:
            self._starts.clear()
        start = f"{method} {self._prefix}{target} HTTP/1.1".encode("ascii")
        self._starts[method, target] = start
        return start

    def _plan(self, names: tuple[bytes, ...]) -> tuple[bool, tuple[bytes, ...]]:
        """Check a set of names; say whether all may be sent, and which lines are ours to add."""
        if b"" in names or b"".join(names).translate(None, _NAME_BYTES):
            raise InvalidRequest("a header's name holds characters that HTTP forbids")
        ours: tuple[bytes, ...] = self._hop
        if b"host" not in names:
            ours = (self._host, *ours)
        if b"accept-encoding" not in names:
            ours = (b"accept-encoding: identity", *ours)
        plan = (_OURS.isdisjoint(names), ours)
        if len(self._plans) >= _MOST:
            self._plans.clear()
        self._plans[names] = plan
        return plan
