"""Routes of teams."""

from __future__ import annotations

from fastapi import APIRouter, Response

from federation.api.access import Asker, ControlPlane
from federation.api.tenancy_lists import (
    Cursor,
    IfMatch,
    InTenant,
    Limit,
    MadeIn,
    OfTenant,
    Pages,
    named,
    tagged,
)
from federation.api.tenancy_models import TeamBody, TeamEdit, TeamList, TeamView, edited
from federation.api.tenancy_once import OnceRoute
from federation.domain.tenancy import Team

router = APIRouter(prefix="/v1/admin/teams", tags=["tenancy"], route_class=OnceRoute)


@router.get("")
async def list_teams(
    control: ControlPlane,
    asker: Asker,
    limit: Limit = 100,
    cursor: Cursor = None,
    tenant: OfTenant = None,
) -> TeamList:
    """Teams by tenant and id."""
    pages = Pages(control, asker, "teams", tenant)
    found, end = await control.tenancy.teams.page(asker, tenant, pages.after(cursor), limit)
    return TeamList(data=[_view(team) for team in found], next=pages.next(end))


@router.post("", status_code=201)
async def create_team(
    control: ControlPlane,
    asker: Asker,
    body: TeamBody,
    response: Response,
    tenant: MadeIn = None,
) -> TeamView:
    """Make a team. Policies and budgets name it by its id."""
    now_ms = int(control.clock() * 1000)
    place = named(tenant, body.tenant) or asker.tenant
    made = Team(body.id, place, body.name or body.id, now_ms)
    await control.tenancy.teams.add(asker, made)
    tagged(response, made)
    return _view(made)


@router.get("/{team}")
async def get_team(
    control: ControlPlane, asker: Asker, team: str, response: Response, tenant: InTenant = None
) -> TeamView:
    """One team."""
    found = await control.tenancy.teams.get(asker, team, tenant)
    tagged(response, found)
    return _view(found)


@router.patch("/{team}")
async def change_team(
    control: ControlPlane,
    asker: Asker,
    team: str,
    body: TeamEdit,
    response: Response,
    tenant: InTenant = None,
    if_match: IfMatch = None,
) -> TeamView:
    """Change a team."""
    changed = await control.tenancy.teams.change(
        asker, team, lambda before: edited(before, body), tenant, if_match
    )
    tagged(response, changed)
    return _view(changed)


@router.delete("/{team}", status_code=204)
async def delete_team(
    control: ControlPlane,
    asker: Asker,
    team: str,
    tenant: InTenant = None,
    if_match: IfMatch = None,
) -> None:
    """Delete a team that has no users, and no keys but revoked ones."""
    await control.tenancy.teams.remove(asker, team, tenant, if_match)


def _view(team: Team) -> TeamView:
    return TeamView(id=team.id, tenant=team.tenant, name=team.name, created_ms=team.created_ms)
