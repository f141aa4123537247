"""What was spent, by whom and on what: the ledger's sums as they are asked for.

The trap: a new version of the code may sum otherwise than the old one did. Until every line is
summed anew there is no answer that needs sums, because half of one would look like a saving. The
store says so at the moment of each question: another replica may have begun since the last one.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TypeVar

from federation.control.analytics_ports import AnalyticsStore
from federation.control.ledger import Ledger
from federation.control.threads import LATER, Errands
from federation.domain.catalogue import Price
from federation.domain.snapshot import Snapshot
from federation.errors import InvalidRequest, Unavailable
from federation.pricing.savings import baseline_nano, check_baseline
from federation.schema.usage import Usage
from federation.storage.analytics_entries import (
    DAY_MS,
    ZERO,
    CostQuery,
    Costs,
    Key,
    LineQuery,
    Sums,
    plus,
)
from federation.storage.entries import CallEntry

log = logging.getLogger(__name__)

BUILDING = "rollups_building"
PATIENCE_S = 10.0
"""How long a question waits for roll-ups that are being made."""
MOST_WAITING = 32
"""Questions that wait or are answered at a time. They are answered one after another, so that they
take one processor at most, of ours or of the database's."""


T = TypeVar("T")

Place = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Against:
    """What attempts cost, and what their usage would have cost by the baseline's prices."""

    attempts: int
    left_out: int
    """Attempts that cannot be compared: of unknown price, or billed by the piece."""
    cost_nano: int
    baseline_nano: int | None
    """None where the baseline has no price for something that was used."""


@dataclass(frozen=True, slots=True)
class CostLine:
    """One group."""

    group: tuple[Key, ...]
    sums: Sums
    against: Against | None = None


@dataclass(frozen=True, slots=True)
class CostPage:
    """Groups, all of them together, and where the next page begins."""

    lines: list[CostLine]
    total: CostLine
    end: Place | None


@dataclass(frozen=True, slots=True)
class CostWish:
    """A question about costs. `by_cost` puts the dearest first, else groups are in order."""

    query: CostQuery
    baseline: str | None = None
    by_cost: bool = False
    limit: int = 100
    after: Place | None = None


class AnalyticsDesk:
    """Answers from a store whose roll-ups it keeps current."""

    def __init__(
        self,
        store: AnalyticsStore,
        ledger: Ledger,
        snapshot: Callable[[], Snapshot],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._snapshot = snapshot
        self._clock = clock
        # Somebody waits for it, and more wait for the answers of models.
        self._errands = Errands("analytics", LATER)
        self._anew = Errands("roll-ups", LATER)
        self._waiting = 0
        self._current: asyncio.Task[None] | None = None

    def now_ms(self) -> int:
        """The time by our clock."""
        return int(self._clock() * 1000)

    async def costs(self, wish: CostWish) -> CostPage:
        """Exact sums. Raises `InvalidRequest`, and `Unavailable` where calls may be missing, sums
        are being made anew, or too many ask."""
        price = None if wish.baseline is None else self._price(wish.baseline)
        await self._ready()
        query = self._rounded(replace(wish.query, banded=price is not None))
        try:
            return await self._ask(self._answered, replace(wish, query=query), price)
        except Unavailable as refused:
            if refused.code == BUILDING and self._current is not None and self._current.done():
                self._current = None  # whoever was at it may have died: the next one looks
            raise

    def _answered(self, wish: CostWish, price: Price | None) -> CostPage:
        """In the thread, all of it: there may be a hundred thousand groups."""
        query = wish.query
        found = self._store.costs(query)
        if "tag" in query.group_by:
            # A call with two tags is in two groups, and one call all the same.
            whole = replace(query, group_by=())
            total = _together(self._store.costs(whole), whole)
        else:
            total = _together(found, query)
        return _page(found, CostLine((), *_folded(total, price)), wish, price)

    async def _ask(self, errand: Callable[..., T], *args: object) -> T:
        if self._waiting >= MOST_WAITING:
            raise Unavailable(
                "Too many questions about costs are waiting already. Ask again soon.",
                code="analytics_busy",
                retry_after_s=5.0,
            )
        self._waiting += 1
        try:
            return await self._errands.run(errand, *args)
        finally:
            self._waiting -= 1

    async def lines(self, query: LineQuery) -> list[CallEntry]:
        """Ledger lines, oldest first. Raises `Unavailable` where some may be missing."""
        await self._caught_up()
        return await self._ask(self._store.lines, query)

    async def close(self) -> None:
        """End the thread, once what runs in it is done."""
        if self._current is not None:
            await asyncio.gather(self._current, return_exceptions=True)
        self._anew.close()
        self._errands.close()

    def _price(self, name: str) -> Price:
        for deployment in self._snapshot().deployments:
            if deployment.id == name:
                price = deployment.model.price
                check_baseline(price, name)
                return price
        message = f"There is no deployment '{name}'. Write one as provider/model."
        raise InvalidRequest(message, param="baseline")

    def _rounded(self, query: CostQuery) -> CostQuery:
        """Up to the end of the day where the day is not over: nothing lies in the future, and
        a roll-up answers where a ragged end would ask for single calls."""
        if query.end_ms <= self.now_ms():
            return query
        return replace(query, end_ms=-(-query.end_ms // DAY_MS) * DAY_MS)

    async def _caught_up(self) -> None:
        if not await self._ledger.catch_up():
            raise Unavailable(
                "The ledger is not up to date just now. Nothing is lost: ask again soon.",
                code="ledger_behind",
                retry_after_s=5.0,
            )

    async def _ready(self) -> None:
        await self._caught_up()
        if self._current is None or (self._current.done() and self._current.exception()):
            self._current = asyncio.create_task(self._make_current())
        await asyncio.wait((self._current,), timeout=PATIENCE_S)
        # Where it is not done, the store answers what a few lines can tell.
        if self._current.done() and (failed := self._current.exception()) is not None:
            if isinstance(failed, Unavailable) and failed.code == BUILDING:
                return
            raise failed

    async def _make_current(self) -> None:
        if not await self._anew.run(self._store.is_current):
            days = await self._anew.run(self._store.rebuild)
            log.info("the ledger was summed anew", extra={"days": days})


def _groups(found: Costs, query: CostQuery) -> dict[Place, dict[int, Sums]]:
    """Group to band to sums."""
    width = len(query.group_by)
    groups: dict[Place, dict[int, Sums]] = {}
    for group, sums in found.items():
        groups.setdefault(group[:width], {})[int(group[width])] = sums
    return groups


def _together(found: Costs, query: CostQuery) -> dict[int, Sums]:
    """Band to sums of all groups; one band for all where they were not asked for."""
    whole: dict[int, Collection[Sums]] = {0: found.values()} if found else {}
    if query.banded:
        bands: dict[int, list[Sums]] = {}
        for group, sums in found.items():
            bands.setdefault(int(group[-1]), []).append(sums)
        whole = {**bands}
    return {band: Sums(*map(sum, zip(*each, strict=True))) for band, each in whole.items()}


def _folded(bands: dict[int, Sums], price: Price | None) -> tuple[Sums, Against | None]:
    whole = ZERO
    for sums in bands.values():
        whole = plus(whole, sums)
    if price is None:
        return whole, None
    alike = {band: sums for band, sums in bands.items() if band >= 0}
    attempts = sum(sums.attempts for sums in alike.values())
    used = [(band, s.attempts - s.failed_attempts, _usage(s)) for band, s in alike.items()]
    cost = sum(sums.cost_nano for sums in alike.values())
    return whole, Against(attempts, whole.attempts - attempts, cost, baseline_nano(price, used))


def _usage(sums: Sums) -> Usage:
    return Usage(
        input=sums.input,
        output=sums.output,
        cached=sums.cached,
        cache_write=sums.cache_write,
        cache_write_long=sums.cache_write_long,
        audio_input=sums.audio_input,
        audio_output=sums.audio_output,
    )


def _page(found: Costs, total: CostLine, wish: CostWish, price: Price | None) -> CostPage:
    """The lines of one page alone: most of a hundred thousand groups are on another."""
    query = wish.query
    banded = _groups(found, query) if query.banded else {}
    places: dict[Place, Place] = {group: group for group in banded or found}
    if wish.by_cost:
        places = {
            (-sum(each.cost_nano for each in banded[group].values()), *group)
            if query.banded
            else (-found[group].cost_nano, *group): group
            for group in places
        }
    order = sorted(places)
    if wish.after is not None:
        order = order[bisect_right(order, wish.after) :]
    end = order[wish.limit - 1] if len(order) > wish.limit else None
    groups = [places[place] for place in order[: wish.limit]]
    lines = [
        CostLine(group, *_folded(banded[group] if query.banded else {0: found[group]}, price))
        for group in groups
    ]
    return CostPage(lines, total, end)
