"""What analytics need of a store; it blocks, and is called in a thread."""

from __future__ import annotations

from typing import Protocol

from federation.storage.analytics_entries import CostQuery, Costs, LineQuery
from federation.storage.entries import CallEntry


class AnalyticsStore(Protocol):
    """Sums over the ledger, and its lines. Every method raises `errors.Unavailable` where the
    store cannot be reached."""

    def is_current(self) -> bool:
        """Whether the roll-ups are those of this version of the code."""
        ...

    def rebuild(self) -> int:
        """Make the roll-ups anew from the lines, idempotent; how many days that were."""
        ...

    def costs(self, query: CostQuery) -> Costs:
        """Exact sums of ended and lost calls. Raises `InvalidRequest` for more than can be told:
        too many groups, or too many lines where roll-ups cannot answer; and `Unavailable` with
        the code `rollups_building` for too many lines while roll-ups are made anew."""
        ...

    def lines(self, query: LineQuery) -> list[CallEntry]:
        """Calls that ended or were lost, in the order in which the store heard of them."""
        ...
