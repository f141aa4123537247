"""What only workers may ask: an application of its own in front of the management API.

The trap: workers pass clients' requests on to the same socket. They never pass on a path
that begins like this one, they take the header away that is asked for here, and only who
holds the key ring can write it.
"""

from __future__ import annotations

import hmac

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from federation.control.control import Control
from federation.errors import FederationError
from federation.schema.storing import HEADER, PATH, Asked
from federation.storage.keyring import internal_key

PREFIX = "/internal/"
BODY_LIMIT = 128 * 1024 * 1024

_asked = msgspec.msgpack.Decoder(Asked)
_encode = msgspec.msgpack.encode


class Internal:
    """Answers workers below `PREFIX`, and hands everything else to the application behind."""

    def __init__(self, behind: ASGIApp, control: Control) -> None:
        self._behind = behind
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._behind(scope, receive, send)
            return
        status, body = await self._answer(scope, receive)
        headers = [
            (b"content-type", b"application/msgpack"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        if not self._is_worker(scope):
            return 401, b""
        if scope["method"] != "POST" or scope["path"] != PATH:
            return 404, b""
        try:
            asked = _asked.decode(await _body(receive))
        except (msgspec.DecodeError, _TooLarge):
            return 400, b""
        try:
            return 200, _encode(await self._control.responses.answer(asked))
        except FederationError as error:
            return error.status, error.code.encode()

    def _is_worker(self, scope: Scope) -> bool:
        expected = internal_key(self._control.keys.ring.hash_key).encode()
        shown = [value for name, value in scope["headers"] if name == HEADER]
        return len(shown) == 1 and hmac.compare_digest(shown[0], expected)


class _TooLarge(Exception):
    pass


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _TooLarge
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT:
            raise _TooLarge
        if not message.get("more_body"):
            return b"".join(parts)
