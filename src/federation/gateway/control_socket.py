"""A worker's way to the control process: HTTP over control's own Unix socket.

The trap: control may be away at any time, and one that took a request and fell silent may yet do
what it was asked.
"""

from __future__ import annotations

from pathlib import Path

from federation.errors import FederationError, Unavailable, UpstreamError, UpstreamTimeout
from federation.ports import Transport
from federation.schema.http import Origin, Timeouts, WireReply, WireRequest


class ControlSocket:
    """Control, as one worker reaches it."""

    def __init__(self, transport: Transport, socket: Path) -> None:
        self._transport = transport
        self._origin = Origin(scheme="http+unix", host="control", port=0, path=str(socket))

    async def send(
        self,
        method: str,
        target: str,
        headers: tuple[tuple[bytes, bytes], ...],
        body: bytes,
        timeouts: Timeouts,
        limit: int,
    ) -> WireReply:
        """Control's answer of up to `limit` bytes, whole. Raises what `away` says where there
        is none."""
        request = WireRequest(method, self._origin, target, headers, body)
        try:
            exchange = await self._transport.send(request, timeouts)
            try:
                answer = await exchange.body(limit)
            finally:
                await exchange.aclose()
        except UpstreamError as error:
            raise away(error) from error
        return WireReply(exchange.status, exchange.headers, answer)


def away(why: UpstreamError | None = None) -> FederationError:
    """What a client hears of what only control can do, while control does not answer."""
    silent = isinstance(why, UpstreamTimeout)
    does = "does not answer in time" if silent else "is starting"
    return Unavailable(
        f"The control process {does}; inference goes on. Try again in a few seconds.",
        code="control_unavailable",
        retry_after_s=2.0,
    )
