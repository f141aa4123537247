"""Telephone numbers that stand behind one that a word names: `call 555 0142 33 or 555 0142 34`.

The trap: what follows a number may be anything, so it counts only where next to nothing stands
between the two, and where it is written with as many digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from federation.guardrails import entities as kind
from federation.guardrails.days import is_date
from federation.guardrails.entities import BESIDE, Span

_NEXT: Final = re.compile(
    rb"(?:[ ]?[,;][ ]|[ ][/|&][ ]|(?:[ ]?,)?[ ](?:and|or|und|oder|ou|et|y|o|e|of|en|lub|i|oraz"
    rb"|eller|och)[ ]|([\"'])[ ]?,[ ]?\1)"
    rb"(\(?[0-9](?:[ ]?[().\-][ ]?[0-9]|[ ]?[0-9]){6,14})(?![0-9A-Za-z_%@]|[.,:/-][0-9])"
)
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")


def behind(data: bytes, found: list[Span]) -> Iterator[Span]:
    """The numbers behind those of `found` that a word names."""
    for span in found:
        if span.kind is not kind.PHONE or span.rank != BESIDE:
            continue
        count = _digits(data[span.start : span.end])
        end = span.end
        while (following := _NEXT.match(data, end)) is not None:
            low, end = following.span(2)
            number = data[low:end]
            if _digits(number) != count or is_date(number):
                break
            yield Span(low, end, kind.PHONE, BESIDE)


def _digits(number: bytes) -> int:
    return len(number.translate(None, _SIGNS))
