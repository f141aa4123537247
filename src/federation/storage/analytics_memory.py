"""Sums over a ledger in memory: each question walks through all of its calls.

The trap: it promises what the database does, so it is also what that is tested against.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from federation.storage.analytics_entries import ZERO, CostQuery, Costs, LineQuery
from federation.storage.analytics_sums import add_call
from federation.storage.entries import RUNNING, CallEntry
from federation.storage.memory import MemoryCalls
from federation.storage.rollups_facts import started


class MemoryAnalytics:
    """Implements `control.analytics_ports.AnalyticsStore` over calls in memory."""

    def __init__(self, calls: MemoryCalls) -> None:
        self._calls = calls

    def is_current(self) -> bool:
        """There is nothing that could be old."""
        return True

    def rebuild(self) -> int:
        """There is nothing to rebuild."""
        return 0

    def costs(self, query: CostQuery) -> Costs:
        """Sums of ended and lost calls."""
        zone = ZoneInfo(query.zone)
        found: Costs = {}
        for call in self._calls.every():
            at = started(call.index)
            if call.outcome == RUNNING or not query.start_ms <= at < query.end_ms:
                continue
            if query.tenant is None or call.index.tenant == query.tenant:
                offset = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).utcoffset()
                offset_ms = 0 if offset is None else round(offset.total_seconds() * 1000)
                add_call(query, call.index, offset_ms, found)
        return {group: sums for group, sums in found.items() if sums != ZERO}

    def lines(self, query: LineQuery) -> list[CallEntry]:
        """Calls that ended or were lost, in the order in which they were heard of."""
        chosen = [
            call.entry
            for call in self._calls.every()
            if call.outcome != RUNNING
            and call.n > query.after
            and query.start_ms <= started(call.index) < query.end_ms
            and query.tenant in (None, call.index.tenant)
        ]
        chosen.sort(key=lambda entry: entry.n)
        return chosen[: query.limit]
