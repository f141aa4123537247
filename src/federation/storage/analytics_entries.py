"""What is asked of the ledger's sums, and what they are: plain values, no database in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
TIMES: Final = {"hour": HOUR_MS, "day": DAY_MS}
"""Groups that are stretches of time, and how long they are."""
DIMENSIONS: Final = ("tenant", "team", "user", "key", "provider", "model", "tag")
GROUPS: Final = (*TIMES, *DIMENSIONS)

Key = str | int


class Sums(NamedTuple):
    """Totals. Tokens, costs and `unpriced` are of attempts, failed ones too where they billed."""

    calls: int = 0
    failed: int = 0
    """Calls that did not end well: errors, cut or canceled answers, lost calls."""
    duration_us: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    unpriced: int = 0
    """Attempts whose cost is unknown; a lost call counts as one."""
    estimated: int = 0
    """Attempts whose tokens were counted by us."""
    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    cache_write_long: int = 0
    audio_input: int = 0
    audio_output: int = 0
    reasoning: int = 0
    cost_nano: int = 0


ZERO = Sums()


def plus(one: Sequence[int], other: Sequence[int]) -> Sums:
    """Both together."""
    return Sums(*map(int.__add__, one, other))


@dataclass(frozen=True, slots=True)
class CostQuery:
    """Which calls to sum, by the time at which they started, and in which groups.

    `tenant` None is every tenant. `zone` names the IANA time zone in which hours and days
    begin. `banded` adds the band of `pricing.savings` to each group, as its last element.
    """

    start_ms: int
    end_ms: int
    tenant: str | None
    group_by: tuple[str, ...] = ()
    where: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    """A dimension and the value that it must have, or of several, none of them empty, one; each
    dimension at most once."""
    zone: str = "UTC"
    banded: bool = False


@dataclass(frozen=True, slots=True)
class LineQuery:
    """Which ledger lines to list, oldest first: those after the place `after` in the store."""

    start_ms: int
    end_ms: int
    tenant: str | None
    after: int = 0
    limit: int = 1000


Costs = dict[tuple[Key, ...], Sums]
"""Group to sums. An hour is the Unix milliseconds of its start, a day counts from 1970-01-01
in the zone; the rest are names, empty where a call has none. Groups of nothing are absent."""
