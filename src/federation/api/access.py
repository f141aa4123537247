"""Who may call which route: one table, enforced for every route of the application.

The trap: a route that is not in the table is refused to everyone, so a new one cannot be
open by mistake. A test holds the table and the application's routes against each other.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from federation.api.recording import READING, asked, told_of
from federation.control.control import Control
from federation.control.permissions import Permission, may, tenant_seen
from federation.domain.access import VirtualKey
from federation.domain.asker import ANONYMOUS, identify
from federation.errors import Forbidden

OPEN = None
"""No key is asked for."""

ROUTES: dict[tuple[str, str], Permission | None] = {
    ("GET", "/v1/calls"): Permission.READ_CALLS,
    ("GET", "/v1/calls/{call}"): Permission.READ_CALLS,
    ("GET", "/v1/stats"): Permission.READ_STATS,
    ("GET", "/v1/analytics/costs"): Permission.READ_STATS,
    ("GET", "/v1/analytics/lines"): Permission.READ_CALLS,
    ("GET", "/v1/analytics/budgets"): Permission.READ_STATS,
    ("POST", "/v1/analytics/budgets"): Permission.CHANGE_BUDGETS,
    ("GET", "/v1/admin/budgets"): Permission.READ_STATS,
    ("POST", "/v1/admin/budgets"): Permission.CHANGE_BUDGETS,
    ("GET", "/v1/admin/budgets/{budget}"): Permission.READ_STATS,
    ("DELETE", "/v1/admin/budgets/{budget}"): Permission.CHANGE_BUDGETS,
    ("GET", "/v1/admin/limits"): Permission.READ_STATS,
    ("POST", "/v1/admin/limits"): Permission.CHANGE_LIMITS,
    ("GET", "/v1/admin/limits/{limit}"): Permission.READ_STATS,
    ("DELETE", "/v1/admin/limits/{limit}"): Permission.CHANGE_LIMITS,
    ("GET", "/user/stats"): Permission.READ_STATS,
    ("GET", "/v1/keys"): Permission.READ_KEYS,
    ("POST", "/v1/keys"): Permission.CHANGE_KEYS,
    ("GET", "/v1/keys/{key}"): Permission.READ_KEYS,
    ("PATCH", "/v1/keys/{key}"): Permission.CHANGE_KEYS,
    ("DELETE", "/v1/keys/{key}"): Permission.CHANGE_KEYS,
    ("POST", "/v1/keys/{key}/rotate"): Permission.CHANGE_KEYS,
    ("GET", "/v1/admin/tenants"): Permission.READ_TENANCY,
    ("POST", "/v1/admin/tenants"): Permission.CHANGE_TENANTS,
    ("GET", "/v1/admin/tenants/{tenant}"): Permission.READ_TENANCY,
    ("PATCH", "/v1/admin/tenants/{tenant}"): Permission.CHANGE_TENANTS,
    ("DELETE", "/v1/admin/tenants/{tenant}"): Permission.CHANGE_TENANTS,
    ("GET", "/v1/admin/teams"): Permission.READ_TENANCY,
    ("POST", "/v1/admin/teams"): Permission.CHANGE_TENANCY,
    ("GET", "/v1/admin/teams/{team}"): Permission.READ_TENANCY,
    ("PATCH", "/v1/admin/teams/{team}"): Permission.CHANGE_TENANCY,
    ("DELETE", "/v1/admin/teams/{team}"): Permission.CHANGE_TENANCY,
    ("GET", "/v1/admin/users"): Permission.READ_TENANCY,
    ("POST", "/v1/admin/users"): Permission.CHANGE_TENANCY,
    ("GET", "/v1/admin/users/{user}"): Permission.READ_TENANCY,
    ("PATCH", "/v1/admin/users/{user}"): Permission.CHANGE_TENANCY,
    ("DELETE", "/v1/admin/users/{user}"): Permission.CHANGE_TENANCY,
    ("GET", "/v1/admin/tenancy"): Permission.READ_TENANCY,
    ("POST", "/v1/admin/tenancy"): Permission.CHANGE_TENANTS,
    ("GET", "/v1/violations"): Permission.READ_OVERSIGHT,
    ("GET", "/v1/violations/{violation}"): Permission.READ_OVERSIGHT,
    ("POST", "/v1/violations/{violation}/acknowledge"): Permission.CHANGE_VIOLATIONS,
    ("POST", "/v1/violations/{violation}/resolve"): Permission.CHANGE_VIOLATIONS,
    ("POST", "/v1/violations/{violation}/remedies"): Permission.CHANGE_VIOLATIONS,
    ("POST", "/v1/remedies/{remedy}/approve"): Permission.CHANGE_VIOLATIONS,
    ("POST", "/v1/remedies/{remedy}/reject"): Permission.CHANGE_VIOLATIONS,
    ("POST", "/v1/remedies/{remedy}/undo"): Permission.CHANGE_VIOLATIONS,
    ("GET", "/v1/compliance/reports/{framework}"): Permission.READ_OVERSIGHT,
    ("GET", "/v1/policies"): Permission.READ_POLICIES,
    ("GET", "/v1/policies/proposals"): Permission.READ_POLICIES,
    ("POST", "/v1/policies/proposals"): Permission.CHANGE_POLICIES,
    ("GET", "/v1/policies/proposals/{proposal}"): Permission.READ_POLICIES,
    ("POST", "/v1/policies/proposals/{proposal}/{decision}"): Permission.CHANGE_POLICIES,
    ("GET", "/v1/policies/approvals"): Permission.READ_POLICIES,
    ("POST", "/v1/policies/approvals"): Permission.CHANGE_POLICIES,
    ("GET", "/v1/admin/data/payloads"): Permission.READ_DATA,
    ("GET", "/v1/admin/data/payloads/{call}"): Permission.READ_DATA,
    ("GET", "/v1/admin/data/holds"): Permission.READ_DATA,
    ("POST", "/v1/admin/data/holds"): Permission.CHANGE_DATA,
    ("DELETE", "/v1/admin/data/holds/{hold}"): Permission.CHANGE_DATA,
    ("GET", "/v1/admin/data/erasures"): Permission.READ_DATA,
    ("POST", "/v1/admin/data/erasures"): Permission.CHANGE_DATA,
    ("POST", "/v1/admin/data/names"): Permission.READ_TENANCY,
    ("GET", "/v1/admin/data/keys"): Permission.READ_DATA,
    ("POST", "/v1/admin/data/keys/rotate"): Permission.CHANGE_DATA,
    ("POST", "/v1/providers/{provider}/enable"): Permission.CHANGE_PROVIDERS,
    ("POST", "/v1/providers/{provider}/disable"): Permission.CHANGE_PROVIDERS,
    ("POST", "/v1/providers/{provider}/test"): Permission.CHANGE_PROVIDERS,
    ("GET", "/admin/status"): Permission.READ_STATUS,
    ("POST", "/admin/overflow_provider"): Permission.CHANGE_PROVIDERS,
    ("DELETE", "/admin/overflow_provider/{provider}"): Permission.CHANGE_PROVIDERS,
    ("GET", "/admin/nodes"): Permission.READ_STATUS,
    ("POST", "/admin/nodes"): Permission.CHANGE_PROVIDERS,
    ("POST", "/admin/nodes/{node}/drain"): Permission.CHANGE_PROVIDERS,
    ("DELETE", "/admin/nodes/{node}"): Permission.CHANGE_PROVIDERS,
    ("GET", "/metrics"): Permission.READ_METRICS,
    ("POST", "/auth/token"): OPEN,
    ("POST", "/auth/refresh"): OPEN,
    ("POST", "/auth/revoke"): OPEN,
    ("GET", "/auth/me"): Permission.READ_SELF,
    ("GET", "/auth/jwks.json"): OPEN,
    ("GET", "/auth/issuers"): OPEN,
    ("GET", "/auth/login"): OPEN,
    ("GET", "/auth/callback"): OPEN,
    ("GET", "/health/startup"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/openapi.json"): OPEN,
}


def control_of(request: Request) -> Control:
    """The control process behind this application."""
    control: Control = request.app.state.control
    return control


def authorize(request: Request) -> VirtualKey:
    """Who asks, if they may call this route, under the id by which they are kept.

    Raises `Unauthorized`, `Forbidden`, and `Unavailable` where there is no key to the pseudonym
    of who has signed in. On routes that ask for no key it is `ANONYMOUS`.
    """
    route = request.scope["route"]
    permission = ROUTES.get((request.method, route.path), Permission.ALL_TENANTS)
    if permission is None:
        return ANONYMOUS
    key = control_of(request).askers.as_kept(_identify(request))
    if not may(key, permission):
        _record(request, route.path, key, "refused", key.tenant)
        raise Forbidden(
            f"A key with the role '{key.role.value}' of tenant '{key.tenant}' "
            f"may not do this (it needs '{permission.value}')."
        )
    _record(request, route.path, key, "asked", request.query_params.get("tenant"))
    return key


def _record(request: Request, route: str, key: VirtualKey, phase: str, tenant: str | None) -> None:
    """Put on record what is asked for, a user by what stands for them: a record is for ever."""
    if request.method in READING:
        return
    control, subject = control_of(request), request.url.path
    user = request.path_params.get("user")
    if user is not None:
        seen = tenant_seen(key)
        subject = route.replace(
            "{user}", told_of(control.names, seen or tenant or key.tenant, user)
        )
    asked(control.oversight.notebook, request.scope, route, key, phase, subject)


def _identify(request: Request) -> VirtualKey:
    control = control_of(request)
    is_open = control.configuration.snapshot.settings.open
    return identify(dict(request.scope["headers"]), control.sign_in.bearers.find, is_open=is_open)


Asker = Annotated[VirtualKey, Depends(authorize)]
ControlPlane = Annotated[Control, Depends(control_of)]
