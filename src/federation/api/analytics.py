"""Routes about money that was spent: costs in groups, one's own use, the ledger's lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from federation.api.access import Asker, ControlPlane
from federation.api.analytics_lines import line_views
from federation.api.analytics_models import (
    AgainstView,
    CostsView,
    CostView,
    LinesView,
    SpentView,
    UserStatsView,
)
from federation.api.pseudonyms import askers, shown, subjects, tags
from federation.api.tenancy_lists import Cursor, OfTenant, Pages
from federation.control.analytics import Against, AnalyticsDesk, CostLine, CostWish
from federation.control.analytics_times import moment, said, stretch, zone_of
from federation.control.control import Control
from federation.control.permissions import reach
from federation.control.pseudonym_words import pseudonyms_in, with_names
from federation.domain.access import VirtualKey
from federation.domain.hands import own_ids
from federation.domain.money import nano_to_usd
from federation.errors import InvalidRequest
from federation.storage.analytics_entries import GROUPS, CostQuery, LineQuery

router = APIRouter(tags=["analytics"])

_MOST_MODELS = 100
_NAMING = ("user", "tag", "key")
"""Groups in which people may stand."""
_WHEN = "A date (its whole day) or a moment with its offset."
Start = Annotated[str | None, Query(max_length=40, description=_WHEN)]
End = Annotated[str | None, Query(max_length=40, description=_WHEN + " A moment is not part.")]
Zone = Annotated[str, Query(max_length=64, description="IANA time zone of dates and days.")]
Value = Annotated[str | None, Query(max_length=4096)]


@router.get("/v1/analytics/costs")
async def get_costs(
    control: ControlPlane,
    asker: Asker,
    start_date: Start = None,
    end_date: End = None,
    timezone: Zone = "UTC",
    group_by: Annotated[
        list[str] | None,
        Query(max_length=9, description=f"Any of {', '.join(GROUPS)}; repeat, or use commas."),
    ] = None,
    tenant: OfTenant = None,
    team: Value = None,
    user: Value = None,
    key: Value = None,
    provider: Value = None,
    model: Value = None,
    tag: Annotated[str | None, Query(max_length=4096, description="As name=value.")] = None,
    baseline: Annotated[
        str | None, Query(max_length=400, description="provider/model to compare with.")
    ] = None,
    sort: Literal["group", "cost"] = "group",
    limit: Annotated[int, Query(ge=1, le=5000)] = 100,
    cursor: Cursor = None,
) -> CostsView:
    """What your tenant's calls cost, by the time at which they started."""
    desk, zone = control.analytics, zone_of(timezone)
    start_ms, end_ms = stretch(start_date, end_date, zone, desk.now_ms())
    names = _names(group_by or [])
    asked = {"team": team, "provider": provider, "model": model}
    where = tuple((name, value) for name, value in asked.items() if value is not None)
    whole = repr((names, where, key, user, tag, zone.key))
    pages = Pages(control, asker, "costs", tenant, sort, whole)
    seen = reach(asker, tenant)
    whose = await _whose(control, seen, key, user, tag)
    query = CostQuery(start_ms, end_ms, seen, names, (*where, *whose), zone.key)
    wish = CostWish(query, baseline, sort == "cost", limit, pages.after(cursor))
    page = await desk.costs(wish)
    people = await shown(control, asker, tenant, _people(page.lines, names))
    return CostsView(
        start=moment(start_ms, zone),
        end=moment(end_ms, zone),
        timezone=zone.key,
        group_by=list(names),
        baseline=baseline,
        data=[_cost(line, names, zone, people) for line in page.lines],
        total=_cost(page.total, (), zone),
        next=pages.next(page.end),
    )


@router.get("/user/stats")
async def get_user_stats(
    control: ControlPlane, asker: Asker, timezone: Zone = "UTC"
) -> UserStatsView:
    """What the key that asks has used today and this month."""
    desk, zone = control.analytics, zone_of(timezone)
    now_ms = desk.now_ms()
    day = moment(now_ms, zone)[:10]
    month = await _own(desk, asker, day[:8] + "01", zone, "provider", "model")
    today = await _own(desk, asker, day, zone)
    return UserStatsView(
        tenant=asker.tenant,
        team=asker.team,
        user=asker.user,
        key=own_ids(asker)[-1],
        timezone=zone.key,
        today=_spent(today[1], day),
        month=_spent(month[1], day[:8] + "01"),
        models=[_cost(line, ("provider", "model"), zone) for line in month[0]],
    )


@router.get("/v1/analytics/lines")
async def get_lines(
    control: ControlPlane,
    asker: Asker,
    start_date: Start = None,
    end_date: End = None,
    timezone: Zone = "UTC",
    tenant: OfTenant = None,
    kind: Literal["calls", "attempts"] = "calls",
    user: Value = None,
    limit: Annotated[int, Query(ge=1, le=5000, description="Calls, however many attempts.")] = 1000,
    cursor: Cursor = None,
) -> LinesView:
    """The ledger line by line, for export: calls that ended or were lost, or their attempts.
    Users stand in it by their pseudonyms: nothing can be erased from a file that was taken away.
    """
    desk, zone = control.analytics, zone_of(timezone)
    start_ms, end_ms = stretch(start_date, end_date, zone, desk.now_ms())
    pages = Pages(control, asker, "lines", tenant)
    seen = reach(asker, tenant)
    users = None if user is None else await subjects(control, seen, user)
    place = pages.after(cursor)
    after = int(place[0]) if place else 0
    entries = await desk.lines(LineQuery(start_ms, end_ms, seen, after, limit))
    return LinesView(
        start=moment(start_ms, zone),
        end=moment(end_ms, zone),
        data=[
            view
            for entry in entries
            for view in line_views(entry, kind)
            if users is None or view.user in users
        ],
        next=pages.next((entries[-1].n,) if len(entries) == limit else None),
    )


async def _whose(
    control: Control, tenant: str | None, key: str | None, user: str | None, tag: str | None
) -> tuple[tuple[str, tuple[str, ...] | str], ...]:
    """Who asked, a user and a tag as a question's conditions, by whatever records may call them."""
    asked: list[tuple[str, tuple[str, ...] | str]] = []
    if key is not None:
        asked.append(("key", await askers(control, tenant, key)))
    if user is not None:
        asked.append(("user", await subjects(control, tenant, user) if user else user))
    if tag is not None:
        asked.append(("tag", await tags(control, tenant, tag) if tag else tag))
    return tuple(asked)


async def _own(
    desk: AnalyticsDesk, asker: VirtualKey, since: str, zone: ZoneInfo, *by: str
) -> tuple[list[CostLine], CostLine]:
    start_ms, end_ms = stretch(since, None, zone, desk.now_ms())
    where = (("key", own_ids(asker)),)
    query = CostQuery(start_ms, end_ms, asker.tenant, by, where, zone.key)
    page = await desk.costs(CostWish(query, by_cost=True, limit=_MOST_MODELS))
    return page.lines, page.total


def _names(given: list[str]) -> tuple[str, ...]:
    names = [name.strip() for words in given for name in words.split(",")]
    for name in names:
        if name not in GROUPS:
            message = f"'{name[:40]}' is none of {', '.join(GROUPS)}."
            raise InvalidRequest(message, param="group_by")
    return tuple(dict.fromkeys(names))


def _usd(nano: int) -> str:
    return str(nano_to_usd(nano))


def _people(lines: Iterable[CostLine], names: tuple[str, ...]) -> list[str]:
    """The users of groups, and those whom their tags name, as records call them."""
    places = [place for place, name in enumerate(names) if name in _NAMING]
    return [who for line in lines for at in places for who in pseudonyms_in(str(line.group[at]))]


def _cost(
    line: CostLine,
    names: tuple[str, ...],
    zone: ZoneInfo,
    people: Mapping[str, str] | None = None,
) -> CostView:
    s = line.sums
    pairs = zip(names, line.group, strict=True)
    group = {name: said(name, value, zone) for name, value in pairs}
    if people:
        group |= {name: with_names(group[name], people) for name in _NAMING if name in group}
    return CostView(
        group=group,
        calls=s.calls,
        failed_calls=s.failed,
        attempts=s.attempts,
        failed_attempts=s.failed_attempts,
        unpriced=s.unpriced,
        estimated=s.estimated,
        input_tokens=s.input,
        output_tokens=s.output,
        cached_tokens=s.cached,
        cache_write_tokens=s.cache_write,
        reasoning_tokens=s.reasoning,
        cost_nano=s.cost_nano,
        cost_usd=_usd(s.cost_nano),
        mean_ms=round(s.duration_us / s.calls / 1000, 3) if s.calls else None,
        against=None if line.against is None else _against(line.against),
    )


def _against(found: Against) -> AgainstView:
    baseline = found.baseline_nano
    return AgainstView(
        attempts=found.attempts,
        left_out=found.left_out,
        cost_usd=_usd(found.cost_nano),
        baseline_usd=None if baseline is None else _usd(baseline),
        saved_usd=None if baseline is None else _usd(baseline - found.cost_nano),
    )


def _spent(line: CostLine, start: str) -> SpentView:
    s = line.sums
    return SpentView(
        start=start,
        calls=s.calls,
        failed_calls=s.failed,
        input_tokens=s.input,
        output_tokens=s.output,
        cost_nano=s.cost_nano,
        cost_usd=_usd(s.cost_nano),
        unpriced=s.unpriced,
    )
