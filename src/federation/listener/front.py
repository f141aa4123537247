"""What stands behind the listener, and how its failures become replies.

Cancellation is not a failure: it passes through, because it means that nobody is left to reply to.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from federation.errors import FederationError
from federation.schema.client_ids import TOLD, client_id
from federation.schema.http import ClientReply, ClientRequest

Handler: TypeAlias = Callable[[ClientRequest], Awaitable[ClientReply]]
RenderError: TypeAlias = Callable[[FederationError, str], ClientReply]
"""The error and the request's path (empty where it is not known) to a reply with a bytes body."""
Welcome: TypeAlias = Callable[[ClientRequest], None]
"""Raises the `FederationError` that a request is to get whatever its body, which has not come."""
OnFault: TypeAlias = Callable[[BaseException, str], None]
"""A bug and the request id under which the client was told of it."""


def welcome_all(request: ClientRequest) -> None:
    """A `Welcome` that turns nobody away."""


@dataclass(frozen=True, slots=True)
class Front:
    """The gateway as the listener sees it: one callable, and what to do when it raises."""

    handler: Handler
    render_error: RenderError
    on_fault: OnFault
    welcome: Welcome = welcome_all

    def turns_away(self, head: ClientRequest) -> FederationError | None:
        """Why a client that asks before it sends a body (`Expect: 100-continue`) need not send
        it; None where it may."""
        try:
            self.welcome(head)
        except FederationError as error:
            return error
        except Exception as fault:  # noqa: BLE001 - the handler will say what can be said
            self.report(fault)
        return None

    async def answer(self, request: ClientRequest) -> ClientReply:
        """Return the handler's reply, or its error as a reply; raises only on cancellation."""
        try:
            reply = await self.handler(request)
        except FederationError as error:
            # Whoever kept the error in a frame that raised it has made a ring of the two.
            reply = self.explain(error.with_traceback(None), request.path)
        except Exception as fault:  # noqa: BLE001 - one of the four places that catch everything
            reply = self.apologize(fault, request.path)
        given = client_id(request.headers)
        if given:
            reply.headers = [*reply.headers, (TOLD, given)]
        return reply

    def explain(self, error: FederationError, path: str) -> ClientReply:
        """Render an error for the face that `path` belongs to. One that came before there was a
        call has an id of its own, for whoever tells of it."""
        try:
            reply = self.render_error(error, path)
        except Exception as fault:  # noqa: BLE001 - the renderer itself is broken
            return _plain(self.report(fault))
        if not error.call_id:
            reply.headers = [*reply.headers, (b"x-request-id", _new_id().encode())]
        return reply

    def apologize(self, fault: Exception, path: str) -> ClientReply:
        """Report a bug; the reply is a 500 that holds its request id and nothing else."""
        request_id = self.report(fault)
        error = FederationError(f"internal error, request id {request_id}")
        try:
            reply = self.render_error(error, path)
        except Exception as second:  # noqa: BLE001 - the renderer itself is broken
            self.on_fault(second, request_id)
            return _plain(request_id)
        reply.headers.append((b"x-request-id", request_id.encode()))
        return reply

    def report(self, fault: BaseException) -> str:
        """Hand a bug to whoever logs it; returns the request id that names it."""
        request_id = _new_id()
        self.on_fault(fault, request_id)
        return request_id


def _new_id() -> str:
    return f"req_{secrets.token_hex(12)}"


def _plain(request_id: str) -> ClientReply:
    headers = [(b"content-type", b"text/plain"), (b"x-request-id", request_id.encode())]
    return ClientReply(500, headers, b"internal error")
