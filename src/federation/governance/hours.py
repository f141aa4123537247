"""Whether a moment lies within hours of the week in a time zone.

The shifts of the zone's clock come with the window (`domain.policies.Window`), so nothing
here reads a table of time zones. Outside what they cover the hour is unknown: closed.
"""

from __future__ import annotations

from bisect import bisect_right

from federation.domain.policies import Window

_MINUTE_MS = 60_000
_DAY = 1440


def is_open(windows: tuple[Window, ...], at_ms: int) -> bool:
    """Whether the moment (Unix milliseconds) lies within one of the windows."""
    return any(_within(window, at_ms) for window in windows)


def _within(window: Window, at_ms: int) -> bool:
    place = bisect_right(window.shifts, (at_ms, _DAY * 2))
    if not 0 < place < len(window.shifts):
        return False  # the last shift only says where the table ends
    day, minute = divmod(at_ms // _MINUTE_MS + window.shifts[place - 1][1], _DAY)
    today = (day + 3) % 7 + 1  # day 0, 1 January 1970, was a Thursday
    if window.start < window.end:
        return today in window.days and window.start <= minute < window.end
    yesterday = (today - 2) % 7 + 1
    return (today in window.days and minute >= window.start) or (
        yesterday in window.days and minute < window.end
    )
