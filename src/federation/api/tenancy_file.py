"""Export and import of all tenancy objects as one document."""

from __future__ import annotations

from fastapi import APIRouter

from federation.api.access import Asker, ControlPlane
from federation.api.keys import view_fields
from federation.api.models import ErrorDetail, ErrorReply, NewKeyView
from federation.api.tenancy_lists import OfTenant
from federation.api.tenancy_models import (
    ImportView,
    KeyEntry,
    QuotaView,
    TeamEntry,
    TenancyFile,
    TenantEntry,
    UserEntry,
)
from federation.api.tenancy_once import OnceRoute
from federation.api.tenancy_tenants import quota
from federation.control.permissions import KeyWish, Permission
from federation.control.tenancy import Put
from federation.control.tenancy_estates import Estate, Issue, read_estates, write_estates
from federation.dialects.openai.errors import render_error
from federation.domain.tenancy import Team, Tenant, Tier, User
from federation.errors import FederationError

router = APIRouter(prefix="/v1/admin/tenancy", tags=["tenancy"], route_class=OnceRoute)


@router.get("")
async def export_tenancy(
    control: ControlPlane, asker: Asker, tenant: OfTenant = None
) -> TenancyFile:
    """All that you can see, without secrets and without keys that have ended."""
    now_ms = int(control.clock() * 1000)
    estates = await read_estates(control.tenancy, control.keys, asker, tenant, now_ms)
    return TenancyFile(tenants=[_entry(estate) for estate in estates])


@router.post("")
async def import_tenancy(control: ControlPlane, asker: Asker, body: TenancyFile) -> ImportView:
    """Make and change what the document says. Nothing is deleted; again, it does nothing.

    Keys that are not here are made, with new secrets that only this answer tells: so where it
    ends half-way it tells what was done, and `problem` why it ended there.
    """
    now_ms = int(control.clock() * 1000)
    estates = [_estate(entry, now_ms) for entry in body.tenants]
    moved = await write_estates(control.tenancy, control.keys, asker, estates, now_ms)
    return ImportView(
        made=moved.counts[Put.MADE],
        changed=moved.counts[Put.CHANGED],
        unchanged=moved.counts[Put.KEPT],
        ended=moved.ended,
        keys=[
            NewKeyView.model_validate({**view_fields(key), "secret": secret})
            for key, secret in moved.issued
        ],
        problem=None if moved.problem is None else _detail(moved.problem),
    )


def _detail(error: FederationError) -> ErrorDetail:
    rendered = render_error(error).body
    assert isinstance(rendered, bytes)  # noqa: S101  an error is never a stream
    return ErrorReply.model_validate_json(rendered).error


def _entry(estate: Estate) -> TenantEntry:
    tenant, allowed = estate.tenant, estate.tenant.custom
    custom = QuotaView(requests_month=allowed.requests_month, providers=allowed.providers)
    return TenantEntry(
        id=tenant.id,
        name=tenant.name,
        tier=tenant.tier,
        quota=custom if tenant.tier is Tier.CUSTOM else None,
        suspended=tenant.suspended,
        teams=[TeamEntry(id=team.id, name=team.name) for team in estate.teams],
        users=[
            UserEntry(
                id=user.id,
                name=user.name,
                role=user.role,
                team=user.team,
                email=user.email,
                suspended=user.suspended,
            )
            for user in estate.users
        ],
        keys=[_key_entry(issue) for issue in estate.keys],
    )


def _key_entry(issue: Issue) -> KeyEntry:
    wish = issue.wish
    return KeyEntry(
        id=issue.id,
        name=wish.name,
        role=wish.role,
        expires_ms=wish.expires_ms,
        models=list(wish.models),
        providers=list(wish.providers),
        team=wish.team,
        user=wish.user,
        scopes=[Permission(each) for each in wish.scopes],
    )


def _estate(entry: TenantEntry, now_ms: int) -> Estate:
    custom = quota(entry.quota)
    return Estate(
        Tenant(entry.id, entry.name, now_ms, entry.tier, custom, entry.suspended),
        tuple(Team(team.id, entry.id, team.name, now_ms) for team in entry.teams),
        tuple(
            User(
                id=user.id,
                tenant=entry.id,
                name=user.name,
                created_ms=now_ms,
                role=user.role,
                team=user.team,
                email=user.email,
                suspended=user.suspended,
            )
            for user in entry.users
        ),
        tuple(Issue(key.id, _wish(key, entry.id)) for key in entry.keys),
    )


def _wish(key: KeyEntry, tenant: str) -> KeyWish:
    return KeyWish(
        name=key.name,
        role=key.role,
        tenant=tenant,
        expires_ms=key.expires_ms,
        models=tuple(key.models),
        providers=tuple(key.providers),
        team=key.team,
        user=key.user,
        scopes=tuple(each.value for each in key.scopes),
    )
