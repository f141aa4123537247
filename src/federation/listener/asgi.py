"""The same front under any ASGI server, for HTTP/2 and for tests.

An ASGI server cancels nothing when a client leaves: it only says so to whoever asks. So while
the handler runs or a stream is sent, a second task asks, and cancels the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from msgspec import structs

from federation.domain.routes import ListenerLimits
from federation.errors import FederationError, InvalidRequest, PayloadTooLarge, UnsupportedMedia
from federation.listener.front import Front, Handler, OnFault, RenderError, Welcome, welcome_all
from federation.listener.heads import add_field
from federation.listener.inflate import CODINGS, inflated
from federation.listener.replyhead import UnsafeHeader, has_body, safe_headers
from federation.listener.target import split_target
from federation.schema.http import ByteStream, ClientReply, ClientRequest, Headers

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientLeft(Exception):
    """The client disconnected before its request was whole."""


class StreamCut(Exception):
    """A stream broke: raised to the ASGI server so that it drops the connection."""


def asgi_app(
    handler: Handler,
    limits: ListenerLimits,
    render_error: RenderError,
    on_fault: OnFault,
    welcome: Welcome = welcome_all,
) -> AsgiApp:
    """Return an ASGI 3 application around a handler. Sizes are limited here; times are not."""
    front = Front(handler, render_error, on_fault, welcome)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await _Exchange(front, limits, scope, receive, send).run()
        else:
            await send({"type": "websocket.close", "code": 1000})

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class _Exchange:
    """One request and its reply."""

    def __init__(
        self, front: Front, limits: ListenerLimits, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._front = front
        self._limits = limits
        self._scope = scope
        self._receive = receive
        self._send = send

    async def run(self) -> None:
        """Serve the request; ends early, and cancels the handler, when the client leaves."""
        try:
            request = await self._request()
        except ClientLeft:
            return
        except FederationError as error:
            await self._reply(self._front.explain(error, self._scope["path"]))
            return
        work = asyncio.create_task(self._work(request))
        watch = asyncio.create_task(self._until_gone())
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            watch.cancel()
            if not work.done():
                work.cancel()
            await asyncio.wait((work, watch))
        if not work.cancelled():
            work.result()

    async def _request(self) -> ClientRequest:
        scope = self._scope
        raw = scope.get("raw_path") or scope["path"].encode()
        path = split_target(raw)[0]
        headers: Headers = {}
        for name, value in scope["headers"]:
            add_field(headers, name.lower(), value)
        coding = headers.get(b"content-encoding", b"identity").lower()
        if coding != b"identity" and coding not in CODINGS:
            raise UnsupportedMedia("A body may be compressed with gzip or deflate, once.")
        client = scope.get("client")
        request = ClientRequest(
            scope["method"],
            path,
            scope["query_string"].decode("latin-1"),
            headers,
            b"",
            str(client[0]) if client else "",
        )
        self._check_length(headers)
        # The server says `100 Continue` when the body is asked for.
        if b"expect" in headers and (refusal := self._front.turns_away(request)) is not None:
            raise refusal
        request = structs.replace(request, body=await self._body())
        if coding == b"identity":
            return request
        return await inflated(request, coding, self._limits.body_bytes)

    def _check_length(self, headers: Headers) -> None:
        limit = self._limits.body_bytes
        announced = headers.get(b"content-length", b"0")
        if not announced.isdigit():
            raise InvalidRequest("Content-Length is not a number.")
        if int(announced) > limit:
            raise PayloadTooLarge(f"The body is over {limit} bytes.")

    async def _body(self) -> bytes:
        limit = self._limits.body_bytes
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            body += message.get("body", b"")
            if len(body) > limit:
                raise PayloadTooLarge(f"The body is over {limit} bytes.")
            if not message.get("more_body", False):
                return bytes(body)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _work(self, request: ClientRequest) -> None:
        reply = await self._front.answer(request)
        try:
            safe_headers(reply.headers)
        except UnsafeHeader as fault:
            await self._release(reply.body)
            reply = self._front.apologize(fault, request.path)
        await self._reply(reply)

    async def _reply(self, reply: ClientReply) -> None:
        body = reply.body
        bodiless = not has_body(reply.status, self._scope["method"])
        headers = safe_headers(reply.headers)
        if isinstance(body, bytes) and reply.status not in {204, 304}:
            headers.append((b"content-length", b"%d" % len(body)))
        try:
            await self._send(
                {"type": "http.response.start", "status": reply.status, "headers": headers}
            )
            if not isinstance(body, bytes) and not bodiless:
                await self._pump(body)
        finally:
            await self._release(body)
        last = body if isinstance(body, bytes) and not bodiless else b""
        await self._send({"type": "http.response.body", "body": last})

    async def _pump(self, stream: ByteStream) -> None:
        try:
            while piece := await stream.read():
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        except FederationError as error:
            raise StreamCut from error
        except Exception as fault:
            self._front.report(fault)
            raise StreamCut from fault

    async def _release(self, body: bytes | ByteStream) -> None:
        if not isinstance(body, bytes):
            await body.aclose()
