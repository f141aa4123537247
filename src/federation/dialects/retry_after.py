"""When a provider says to come back, in any of the ways that providers say it.

No clock is read: a date is taken relative to the `date` header of the same answer, which
also makes a wrong clock on either side harmless.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from federation.schema.http import Headers

_LONGEST_S: Final = 86_400.0
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_RATES: Final = (
    (b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    (b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
    (b"x-ratelimit-remaining", b"x-ratelimit-reset"),
)
_IN_WORDS = re.compile(r"(?:try|retry)[^.]{0,30}? in ((?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+)\b")
_EPOCH_S: Final = 1e9
_EPOCH_MS: Final = 1e12


def read_retry_after(headers: Headers, message: str) -> float | None:
    """Seconds to wait, 0 to a day; None where the provider does not say.

    Read are `retry-after-ms`, `retry-after` (seconds or a date), the reset of whichever rate
    is used up, and a "try again in 1.5s" in the message, in this order.
    """
    milliseconds = _number(_text(headers, b"retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000.0)
    text = _text(headers, b"retry-after")
    if text:
        seconds = _number(text)
        return _bounded(seconds if seconds is not None else _until(text, headers))
    waits = [
        wait
        for remaining, reset in _RATES
        if _number(_text(headers, remaining)) == 0.0
        and (wait := _reset(_text(headers, reset), headers)) is not None
    ]
    if waits:
        return _bounded(max(waits))
    found = _IN_WORDS.search(message)
    return _bounded(_duration(found[1])) if found else None


def _text(headers: Headers, name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1").strip()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _duration(text: str) -> float | None:
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _reset(text: str, headers: Headers) -> float | None:
    value = _number(text)
    if value is None:
        return _duration(text)
    if value < _EPOCH_S:
        return value
    now = _date(_text(headers, b"date"))
    moment = value / 1000.0 if value >= _EPOCH_MS else value
    return moment - now.timestamp() if now is not None else None


def _until(text: str, headers: Headers) -> float | None:
    then, now = _date(text), _date(_text(headers, b"date"))
    return (then - now).total_seconds() if then is not None and now is not None else None


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None


def _bounded(seconds: float | None) -> float | None:
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_S)
