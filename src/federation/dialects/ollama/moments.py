"""The moment of an answer: seconds in the canonical form, RFC 3339 text on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from federation.dialects.whole import digest

_DIGITS: Final = str.maketrans("", "", "-:.TZ+")
_SECOND, _LONGEST = 14, 32
"""Digits of a moment to the second, and most of any."""
_LATEST: Final = 253_402_300_799


def read_moment(text: str | None) -> int:
    """Unix seconds; 0 where the text is no moment."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        return 0
    return max(int(moment.timestamp()), 0)


def write_moment(seconds: int) -> str:
    """The text of a moment, in UTC."""
    moment = datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def name_of(text: str | None, said: bytes) -> str:
    """What makes the ids of an answer's calls differ from the last one's: its moment's digits,
    and where that is no finer than a second, what tells it from others."""
    digits = (text or "").translate(_DIGITS)[:_LONGEST]
    return digits if len(digits) > _SECOND else digits + digest(said)
