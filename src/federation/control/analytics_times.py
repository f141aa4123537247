"""Stretches of time as people write them: dates and moments, in a time zone. Pure.

The trap: a date as an end is meant with its whole day, a moment as an end is not part of the
stretch. A local midnight that clocks skip is the first moment after it.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from federation.errors import InvalidRequest
from federation.storage.analytics_entries import DAY_MS, Key

LONGEST_DAYS: Final = 3_660
LAST_MS: Final = 253_402_214_400_000
"""The last day that a calendar of four digits has, in any zone."""
_LOOK_BACK = timedelta(days=29)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def zone_of(name: str) -> ZoneInfo:
    """The IANA time zone. Raises `InvalidRequest`."""
    try:
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}", name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    message = f"'{name}' is no time zone. Write one such as UTC or Europe/Berlin."
    raise InvalidRequest(message, param="timezone")


def stretch(start: str | None, end: str | None, zone: ZoneInfo, now_ms: int) -> tuple[int, int]:
    """From and up to, in Unix milliseconds; left out, the last thirty days up to now.

    Raises `InvalidRequest`.
    """
    end_ms = now_ms + 1 if end is None else _moment(end, zone, "end_date", is_end=True)
    if start is None:
        last = datetime.fromtimestamp((end_ms - 1) / 1000, UTC).astimezone(zone).date()
        start_ms = _midnight(last - _LOOK_BACK, zone)
    else:
        start_ms = _moment(start, zone, "start_date", is_end=False)
    if start_ms >= end_ms:
        raise InvalidRequest("The end must come after the start.", param="end_date")
    if end_ms - start_ms > LONGEST_DAYS * DAY_MS:
        raise InvalidRequest("Ask for ten years at most.", param="start_date")
    return start_ms, end_ms


def between(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """The same in UTC, with None for an end that is left open. Raises `InvalidRequest`."""
    zone = ZoneInfo("UTC")
    since = None if start is None else _moment(start, zone, "start_date", is_end=False)
    until = None if end is None else _moment(end, zone, "end_date", is_end=True)
    if None not in (since, until) and (since or 0) >= (until or 0):
        raise InvalidRequest("The end must come after the start.", param="end_date")
    return since, until


def is_day(text: str) -> bool:
    """Whether a time is a date alone: as an end it is meant with its whole day."""
    return _DATE.fullmatch(text) is not None


def _moment(text: str, zone: ZoneInfo, param: str, *, is_end: bool) -> int:
    try:
        if is_day(text):
            day = date.fromisoformat(text)
            found = _midnight(day + timedelta(days=is_end), zone)
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment
            found = int(moment.timestamp() * 1000)
        if not 0 <= found <= LAST_MS:
            raise ValueError
    except (ValueError, OverflowError):
        message = "Write a date such as 2026-01-31, or a moment such as 2026-01-31T12:00:00Z."
        raise InvalidRequest(message, param=param) from None
    return found


def _midnight(day: date, zone: ZoneInfo) -> int:
    return max(0, int(datetime.combine(day, time(), zone).timestamp() * 1000))


def said(name: str, value: Key, zone: ZoneInfo) -> str:
    """A group as people read it: a date, a moment with its offset, or a name."""
    if name == "day":
        return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()
    return moment(int(value), zone) if name == "hour" else str(value)


def moment(at_ms: int, zone: ZoneInfo) -> str:
    """A moment in a zone, with its offset."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).isoformat()
