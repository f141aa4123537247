"""Management paths are passed on to the control process over its Unix socket.

Workers answer inference; whatever else has a known beginning goes to control as it came.
Paths that nobody serves end here, so that a scanner does not reach control.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from federation.gateway.control_socket import ControlSocket
from federation.ports import Transport
from federation.schema.http import ClientReply, ClientRequest, Timeouts
from federation.schema.storing import HEADER

PASSED = (
    "/admin/",
    "/auth/",
    "/v1/admin/",
    "/v1/analytics/",
    "/v1/calls",
    "/v1/compliance/",
    "/v1/keys",
    "/v1/policies",
    "/v1/providers/",
    "/v1/remedies/",
    "/v1/stats",
    "/v1/violations",
    "/user/stats",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/health/startup",
)
_PEER = b"x-federation-peer"
_KEPT_BACK = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"upgrade",
        b"te",
        b"trailer",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"content-length",
        b"expect",
        b"date",
        b"server",
        HEADER,
        _PEER,
    )
)
_TIMEOUTS = Timeouts(connect_s=1.0, first_byte_s=30.0, idle_s=30.0, total_s=60.0)
_LIMIT = 64 * 1024 * 1024


def is_passed(path: str) -> bool:
    """Whether control answers this path."""
    return path.startswith(PASSED)


class Passing:
    """Hands requests on to control; one for each worker."""

    def __init__(self, transport: Transport, socket: Path) -> None:
        self._control = ControlSocket(transport, socket)

    async def __call__(self, request: ClientRequest) -> ClientReply:
        """Control's answer, whole; to HEAD that to GET, whose body the listener keeps. Raises
        `Unavailable` while control is away."""
        target = quote(request.path, safe="/:@!$&'()*+,;=~-._")
        if request.query:
            target = f"{target}?{request.query}"
        headers = [pair for pair in request.headers.items() if pair[0] not in _KEPT_BACK]
        headers.append((_PEER, request.peer.encode("ascii", "replace")))
        method = "GET" if request.method == "HEAD" else request.method
        reply = await self._control.send(
            method, target, tuple(headers), request.body, _TIMEOUTS, _LIMIT
        )
        kept = [pair for pair in reply.headers.items() if pair[0] not in _KEPT_BACK]
        return ClientReply(reply.status, kept, reply.body)
