"""Types of an operator's own: a pattern, words that must stand before it, a check digit.

The trap: a pattern is looked for in every text, for nothing short tells whether it may occur; so
there are few, and none without a bound (`config.pii_patterns` sees to both).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from federation.guardrails import entities as kind
from federation.guardrails import iban
from federation.guardrails.checksums import iso_7064_mod_11_10, luhn, verhoeff
from federation.guardrails.entities import CERTAIN, Span
from federation.guardrails.folding import readable
from federation.guardrails.patterns import Pattern, compiled
from federation.guardrails.rules import Check, Rule

REACH: Final = 64
"""Characters before a value in which its words are looked for."""
LONGEST: Final = 1000
"""Characters of a pattern."""
_NO_SIGN: Final = re.compile(rb"[^0-9A-Za-z]+")


def _digits(test: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    return lambda bare: bare.isdigit() and test(bare)


VALIDATORS: Final[dict[str, Callable[[bytes], bool]]] = {
    "luhn": _digits(luhn),
    "mod97": lambda bare: len(bare) > len("GB00") and iban.valid(bare.decode("ascii").upper()),
    "verhoeff": _digits(lambda bare: verhoeff(bare.decode("ascii"))),
    "mod11_10": _digits(lambda bare: iso_7064_mod_11_10(bare.decode("ascii"))),
}
"""Check digits by name; they get letters and digits without what stands between. ISO/IEC 7812-1;
ISO 7064 MOD 97-10, as in account numbers; Verhoeff's; ISO 7064 MOD 11,10."""


def custom(
    name: str,
    pattern: str,
    *,
    ignore_case: bool = False,
    entity: str = "",
    context: Sequence[str] = (),
    validator: str = "",
) -> Rule:
    """An operator's pattern; a first group, where there is one, is the value.

    Raises ValueError for one that RE2 cannot run in linear time, that is longer than 1,000
    characters or that matches an empty text, and KeyError for an unknown validator.
    """
    if not 0 < len(pattern) <= LONGEST:
        raise ValueError(f"a pattern has 1 to {LONGEST} characters")
    raw = pattern.encode("latin-1", "replace")
    if compiled(raw, ignore_case=ignore_case).occurs(b""):
        raise ValueError("the pattern matches an empty text")
    found = entity or kind.CUSTOM + name
    test = VALIDATORS[validator] if validator else None
    return Rule(found, raw, _check(found, _said(context), test), ignore_case=ignore_case)


def _said(context: Sequence[str]) -> Pattern | None:
    if not context:
        return None
    words = b"|".join(re.escape(readable(word)).replace(rb"\ ", b" ") for word in context)
    return compiled(rb"\b(?:" + words + rb")", ignore_case=True)


def _check(name: str, words: Pattern | None, test: Callable[[bytes], bool] | None) -> Check:
    def check(data: bytes, start: int, end: int) -> Iterator[Span]:
        if words is not None and not words.occurs(data[max(0, start - REACH) : start]):
            return
        if test is None or test(_NO_SIGN.sub(b"", data[start:end])):
            yield Span(start, end, name, CERTAIN)

    return check
