"""Roll-ups held against the lines that they sum: what analytics tell is what the ledger holds.

One day, or one of the longest stretches, is looked at in one moment of the store, so lines may
come in meanwhile. The longest are held against their days, which are held against lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import add
from typing import Any

from sqlalchemy import Connection, Engine, select

from federation.storage.analytics_entries import DAY_MS
from federation.storage.analytics_moment import at_once
from federation.storage.analytics_spans import LONG_MS, Span
from federation.storage.entries import RUNNING
from federation.storage.rollups import GRAINS_OF, KEYS, WITHIN_A_DAY, Tally
from federation.storage.rollups_facts import line_of
from federation.storage.rollups_rebuild import Told, are_whole, missing
from federation.storage.tables import calls, cost_rollups

_Sums = dict[tuple[Any, ...], tuple[int, ...]]
"""Sums by the primary key; groups whose sums are all zero are left out."""


def wrong_spans(engine: Engine, told: Told = lambda _done, _whole: None) -> list[Span]:
    """Days, and then longer stretches, whose sums are not those of their calls.

    Raises `Unavailable` while roll-ups are made anew, and before they were ever made.
    """
    days = _days(engine)
    wrong = []
    for done, day in enumerate(days):
        told(done, len(days))
        if not _is_right(engine, day):
            wrong.append(day)
    stretches = sorted({day // LONG_MS * LONG_MS for day in days})
    long = [start for start in stretches if not _is_right_stretch(engine, start)]
    return [
        *(Span(start, start + DAY_MS, DAY_MS) for start in wrong),
        *(Span(start, start + LONG_MS, LONG_MS) for start in long),
    ]


def _days(engine: Engine) -> list[int]:
    """Days of which there are calls or sums. Raises as `wrong_spans` does."""
    found: set[int] = set()
    with at_once(engine) as moment:
        if not are_whole(moment):
            raise missing(moment)
        for at in (calls.c.started_ms, cost_rollups.c.at_ms):
            found |= {day for (day,) in moment.execute(select(at - at % DAY_MS).distinct())}
    return sorted(found)


def _is_right(engine: Engine, day: int) -> bool:
    lines = select(calls.c.line).where(
        calls.c.started_ms >= day, calls.c.started_ms < day + DAY_MS, calls.c.outcome != RUNNING
    )
    tally = Tally()
    with at_once(engine) as moment:
        kept = _kept(moment, WITHIN_A_DAY, day, day + DAY_MS)
        with moment.execute(lines.execution_options(yield_per=1000)) as rows:
            for (json,) in rows:
                tally.add(line_of(json))
    return _by_key(tally.rows(WITHIN_A_DAY)) == kept


def _is_right_stretch(engine: Engine, start: int) -> bool:
    end = start + LONG_MS
    with at_once(engine) as moment:
        kept = _kept(moment, [LONG_MS], start, end)
        days = _kept(moment, [DAY_MS], start, end)
    summed: _Sums = {}
    for (kind, _, _, *rest), sums in days.items():
        key = (kind, LONG_MS, start, *rest)
        before = summed.get(key)
        summed[key] = sums if before is None else tuple(map(add, before, sums))
    return {key: sums for key, sums in summed.items() if any(sums)} == kept


def _kept(moment: Connection, grains: Sequence[int], start: int, end: int) -> _Sums:
    r = cost_rollups.c
    which = r.kind.in_(GRAINS_OF), r.grain.in_(grains), r.at_ms >= start, r.at_ms < end
    return _by_key(map(tuple, moment.execute(select(cost_rollups).where(*which))))


def _by_key(rows: Iterable[tuple[Any, ...]]) -> _Sums:
    width = len(KEYS)
    return {row[:width]: row[width:] for row in rows if any(row[width:])}
