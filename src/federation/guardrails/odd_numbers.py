"""Cards and American numbers that are written oddly: with letters for digits, or with a word that
says what they are.

The trap: a letter for a digit is a disguise only among digits; most of a value must be real.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from federation.guardrails import cards, context_rules
from federation.guardrails import entities as kind
from federation.guardrails.entities import CHECKED, Span
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled

DIGIT_LIKE: Final = rb"[0-9OoQIlSBZ]"
_SEPARATORS: Final = rb"[ \t\n.,_/|*:;~+-]"
_MORE: Final = rb"(?:" + _SEPARATORS + rb"{0,3}" + DIGIT_LIKE + rb")"
LIKE_CARD: Final = (rb"\b(?:[0-9]" + _MORE + rb"{11,18}") + (
    rb"|" + DIGIT_LIKE + rb"{4}" + _MORE + rb"{8,15})"
)
"""A letter begins it only where more follow at once: a word before a number is none of it."""
LIKE_SSN: Final = DIGIT_LIKE + rb"{3}-" + DIGIT_LIKE + rb"{2}-" + DIGIT_LIKE + rb"{4}"
SURELY_LIKE_SSN: Final = re.compile(
    rb"-(?<=" + DIGIT_LIKE + rb"{3}-)" + DIGIT_LIKE + rb"{2}-" + DIGIT_LIKE + rb"{4}"
    rb"(?<![0-9]{3}-[0-9]{2}-[0-9]{4})"
)
"""With a letter at least, and from a dash on, which the library finds quickly."""
_LIKE_SSN: Final = compiled(LIKE_SSN)
_LIKE_CARD: Final = compiled(LIKE_CARD)
_SIGNS_BETWEEN: Final = b" \t\n.,_/|*:;~+-"
_IN_CARD: Final = b"0123456789OoQIlSBZ" + _SIGNS_BETWEEN
_SHAPES: Final = bytes(ord("0" if sign in _IN_CARD else " ") for sign in range(256))
_SHORTEST_SHAPE: Final = b"0" * 12
_LETTERS: Final = tuple(bytes((letter,)) for letter in b"OoQIlSBZ")
_LIKE_DIGITS: Final = bytes.maketrans(b"OoQIlSBZ", b"00011582")
_SIGNS: Final = bytes(sign for sign in range(256) if chr(sign) not in "0123456789")
_LEAST_REAL: Final = 9
_LEAST_REAL_SSN: Final = 5


def like_cards(near: Nearby) -> list[Span]:
    """Card numbers in which letters stand for digits: in stretches of their signs that hold a
    letter, and digits enough."""
    data = near.data
    found: list[Span] = []
    shape, size = data.translate(_SHAPES), len(data)
    start = shape.find(_SHORTEST_SHAPE)
    while start >= 0:
        end = shape.find(b" ", start)
        end = size if end < 0 else end
        digits = data[start:end].translate(None, _SIGNS_BETWEEN)
        if not digits.isdigit() and len(digits.translate(None, _SIGNS)) >= _LEAST_REAL:
            for low, high in _LIKE_CARD.spans(data, start, end):
                found += like_card(data, low, high)
        start = shape.find(_SHORTEST_SHAPE, end)
    return found


def like_card(data: bytes, start: int, end: int) -> Iterator[Span]:
    """One of them."""
    run = data[start:end]
    read = run.translate(_LIKE_DIGITS)
    if read == run or len(run.translate(None, _SIGNS)) < _LEAST_REAL:
        return
    # Told by the digits alone, before anything is made of how they stand.
    if cards.is_card(read.translate(None, _SIGNS)) and not data[end : end + 1].isdigit():
        for low, high in cards.in_run(read):
            if high - low == len(run):
                yield Span(start, end, kind.CARD, CHECKED)


def like_ssns(near: Nearby) -> list[Span]:
    """American numbers in which letters stand for digits."""
    data = near.data
    found: list[Span] = []
    if any(letter in data for letter in _LETTERS) and SURELY_LIKE_SSN.search(data) is not None:
        for start, end in _LIKE_SSN.spans(data):
            found += like_ssn(data, start, end)
    return found


def like_ssn(data: bytes, start: int, end: int) -> Iterator[Span]:
    """One of them."""
    run = data[start:end]
    read = run.translate(_LIKE_DIGITS)
    if read == run or len(run.translate(None, _SIGNS)) < _LEAST_REAL_SSN:
        return
    bordered = data[max(0, start - 1) : start].isalnum() or data[end : end + 1].isalnum()
    if not bordered and context_rules.is_ssn(read):
        yield Span(start, end, kind.SSN, CHECKED - 1)


def ssn_beside(data: bytes, start: int, end: int) -> Iterator[Span]:
    """The same beside a word that names it, however its digits are set apart."""
    if not data[end : end + 1].isdigit() and context_rules.is_called_ssn(data[start:end]):
        yield Span(start, end, kind.SSN, CHECKED)
