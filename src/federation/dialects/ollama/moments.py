"""The moment of an answer: seconds in the canonical form, RFC 3339 text on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_DIGITS: Final = str.maketrans("", "", "-:.TZ+")
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


def digits_of(text: str | None) -> str:
    """A moment's digits: what makes the ids of an answer's calls differ from the last one's."""
    return (text or "").translate(_DIGITS)[:32]
