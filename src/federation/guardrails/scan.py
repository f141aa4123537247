"""Finds values in a text: every reading of it, one scan each, then one answer for each place.

The trap: the rules see bytes of a reading, the caller gets characters of the text. Nothing
but `Layer.original` turns one into the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from federation.guardrails.entities import DetectorFailure, Recognizer, Span
from federation.guardrails.layers import Layer, decode, encoded, fold, long_runs
from federation.guardrails.patterns import PatternSet
from federation.guardrails.rules import NOTHING, NUMBER, RULES, SHAPED, Rule

_ENCODED_RANK: Final = SHAPED
"""In a decoded stretch only values of this rank and above count."""


_ALWAYS: Final = (NOTHING, NUMBER)


class Scanner:
    """The rules for some types, compiled. Costs tens of milliseconds to make: keep it."""

    def __init__(
        self,
        kinds: Iterable[str],
        custom: Sequence[Rule] = (),
        recognizers: Sequence[Recognizer] = (),
    ) -> None:
        wanted = set(kinds)
        rules = [rule for rule in RULES if rule.kind in wanted or rule.kind in _ALWAYS]
        rules += custom
        self._wanted = wanted | {NOTHING} | {rule.kind for rule in custom}
        self._rules = [(rule.compiled(), rule.check, rule.long) for rule in rules]
        self._set = PatternSet([rule.hint for rule in rules])
        self._recognizers = [
            recognizer for recognizer in recognizers if wanted.intersection(recognizer.kinds)
        ]

    def find(self, text: str, *, decoded_only: bool = False) -> list[Span]:
        """Places of values in `text`, from left to right, none over another.

        `decoded_only`: the text is JSON as written, where a reading that takes `\\n` for a
        letter n would cut an escape sequence in two.
        """
        if not text:
            return []
        first = fold(text)
        second = decode(first)
        found: list[Span] = []
        if second is None or not decoded_only:
            found += self._read(first)
        if second is not None:
            found += self._read(second)
        return resolve(found)

    def plugged(self, text: str) -> tuple[list[Span], list[DetectorFailure]]:
        """What plugged-in recognizers say of `text`."""
        found: list[Span] = []
        failures: list[DetectorFailure] = []
        for recognizer in self._recognizers:
            said = recognizer.find(text)
            if isinstance(said, DetectorFailure):
                failures.append(said)
            else:
                found += said
        return found, failures

    def _read(self, layer: Layer) -> list[Span]:
        runs = long_runs(layer)
        spans = self._candidates(layer.data, long=bool(runs))
        for start, end, text in encoded(layer, runs):
            inner = fold(text)
            inside = self._candidates((decode(inner) or inner).data, long=True)
            best = max(inside, key=_rank, default=None)
            if best is not None and best.kind != NOTHING and best.rank >= _ENCODED_RANK:
                spans.append(Span(start, end, best.kind, best.rank))
        if layer.starts is None:
            return spans
        return [Span(*layer.original(s.start, s.end), s.kind, s.rank) for s in spans]

    def _candidates(self, data: bytes, *, long: bool) -> list[Span]:
        found: list[Span] = []
        for index in self._set.occurring(data):
            pattern, check, needs_long = self._rules[index]
            if needs_long and not long:
                continue
            for start, end in pattern.spans(data):
                found += check(data, start, end)
        return [span for span in found if span.kind in self._wanted]


def _rank(span: Span) -> int:
    return span.rank if span.kind != NOTHING else 0


def resolve(spans: list[Span]) -> list[Span]:
    """One span for each place: the higher rank, then the longer one."""
    kept: list[Span] = []
    for span in sorted(spans, key=_order):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
        elif (span.rank, span.end - span.start) > (kept[-1].rank, kept[-1].end - kept[-1].start):
            kept[-1] = span
    return [span for span in kept if span.kind != NOTHING]


def _order(span: Span) -> tuple[int, int, int]:
    return span.start, -span.rank, -span.end
