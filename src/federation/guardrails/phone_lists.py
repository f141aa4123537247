"""Telephone numbers that stand behind one that is known: `call 555 0142 33 or 555 0142 34`.

The trap: what follows a number may be anything, so it counts only where next to nothing stands
between the two, and where it has as many digits, or behind a calling code fewer by those of a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from federation.guardrails import entities as kind
from federation.guardrails.days import is_date
from federation.guardrails.entities import BESIDE, Span
from federation.guardrails.nearby import Nearby

_WORDS: Final = (
    rb"(?:[ ]?,)?[ ](?:and|or|und|oder|ou|et|y|o|e|of|en|lub|i|oraz|eller|och)[ ]|[ ][/|&][ ]"
)
_COMMAS: Final = rb"[ ]?[,;][ ]|([\"'])[ ]?,[ ]?\1"
_NUMBER: Final = (
    rb"(\(?[0-9](?:[ ]?[().\-][ ]?[0-9]|[ ]?[0-9]){6,14})(?![0-9A-Za-z_%@]|[.,:/-][0-9])"
)
_NEXT: Final = re.compile(rb"(?:" + _COMMAS + rb"|" + _WORDS + rb")" + _NUMBER)
_NEXT_BY_WORDS: Final = re.compile(rb"(?:" + _WORDS + rb")" + _NUMBER)
_BEFORE_NEXT: Final = frozenset(b" ,;\"'")
_BLANK: Final = ord(" ")
_CALLED: Final = (b"+", b"(+", b"00")
_LONGEST_CODE: Final = 5
"""Digits of a calling code, with the noughts before it."""
BETWEEN: Final = 8
"""Characters that stand between two numbers, at most."""
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")


def behind(near: Nearby, found: list[Span]) -> list[Span]:
    """The numbers behind those of `found` that a word names, or that begin with a calling code."""
    data, padded, phone = near.data, near.padded, kind.PHONE
    more: list[Span] = []
    for span in found:
        if padded[span.end] not in _BEFORE_NEXT or span.kind is not phone:
            continue
        if span.rank == BESIDE:
            more += onward(data, span.end, digits(data, span.start, span.end))
        elif padded[span.end] == _BLANK and data.startswith(_CALLED, span.start):
            count = digits(data, span.start, span.end)
            more += _chain(data, _NEXT_BY_WORDS, span.end, count - _LONGEST_CODE, count)
    return more


def leads(span: Span) -> bool:
    """Whether it is a number that a word names, so that others may follow it."""
    return span.kind == kind.PHONE and span.rank == BESIDE


def onward(data: bytes, end: int, count: int) -> Iterator[Span]:
    """The numbers behind one of so many digits that a word names and that ends there."""
    return _chain(data, _NEXT, end, count, count)


def _chain(data: bytes, form: re.Pattern[bytes], end: int, least: int, most: int) -> Iterator[Span]:
    while (following := form.match(data, end)) is not None:
        low, end = following.span(following.lastindex or 0)
        if not least <= digits(data, low, end) <= most or is_date(data[low:end]):
            return
        yield Span(low, end, kind.PHONE, BESIDE)


def digits(data: bytes, start: int, end: int) -> int:
    """How many digits stand there."""
    return len(data[start:end].translate(None, _SIGNS))
