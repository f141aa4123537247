"""How a stretch of time is covered by roll-ups, and by single lines at its ends. Pure.

The trap is the time zone: a roll-up can only stand for a local day if no local midnight lies
inside it. Offsets are multiples of a quarter of an hour everywhere today, which is why the
finest roll-up is that long; where one is not, lines are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from federation.storage.analytics_entries import DAY_MS, HOUR_MS

LONG_MS: Final = 32 * DAY_MS
"""The longest roll-up: a year of them is few, however many people and days it has."""
GRAINS: Final = (LONG_MS, DAY_MS, HOUR_MS, HOUR_MS // 4)
"""The lengths of the roll-ups, each a multiple of the next."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `start_ms` up to `end_ms`: roll-ups of one grain, or lines where it is 0.

    `offset_ms` is how far the zone is ahead of UTC all the while.
    """

    start_ms: int
    end_ms: int
    grain: int
    offset_ms: int = 0


def cover(
    start_ms: int,
    end_ms: int,
    bucket_ms: int | None,
    zone: str,
    grains: Sequence[int] = GRAINS,
) -> list[Span]:
    """Spans that cover the stretch, each moment once, in order.

    `bucket_ms` is the length of the groups in time, None where time is not grouped by.
    """
    if bucket_ms is None:
        return _cut(start_ms, end_ms, grains, 0)
    spans = []
    for begin, end, offset in _steady(start_ms, end_ms, ZoneInfo(zone)):
        usable = [g for g in grains if bucket_ms % g == 0 and offset % g == 0]
        spans += _cut(begin, end, usable, offset)
    return spans


def _cut(start: int, end: int, grains: Sequence[int], offset: int) -> list[Span]:
    if start >= end:
        return []
    if not grains:
        return [Span(start, end, 0, offset)]
    grain, finer = grains[0], grains[1:]
    low, high = -(-start // grain) * grain, end // grain * grain
    if low >= high:
        return _cut(start, end, finer, offset)
    whole = Span(low, high, grain, offset)
    return [*_cut(start, low, finer, offset), whole, *_cut(high, end, finer, offset)]


def _steady(start: int, end: int, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """Stretches over which the zone's offset does not change, and the offset."""
    begin, now = start, _offset(start, zone)
    at = start
    while at < end:
        ahead = min(at + DAY_MS, end)
        after = _offset(ahead, zone)
        if after != now:
            change = _change(at, ahead, now, zone)
            yield begin, change, now
            begin, now = change, _offset(change, zone)
            ahead = change
        at = ahead
    if begin < end:
        yield begin, end, now


def _change(low: int, high: int, before: int, zone: ZoneInfo) -> int:
    """The first moment after `low` at which the offset is another than `before`."""
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(at_ms: int, zone: ZoneInfo) -> int:
    delta = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).utcoffset()
    return 0 if delta is None else round(delta.total_seconds() * 1000)
