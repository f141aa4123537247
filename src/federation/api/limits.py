"""Routes of limits: how much may be asked in which time, and what is counted of it."""

from __future__ import annotations

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
from federation.domain import limits as domain
from federation.domain.access import VirtualKey
from federation.domain.budgets import EACH, told
from federation.domain.limits import Counted, LimitScope, Method
from federation.pricing.meters import advance, left, reset_ms
from federation.storage.secrets import new_id

router = APIRouter(prefix="/v1/admin/limits", tags=["limits"], route_class=OnceRoute)

Amount = Annotated[int, Field(ge=0, le=1 << 40)]


class MeterView(BaseModel):
    """How a limit stands that has one meter."""

    used: int = Field(description="What workers hold ahead of need counts as used.")
    left: int = Field(description="Negative after more was used than was expected.")
    resets_at: str | None = Field(description="When nothing is used any more; null: not by time.")


class LimitView(BaseModel):
    """A limit, and how it stands."""

    object: Literal["limit"] = "limit"
    id: str
    tenant: str = Field(description="`*`: the operator's, about every tenant.")
    scope: LimitScope
    subject: str
    counts: Counted
    amount: int
    window: str = Field(description="A word, or a number of seconds.")
    method: Method
    burst: int = Field(description="Of a token bucket: how much at once; 0 is the whole amount.")
    tier: str = Field(description="Binds only tenants of this tier; empty: all.")
    created_ms: int
    meter: MeterView | None = Field(
        description="Null where each subject has its own, and in lists."
    )


class LimitList(BaseModel):
    """Limits, oldest first. `next` continues the list as `cursor`."""

    object: Literal["list"] = "list"
    data: list[LimitView]
    next: str | None


class LimitBody(Strict):
    """A limit to be set."""

    id: str | None = Field(
        default=None, max_length=64, description="Left out: a new one. Else one to be replaced."
    )
    tenant: str | None = Field(
        default=None, max_length=128, description="Left out: your own. `*`: every tenant."
    )
    scope: LimitScope
    subject: str = Field(
        default="",
        max_length=256,
        description="A team's, user's or key's id, a route's name; `*`: each of the scope for "
        "itself. Left out for a tenant and the platform.",
    )
    counts: Counted = Counted.REQUESTS
    amount: Amount
    window: str | int = Field(
        default="minute", description="second, minute, hour, day, month or a number of seconds."
    )
    method: Method | None = Field(
        default=None, description="Left out: a token bucket, of a month a fixed window."
    )
    burst: Amount = 0


@router.get("")
async def list_limits(
    control: ControlPlane,
    asker: Asker,
    limit: Limit = 100,
    cursor: Cursor = None,
    tenant: OfTenant = None,
) -> LimitList:
    """Limits that you can see: a tenant's own, and those that bind every tenant."""
    pages = Pages(control, asker, "limits", tenant)
    seen = await control.limits.desk.visible(asker, tenant)
    page, end = pages.cut(seen, cursor, limit)
    return LimitList(data=[_view(each) for each in page], next=end)


@router.post("", status_code=201)
async def set_limit(
    control: ControlPlane,
    asker: Asker,
    body: LimitBody,
    response: Response,
    if_match: IfMatch = None,
    tenant: MadeIn = None,
) -> LimitView:
    """Set a limit, or put it in the place of the one with its id. Every worker obeys it within a
    second."""
    desk = control.limits.desk
    usual = domain.EVERY if body.scope is LimitScope.PLATFORM else asker.tenant
    place = named(tenant, body.tenant) or usual
    before = None if body.id is None else desk.book.limits.get((place, body.id))
    made = _made(control, place, body, before)
    kept = await desk.save(asker, made, if_match)
    if before is not None:
        response.status_code = 200
    tagged(response, kept)
    return await _whole(control, asker, kept)


@router.get("/{limit}")
async def get_limit(
    control: ControlPlane,
    asker: Asker,
    limit: str,
    response: Response,
    tenant: Whose = None,
) -> LimitView:
    """One limit, and how it stands."""
    found = await control.limits.desk.get(asker, limit, tenant)
    tagged(response, found)
    return await _whole(control, asker, found)


@router.delete("/{limit}", status_code=204)
async def remove_limit(
    control: ControlPlane,
    asker: Asker,
    limit: str,
    if_match: IfMatch = None,
    tenant: Whose = None,
) -> None:
    """End a limit."""
    await control.limits.desk.remove(asker, limit, if_match, tenant)


def _made(
    control: Control, tenant: str, body: LimitBody, before: domain.Limit | None
) -> domain.Limit:
    whole = body.scope in (LimitScope.TENANT, LimitScope.PLATFORM)
    usual = EACH if tenant == domain.EVERY else tenant
    window_s = domain.window_of(body.window)
    return domain.Limit(
        id=body.id or new_id("limit"),
        tenant=tenant,
        scope=body.scope,
        subject=body.subject or (usual if whole else ""),
        counts=body.counts,
        amount=body.amount,
        window_s=window_s,
        method=body.method or domain.method_of(body.counts, window_s),
        burst=body.burst,
        created_ms=int(control.clock() * 1000) if before is None else before.created_ms,
    )


async def _whole(control: Control, asker: VirtualKey, limit: domain.Limit) -> LimitView:
    found = await control.limits.desk.counted(asker, limit)
    if found is None:
        return _view(limit)
    meter, state = found
    now_ms = int(control.clock() * 1000)
    advance(meter, state, now_ms)
    rest = left(meter, state)
    slots = meter.method is Method.SLOTS
    view = MeterView(
        used=max(0, meter.most - rest),
        left=rest,
        resets_at=None if slots else told(now_ms + reset_ms(meter, state, now_ms)),
    )
    return _view(limit, view)


def _view(limit: domain.Limit, meter: MeterView | None = None) -> LimitView:
    return LimitView(
        id=limit.id,
        tenant=limit.tenant,
        scope=limit.scope,
        subject=limit.subject,
        counts=limit.counts,
        amount=limit.amount,
        window="-" if limit.method is Method.SLOTS else domain.window_word(limit.window_s),
        method=limit.method,
        burst=limit.burst,
        tier=limit.tier,
        created_ms=limit.created_ms,
        meter=meter,
    )
