"""Telephone numbers that stand behind one that is known: `call 555 0142 33 or 555 0142 34`.

The trap: what follows a number may be anything, so it counts only where next to nothing stands
between the two, and where it has as many digits, or behind a calling code fewer by those of a code.
"""

from __future__ import annotations

import re
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
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")


def behind(near: Nearby, found: list[Span]) -> list[Span]:
    """The numbers behind those of `found` that a word names, or that begin with a calling code."""
    data, padded, phone = near.data, near.padded, kind.PHONE
    more: list[Span] = []
    for span in found:
        if padded[span.end] not in _BEFORE_NEXT or span.kind is not phone:
            continue
        if span.rank == BESIDE:
            following, less = _NEXT.match(data, span.end), 0
        elif padded[span.end] == _BLANK and data.startswith(_CALLED, span.start):
            following, less = _NEXT_BY_WORDS.match(data, span.end), _LONGEST_CODE
        else:
            continue
        count = _digits(data, span.start, span.end)
        while following is not None:
            low, end = following.span(following.lastindex or 0)
            if not count - less <= _digits(data, low, end) <= count or is_date(data[low:end]):
                break
            more.append(Span(low, end, phone, BESIDE))
            following = following.re.match(data, end)
    return more


def _digits(data: bytes, start: int, end: int) -> int:
    return len(data[start:end].translate(None, _SIGNS))
