"""Routes of tenants. Only administrators make and change them; others see their own."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Response

from federation.api.access import Asker, ControlPlane
from federation.api.tenancy_lists import Cursor, IfMatch, Limit, Pages, tagged
from federation.api.tenancy_models import (
    QuotaView,
    TenantBody,
    TenantEdit,
    TenantList,
    TenantView,
)
from federation.api.tenancy_once import OnceRoute
from federation.domain.tenancy import Quota, Tenant, Tier

router = APIRouter(prefix="/v1/admin/tenants", tags=["tenancy"], route_class=OnceRoute)


@router.get("")
async def list_tenants(
    control: ControlPlane, asker: Asker, limit: Limit = 100, cursor: Cursor = None
) -> TenantList:
    """The tenants that you can see."""
    pages = Pages(control, asker, "tenants", None)
    found, end = await control.tenancy.tenants.page(asker, None, pages.after(cursor), limit)
    return TenantList(data=[_view(tenant) for tenant in found], next=pages.next(end))


@router.post("", status_code=201)
async def create_tenant(
    control: ControlPlane, asker: Asker, body: TenantBody, response: Response
) -> TenantView:
    """Make a tenant."""
    made = Tenant(
        id=body.id,
        name=body.name or body.id,
        created_ms=int(control.clock() * 1000),
        tier=body.tier,
        custom=quota(body.quota),
    )
    await control.tenancy.tenants.add(asker, made)
    tagged(response, made)
    return _view(made)


@router.get("/{tenant}")
async def get_tenant(
    control: ControlPlane, asker: Asker, tenant: str, response: Response
) -> TenantView:
    """One tenant."""
    found = await control.tenancy.tenants.get(asker, tenant)
    tagged(response, found)
    return _view(found)


@router.patch("/{tenant}")
async def change_tenant(
    control: ControlPlane,
    asker: Asker,
    tenant: str,
    body: TenantEdit,
    response: Response,
    if_match: IfMatch = None,
) -> TenantView:
    """Change a tenant. A suspended one has no key in force, from a second later on."""
    changes = {name: getattr(body, name) for name in body.model_fields_set - {"quota"}}
    if "quota" in body.model_fields_set:
        changes["custom"] = quota(body.quota)
    elif changes.get("tier", Tier.CUSTOM) is not Tier.CUSTOM:
        changes["custom"] = Quota()

    def change(before: Tenant) -> Tenant:
        return replace(before, **changes)

    changed = await control.tenancy.tenants.change(asker, tenant, change, None, if_match)
    tagged(response, changed)
    return _view(changed)


@router.delete("/{tenant}", status_code=204)
async def delete_tenant(
    control: ControlPlane, asker: Asker, tenant: str, if_match: IfMatch = None
) -> None:
    """Delete a tenant that has no teams, users or keys."""
    await control.tenancy.tenants.remove(asker, tenant, None, if_match)


def quota(said: QuotaView | None) -> Quota:
    """A quota as it was written."""
    return Quota() if said is None else Quota(said.requests_month, said.providers)


def _view(tenant: Tenant) -> TenantView:
    allowed = tenant.quota
    return TenantView(
        id=tenant.id,
        name=tenant.name,
        tier=tenant.tier,
        quota=QuotaView(requests_month=allowed.requests_month, providers=allowed.providers),
        suspended=tenant.suspended,
        created_ms=tenant.created_ms,
    )
