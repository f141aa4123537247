"""Adding up calls from their lines, in the groups that a question asks for. Pure.

The trap: an hour that a clock goes through twice is two groups, a day of 25 hours is one; so
an hour is named by its moment, a day by its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from federation.errors import InvalidRequest
from federation.storage.analytics_entries import TIMES, CostQuery, Costs, Key, Sums, plus
from federation.storage.journal_reader import Began, Ended
from federation.storage.rollups_facts import Added, Facts, facts, name, parts, started, tags_of

MOST_GROUPS: Final = 100_000
_made = tuple.__new__
"""What `Sums._make` does after it was looked up, for each of many groups."""


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


_Alike = tuple[int, str, str, str, str, tuple[str, ...], str, int]
"""When a call was, its tenant, team, user, key and tags; then deployment and band of a part."""


class Gathered:
    """Calls of a stretch of time in which the zone's offset stays what it is.

    Many calls are alike in all that groups them, so what they add is put aside as it comes, and
    names and groups are made once for all that are.
    """

    def __init__(self, query: CostQuery, offset_ms: int) -> None:
        self._query, self._offset_ms = query, offset_ms
        self._bucket = bucket_of(query)
        self._tagged = "tag" in query.group_by or any(each == "tag" for each, _ in query.where)
        self._where = [(each, frozenset(names(value))) for each, value in query.where]
        self._held: dict[_Alike, list[Added]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many parts of calls are held."""
        return self._count

    def add(self, record: Began | Ended) -> None:
        """Put a call's own sums aside."""
        when = (started(record) + self._offset_ms) // self._bucket if self._bucket else 0
        team = user = ""
        tags: tuple[str, ...] = ()
        if type(record) is Ended:
            team, user = record.team, record.user
            if self._tagged and record.tags:
                tags = tags_of(record)
        for deployment, band, sums in parts(record):
            self._count += 1
            alike = (when, record.tenant, team, user, record.key, tags, deployment, band)
            held = self._held.get(alike)
            if held is None:
                self._held[alike] = [sums]
            else:
                held.append(sums)

    def into(self, found: Costs) -> None:
        """Add all to the groups that they belong to, and forget them."""
        for (when, *who, tags, deployment, band), held in self._held.items():
            sums = held[0] if len(held) == 1 else tuple(map(sum, zip(*held, strict=True)))
            at_ms = when * self._bucket - self._offset_ms if self._bucket else 0
            tenant, team, user, key = map(name, who)
            provider, _, model = deployment.partition("/")
            where = name(provider), name(model)
            for tag in tags or ("",):
                fact = Facts(tenant, team, user, key, *where, tag, band)
                if all(getattr(fact, each) in wanted for each, wanted in self._where):
                    add(found, _group(self._query, fact, at_ms, self._offset_ms), sums)
        self._held.clear()
        self._count = 0


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
    found[group] = _made(Sums, sums) if before is None else plus(before, sums)
