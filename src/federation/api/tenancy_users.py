"""Routes of users."""

from __future__ import annotations

from fastapi import APIRouter, Response

from federation.api.access import Asker, ControlPlane
from federation.api.tenancy_lists import (
    Cursor,
    IfMatch,
    InTenant,
    Limit,
    MadeIn,
    OfTeam,
    OfTenant,
    Pages,
    named,
    tagged,
)
from federation.api.tenancy_models import UserBody, UserEdit, UserList, UserView, edited
from federation.api.tenancy_once import OnceRoute
from federation.control.permissions import home
from federation.domain.tenancy import User

router = APIRouter(prefix="/v1/admin/users", tags=["tenancy"], route_class=OnceRoute)


@router.get("")
async def list_users(
    control: ControlPlane,
    asker: Asker,
    limit: Limit = 100,
    cursor: Cursor = None,
    tenant: OfTenant = None,
    team: OfTeam = None,
) -> UserList:
    """Users by tenant and id; those of one team, where it is named."""
    pages = Pages(control, asker, "users", tenant, team)
    if team is not None:
        await control.tenancy.teams.get(asker, team, home(asker, tenant))
    place = pages.after(cursor)
    found, end = await control.tenancy.users.page(asker, tenant, place, limit, team)
    return UserList(data=[_view(user) for user in found], next=pages.next(end))


@router.post("", status_code=201)
async def create_user(
    control: ControlPlane,
    asker: Asker,
    body: UserBody,
    response: Response,
    tenant: MadeIn = None,
) -> UserView:
    """Make a user, with at most your own rights."""
    made = User(
        id=body.id,
        tenant=named(tenant, body.tenant) or asker.tenant,
        name=body.name or body.id,
        created_ms=int(control.clock() * 1000),
        role=body.role,
        team=body.team,
        email=body.email,
    )
    await control.tenancy.users.add(asker, made)
    tagged(response, made)
    return _view(made)


@router.get("/{user}")
async def get_user(
    control: ControlPlane, asker: Asker, user: str, response: Response, tenant: InTenant = None
) -> UserView:
    """One user."""
    found = await control.tenancy.users.get(asker, user, tenant)
    tagged(response, found)
    return _view(found)


@router.patch("/{user}")
async def change_user(
    control: ControlPlane,
    asker: Asker,
    user: str,
    body: UserEdit,
    response: Response,
    tenant: InTenant = None,
    if_match: IfMatch = None,
) -> UserView:
    """Change a user. Their keys follow within a second: into another team, to a lesser role,
    out of force."""
    changed = await control.tenancy.users.change(
        asker, user, lambda before: edited(before, body), tenant, if_match
    )
    tagged(response, changed)
    return _view(changed)


@router.delete("/{user}", status_code=204)
async def delete_user(
    control: ControlPlane,
    asker: Asker,
    user: str,
    tenant: InTenant = None,
    if_match: IfMatch = None,
) -> None:
    """Delete a user that has no keys but revoked ones."""
    await control.tenancy.users.remove(asker, user, tenant, if_match)


def _view(user: User) -> UserView:
    return UserView(
        id=user.id,
        tenant=user.tenant,
        name=user.name,
        role=user.role,
        team=user.team,
        email=user.email,
        suspended=user.suspended,
        created_ms=user.created_ms,
    )
