"""Who may call which route: one table, enforced for every route of the application.

The trap: a route that is not in the table is refused to everyone, so a new one cannot be
open by mistake. A test holds the table and the application's routes against each other.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Request

from federation.control.control import Control
from federation.control.permissions import Permission, may
from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.errors import Forbidden, Unauthorized

OPEN = None
"""No key is asked for."""

ROUTES: dict[tuple[str, str], Permission | None] = {
    ("GET", "/v1/calls"): Permission.READ_CALLS,
    ("GET", "/v1/calls/{call}"): Permission.READ_CALLS,
    ("GET", "/v1/stats"): Permission.READ_STATS,
    ("GET", "/v1/keys"): Permission.READ_KEYS,
    ("POST", "/v1/keys"): Permission.CHANGE_KEYS,
    ("DELETE", "/v1/keys/{key}"): Permission.CHANGE_KEYS,
    ("POST", "/v1/providers/{provider}/enable"): Permission.CHANGE_PROVIDERS,
    ("POST", "/v1/providers/{provider}/disable"): Permission.CHANGE_PROVIDERS,
    ("POST", "/v1/providers/{provider}/test"): Permission.CHANGE_PROVIDERS,
    ("GET", "/admin/status"): Permission.READ_STATUS,
    ("GET", "/metrics"): Permission.READ_METRICS,
    ("GET", "/health/startup"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/openapi.json"): OPEN,
}

ANONYMOUS = VirtualKey(
    id="open", hash=b"", name="open", tenant=DEFAULT_TENANT, role=Role.DEVELOPER, created_ms=0
)
"""Who asks where the operator opened the gateway on loopback."""


def control_of(request: Request) -> Control:
    """The control process behind this application."""
    control: Control = request.app.state.control
    return control


def authorize(request: Request) -> VirtualKey:
    """Who asks, if they may call this route.

    Raises `Unauthorized` or `Forbidden`. On routes that ask for no key it is `ANONYMOUS`.
    """
    route = request.scope["route"]
    permission = ROUTES.get((request.method, route.path), Permission.ALL_TENANTS)
    if permission is None:
        return ANONYMOUS
    key = _identify(request)
    if not may(key, permission):
        raise Forbidden(
            f"A key with the role '{key.role.value}' of tenant '{key.tenant}' "
            f"may not do this (it needs '{permission.value}')."
        )
    return key


def _identify(request: Request) -> VirtualKey:
    control = control_of(request)
    secret = _presented(request)
    if not secret:
        if control.configuration.snapshot.settings.open:
            return ANONYMOUS
        raise Unauthorized(
            "No API key was sent. Put one into the header 'Authorization: Bearer <key>'; "
            "`federation key create` makes one.",
            code="missing_api_key",
        )
    key = control.keys.keys.find(secret)
    if key is None:
        raise Unauthorized("This API key is unknown, expired or revoked.")
    return key


def _presented(request: Request) -> str:
    """The secret in `Authorization: Bearer` or `X-API-Key`, empty where there is none."""
    value = request.headers.get("authorization", "")
    other = request.headers.get("x-api-key", "").strip()
    secret = value[7:].strip() if value[:7].lower() == "bearer " else ""
    if secret and other and not hmac.compare_digest(secret.encode(), other.encode()):
        raise Unauthorized("Two different API keys were sent; send one.")
    return secret or other


Asker = Annotated[VirtualKey, Depends(authorize)]
ControlPlane = Annotated[Control, Depends(control_of)]
