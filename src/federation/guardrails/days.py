"""What is written as a day or as years, and so is no telephone number."""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails.row_shapes import loosened

_DATE: Final = re.compile(
    rb"(?:[0-3]?[0-9]([./-])[0-3]?[0-9]\1(?:19|20)?[0-9]{2}|(?:19|20)[0-9]{2}([./-])[01]?[0-9]\2"
    rb"[0-3]?[0-9])(?:[ \t].*)?"
)
_YEARS: Final = re.compile(rb"(?:(?:19|20)[0-9]{2})(?:[ /-]+(?:19|20)[0-9]{2})+")
_LIKE_DATES: Final = tuple(re.compile(loosened(form.pattern)) for form in (_DATE, _YEARS))


def is_date(number: bytes) -> bool:
    """Whether it is written as a day, or as years."""
    return _DATE.fullmatch(number) is not None or _YEARS.fullmatch(number) is not None


def may_be_date(shape: bytes) -> bool:
    """Whether some number of this shape is."""
    return any(like.fullmatch(shape) for like in _LIKE_DATES)
