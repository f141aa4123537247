"""Types of an operator's own: a pattern, words that must stand before it, a check digit.

The trap: a pattern is looked for in every text, for nothing short tells whether it may occur; so
there are few, and none without a bound (`config.pii_patterns` sees to both).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from federation.domain.policies import PiiPattern
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
_ASCII_WORD: Final = re.compile(r"\w", re.ASCII)
_NO_LETTER: Final = r"(?:^|[^0-9A-Za-z\xaa\xb5\xba\xc0-\xd6\xd8-\xf6\xf8-\xff])"
_FOREIGN, _LATIN_1 = 0x80, 0x100
_SIGN: Final = r"\\x[0-9A-Fa-f]{2}|\\?."
_TOKEN: Final = re.compile(rf"\[(?:\\.|[^\]\[\\])+\]|{_SIGN}", re.DOTALL)
_NUMBER: Final = re.compile(r"\\x([0-9A-Fa-f]{2})")
_RANGE: Final = re.compile(rf"({_SIGN})(?:-({_SIGN}))?", re.DOTALL)
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
    """An operator's pattern; a first group, where there is one, is the value. Letters beyond
    ASCII are found in both cases with `ignore_case`, and in words of `context`.

    Raises ValueError for one that RE2 cannot run in linear time, that is longer than 1,000
    characters or that matches an empty text, and KeyError for an unknown validator.
    """
    if not 0 < len(pattern) <= LONGEST:
        raise ValueError(f"a pattern has 1 to {LONGEST} characters")
    if ignore_case:
        pattern = _in_both_cases(pattern)
    raw = pattern.encode("latin-1", "replace")
    if compiled(raw, ignore_case=ignore_case).occurs(b""):
        raise ValueError("the pattern matches an empty text")
    found = entity or kind.CUSTOM + name
    test = VALIDATORS[validator] if validator else None
    return Rule(found, raw, _check(found, _said(context), test), ignore_case=ignore_case)


def rules_of(patterns: Iterable[PiiPattern]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """The rules of patterns, and the types of those that cannot be run. Configuration lets none
    of these through, but a store may hold one that an older gateway did: its check fails."""
    rules: list[Rule] = []
    broken: list[str] = []
    for each in patterns:
        try:
            rule = custom(
                each.name,
                each.pattern,
                ignore_case=each.ignore_case,
                entity=each.entity,
                context=each.context,
                validator=each.validator,
            )
        except ValueError:
            broken.append(each.kind)
        else:
            rules.append(rule)
    return tuple(rules), tuple(broken)


def _said(context: Sequence[str]) -> Pattern | None:
    if not context:
        return None
    return compiled(b"|".join(map(_word, context)), ignore_case=True)


def _word(written: str) -> bytes:
    """A word that begins where no other goes on. The library knows borders of ASCII words."""
    word = readable(written).decode("latin-1")
    border = _NO_LETTER if word[:1].isalnum() else ""
    if _ASCII_WORD.match(word):
        border = r"\b"
    said = re.escape(word).replace("\\ ", " ")
    return (border + _in_both_cases(said)).encode("latin-1")


def _in_both_cases(pattern: str) -> str:
    """The pattern with both cases of each letter beyond ASCII: the library folds ASCII alone."""
    return _TOKEN.sub(_both_cases, pattern)


def _both_cases(found: re.Match[str]) -> str:
    token = found.group()
    if len(token) == 1 or not token.startswith("["):
        other = _others(token)
        return f"[{token}{other}]" if other else token
    return f"{token[:-1]}{_others(token[1:-1].removeprefix('^'))}]"


def _others(signs: str) -> str:
    """The other cases of letters beyond ASCII among single signs and ranges of signs."""
    found: set[str] = set()
    for first, last in _RANGE.findall(signs):
        low, high = _code(first), _code(last or first)
        found.update(chr(code).swapcase() for code in range(max(low, _FOREIGN), high + 1))
    return "".join(sorted(sign for sign in found if len(sign) == 1 and _is_cased(sign)))


def _is_cased(sign: str) -> bool:
    return _FOREIGN <= ord(sign) < _LATIN_1 and sign.swapcase() != sign


def _code(written: str) -> int:
    number = _NUMBER.fullmatch(written)
    return int(number[1], 16) if number else ord(written[-1])


def _check(name: str, words: Pattern | None, test: Callable[[bytes], bool] | None) -> Check:
    def check(data: bytes, start: int, end: int) -> Iterator[Span]:
        if words is not None and not words.occurs(data[max(0, start - REACH) : start]):
            return
        if test is None or test(_NO_SIGN.sub(b"", data[start:end])):
            yield Span(start, end, name, CERTAIN)

    return check
