"""Time zones as tables of shifts, so that whoever judges a policy needs no such database.

The shifts of 2020 to 2050 are read off this machine's time zone database when a policy is
loaded; the last entry only says where the table ends. Outside it the hour is unknown.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from federation.config.nearest import unknown_word

_FIRST, _LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


def known_zone(value: object) -> str:
    """The name of a time zone, as in `Europe/Berlin`."""
    if value == "UTC":
        return "UTC"
    if not isinstance(value, str) or value not in available_timezones():
        word = value if isinstance(value, str) else ""
        said = unknown_word("time zone", word, available_timezones())
        raise ValueError(f"should be a time zone such as Europe/Berlin: {said}")
    return value


@lru_cache(maxsize=64)
def shifts(zone: str) -> tuple[tuple[int, int], ...]:
    """(from Unix milliseconds, minutes ahead of UTC), ascending; the last one ends the table."""
    if zone == "UTC":
        return ((_ms(_FIRST), 0), (_ms(_LAST), 0))
    try:
        there = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, OSError):
        return ()  # the hour is unknown, so the policy is closed
    found: list[tuple[int, int]] = []
    at, offset = _FIRST, _offset(_FIRST, there)
    found.append((_ms(at), offset))
    while at < _LAST:
        following = at + timedelta(days=1)
        if (after := _offset(following, there)) != offset:
            found.append((_ms(_edge(at, following, there)), after))
            offset = after
        at = following
    return (*found, (_ms(_LAST), 0))


def _edge(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first minute of the offset that holds at `after`, found by halving."""
    wanted = _offset(after, zone)
    while after - before > _MINUTE:
        minutes = int((after - before) / _MINUTE) // 2
        middle = before + minutes * _MINUTE
        if _offset(middle, zone) == wanted:
            after = middle
        else:
            before = middle
    return after


def _offset(at: datetime, zone: ZoneInfo) -> int:
    there = at.astimezone(zone).utcoffset() or timedelta()
    return int(there / _MINUTE)


def _ms(at: datetime) -> int:
    return int(at.timestamp()) * 1000
