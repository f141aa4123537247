"""What was spent, by whom and on what: the ledger's sums as they are asked for.

The trap: a new version of the code may sum otherwise than the old one did. Until every line is
summed anew there is no answer, because half of one would look like a saving.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
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
        self._waiting = 0
        self._current: asyncio.Task[None] | None = None

    def now_ms(self) -> int:
        """The time by our clock."""
        return int(self._clock() * 1000)

    async def costs(self, wish: CostWish) -> CostPage:
        """Exact sums. Raises `InvalidRequest`, and `Unavailable` where calls may be missing or
        too many ask."""
        price = None if wish.baseline is None else self._price(wish.baseline)
        await self._ready()
        query = self._rounded(replace(wish.query, banded=price is not None))
        return await self._ask(self._answered, replace(wish, query=query), price)

    def _answered(self, wish: CostWish, price: Price | None) -> CostPage:
        """In the thread, all of it: there may be a hundred thousand groups."""
        query = wish.query
        found = _groups(self._store.costs(query), query)
        lines = [CostLine(group, *_folded(bands, price)) for group, bands in found.items()]
        if "tag" in query.group_by:
            # A call with two tags is in two groups, and one call all the same.
            whole = replace(query, group_by=())
            total = _groups(self._store.costs(whole), whole).get((), {})
        else:
            total = _together(found)
        return _page(lines, CostLine((), *_folded(total, price)), wish)

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
        if not self._current.done():
            raise Unavailable(
                "The ledger's sums are being made anew after an upgrade. Ask again soon.",
                code="rollups_building",
                retry_after_s=30.0,
            )
        await self._current

    async def _make_current(self) -> None:
        if not await self._errands.run(self._store.is_current):
            days = await self._errands.run(self._store.rebuild)
            log.info("the ledger was summed anew", extra={"days": days})


def _groups(found: Costs, query: CostQuery) -> dict[Place, dict[int, Sums]]:
    """Group to band to sums; one band for all where they were not asked for."""
    width = len(query.group_by)
    groups: dict[Place, dict[int, Sums]] = {}
    for group, sums in found.items():
        band = int(group[width]) if query.banded else 0
        groups.setdefault(group[:width], {})[band] = sums
    return groups


def _together(groups: dict[Place, dict[int, Sums]]) -> dict[int, Sums]:
    """Band to sums of all groups."""
    whole: dict[int, list[Sums]] = {}
    for bands in groups.values():
        for band, sums in bands.items():
            whole.setdefault(band, []).append(sums)
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


def _page(lines: list[CostLine], total: CostLine, wish: CostWish) -> CostPage:
    def place(line: CostLine) -> Place:
        return (-line.sums.cost_nano, *line.group) if wish.by_cost else line.group

    lines.sort(key=place)
    if wish.after is not None:
        lines = [line for line in lines if place(line) > wish.after]
    end = place(lines[wish.limit - 1]) if len(lines) > wish.limit else None
    return CostPage(lines[: wish.limit], total, end)
