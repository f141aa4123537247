"""Adding up calls one by one, in the groups that a question asks for. Pure.

The trap: an hour that a clock goes through twice is two groups, a day of 25 hours is one; so
an hour is named by its moment, a day by its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from federation.errors import InvalidRequest
from federation.storage.analytics_entries import TIMES, CostQuery, Costs, Key, Sums, plus
from federation.storage.journal_reader import Began, Ended
from federation.storage.rollups_facts import Facts, facts, name, started

MOST_GROUPS: Final = 100_000


def bucket_of(query: CostQuery) -> int | None:
    """The length of the shortest stretch of time that is grouped by."""
    return min((TIMES[each] for each in query.group_by if each in TIMES), default=None)


def names(value: str | tuple[str, ...]) -> list[str]:
    """What roll-ups call a value that is asked for, or each of several."""
    return [name(each) for each in ((value,) if isinstance(value, str) else value)]


def add_call(query: CostQuery, record: Began | Ended, offset_ms: int, found: Costs) -> None:
    """Add one call's own sums to the groups that it belongs to."""
    tagged = "tag" in query.group_by or any(dimension == "tag" for dimension, _ in query.where)
    at = started(record)
    for fact, sums in facts(record, tagged=tagged):
        if all(getattr(fact, dimension) in names(value) for dimension, value in query.where):
            add(found, _group(query, fact, at, offset_ms), sums)


def _group(query: CostQuery, fact: Facts, at_ms: int, offset_ms: int) -> tuple[Key, ...]:
    group: list[Key] = []
    for dimension in query.group_by:
        if dimension in TIMES:
            length = TIMES[dimension]
            local = (at_ms + offset_ms) // length
            group.append(local if dimension == "day" else local * length - offset_ms)
        else:
            group.append(getattr(fact, dimension))
    if query.banded:
        group.append(fact.band)
    return tuple(group)


def add(found: Costs, group: tuple[Key, ...], sums: Sequence[int]) -> None:
    """Add sums to a group. Raises `InvalidRequest` for one group too many."""
    before = found.get(group)
    if before is None and len(found) >= MOST_GROUPS:
        raise InvalidRequest(
            f"This makes more than {MOST_GROUPS:,} groups. Ask for a shorter time, fewer "
            "groupings, or filter.",
            code="too_many_groups",
        )
    found[group] = Sums._make(sums) if before is None else plus(before, sums)
