"""Routes of budgets: what is allowed, what is spent of it, and what is held for calls under way."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from federation.api.access import Asker, ControlPlane
from federation.api.models import Strict
from federation.api.tenancy_lists import (
    Cursor,
    IfMatch,
    Limit,
    MadeIn,
    OfTenant,
    Pages,
    Whose,
    named,
    tagged,
)
from federation.api.tenancy_once import OnceRoute
from federation.control.control import Control
from federation.domain.budgets import EACH, Budget, Period, Scope, Standing, span, told
from federation.domain.money import nano_to_usd, usd_to_nano
from federation.storage.secrets import new_id

router = APIRouter(tags=["budgets"], route_class=OnceRoute)

_SHOWN = 100
"""Subjects of a budget that has one limit for each; those that spent most."""
Usd = Annotated[Decimal, Field(ge=0, le=1_000_000_000, decimal_places=9)]
Percent = Annotated[int, Field(ge=1, le=100)]


class PotView(BaseModel):
    """The money of a budget in its present period."""

    pot: str
    spent_usd: str
    reserved_usd: str = Field(description="Held for calls under way, and by workers.")
    left_usd: str = Field(description="Negative after a bill above its bound.")
    overrun_usd: str = Field(description="Billed above what was reserved; part of what is spent.")


class BudgetView(BaseModel):
    """A budget and how it stands."""

    object: Literal["budget"] = "budget"
    id: str
    tenant: str
    scope: Scope
    subject: str
    limit_usd: str
    period: Period
    zone: str
    hard: bool
    alerts: list[int]
    created_ms: int
    resets_at: str | None = Field(description="When its next period begins; null: never.")
    pots: list[PotView] = Field(description="With the subject `*`: one for each, 100 at most.")


class BudgetList(BaseModel):
    """Budgets, oldest first. `next` continues the list as `cursor`."""

    object: Literal["list"] = "list"
    data: list[BudgetView]
    next: str | None


class BudgetBody(Strict):
    """A budget to be set."""

    id: str | None = Field(
        default=None, max_length=64, description="Left out: a new one. Else one to be replaced."
    )
    tenant: str | None = Field(default=None, max_length=128, description="Left out: your own.")
    scope: Scope
    subject: str = Field(
        default="",
        max_length=256,
        description="A team's, user's or key's id, a session's name, a tag as name=value; `*`: "
        "everyone of the scope has the whole limit. Left out for a tenant.",
    )
    limit_usd: Usd
    period: Period = Period.MONTHLY
    zone: str = Field(default="UTC", max_length=64, description="Where a period begins.")
    hard: bool = Field(default=True, description="Refuses calls; else only tells.")
    alerts: list[Percent] = Field(default=[50, 80, 95], max_length=20)


@router.get("/v1/admin/budgets")
@router.get("/v1/analytics/budgets")
async def list_budgets(
    control: ControlPlane,
    asker: Asker,
    limit: Limit = 100,
    cursor: Cursor = None,
    tenant: OfTenant = None,
) -> BudgetList:
    """Budgets and how they stand."""
    pages = Pages(control, asker, "budgets", tenant)
    page, end = pages.cut(await control.budgets.visible(asker, tenant), cursor, limit)
    return BudgetList(data=[await _view(control, each) for each in page], next=end)


@router.post("/v1/admin/budgets", status_code=201)
@router.post("/v1/analytics/budgets", status_code=201)
async def set_budget(
    control: ControlPlane,
    asker: Asker,
    body: BudgetBody,
    response: Response,
    if_match: IfMatch = None,
    tenant: MadeIn = None,
) -> BudgetView:
    """Set a budget, or put it in the place of the one with its id. Every worker obeys it within
    a second; what was spent in the period stays spent."""
    place = named(tenant, body.tenant) or asker.tenant
    before = None if body.id is None else control.budgets.book.budgets.get((place, body.id))
    made = Budget(
        id=body.id or new_id("budget"),
        tenant=place,
        scope=body.scope,
        subject=body.subject or (place if body.scope is Scope.TENANT else ""),
        limit_nano=usd_to_nano(body.limit_usd),
        period=body.period,
        zone=body.zone,
        hard=body.hard,
        alerts=tuple(sorted(set(body.alerts))),
        created_ms=int(control.clock() * 1000) if before is None else before.created_ms,
    )
    kept = await control.budgets.save(asker, made, if_match)
    if before is not None:
        response.status_code = 200
    tagged(response, kept)
    return await _view(control, kept)


@router.get("/v1/admin/budgets/{budget}")
async def get_budget(
    control: ControlPlane,
    asker: Asker,
    budget: str,
    response: Response,
    tenant: Whose = None,
) -> BudgetView:
    """One budget and how it stands."""
    found = await control.budgets.get(asker, budget, tenant)
    tagged(response, found)
    return await _view(control, found)


@router.delete("/v1/admin/budgets/{budget}", status_code=204)
async def remove_budget(
    control: ControlPlane,
    asker: Asker,
    budget: str,
    if_match: IfMatch = None,
    tenant: Whose = None,
) -> None:
    """End a budget."""
    await control.budgets.remove(asker, budget, tenant, if_match)


async def _view(control: Control, budget: Budget) -> BudgetView:
    start, end = span(budget.period, budget.zone, int(control.clock() * 1000))
    pots = await control.budgets.standings(budget, start)
    if not pots and budget.subject != EACH:
        pots = [Standing(f"{budget.tenant}/{budget.id}/-/{start}", budget.limit_nano, True, 0, 0)]
    pots.sort(key=lambda each: (-each.spent_nano, each.pot))
    return BudgetView(
        id=budget.id,
        tenant=budget.tenant,
        scope=budget.scope,
        subject=budget.subject,
        limit_usd=_usd(budget.limit_nano),
        period=budget.period,
        zone=budget.zone,
        hard=budget.hard,
        alerts=list(budget.alerts),
        created_ms=budget.created_ms,
        resets_at=None if end is None else told(end),
        pots=[_pot(each, budget.limit_nano) for each in pots[:_SHOWN]],
    )


def _pot(standing: Standing, limit_nano: int) -> PotView:
    # The store hears of another limit with the next call; what is shown is what holds.
    left = limit_nano - standing.spent_nano - standing.reserved_nano
    return PotView(
        pot=standing.pot,
        spent_usd=_usd(standing.spent_nano),
        reserved_usd=_usd(standing.reserved_nano),
        left_usd=_usd(left),
        overrun_usd=_usd(standing.overrun_nano),
    )


def _usd(nano: int) -> str:
    return f"{nano_to_usd(nano):f}"
