"""Finds values in a text: every reading of it, one scan each, then one answer for each place.

The trap: the rules see bytes of a reading, the caller gets characters of the text. Nothing
but `Layer.original` turns one into the other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Final

from federation.guardrails import entities as kind
from federation.guardrails.encoded import (
    LONG,
    PAIRS_HINT,
    Encoded,
    encoded,
    in_pairs,
    long_runs,
)
from federation.guardrails.entities import (
    CERTAIN,
    CHECKED,
    NOTHING,
    PRIVATE_KEY,
    SHAPED,
    DetectorFailure,
    Recognizer,
    Span,
)
from federation.guardrails.folding import without_tags
from federation.guardrails.layers import Layer, decode, doubtful, fold
from federation.guardrails.markup import unmarked
from federation.guardrails.nearby import Nearby, Taken
from federation.guardrails.patterns import PatternSet, compiled
from federation.guardrails.rules import NUMBER, RULES, Rule
from federation.guardrails.slices import SLICE, slices
from federation.guardrails.tables import REACH, Tables

_ENCODED_RANK: Final = SHAPED
"""In a decoded stretch only values of this rank and above count."""


_start: Final = attrgetter("start")
_ALWAYS: Final = (NOTHING, NUMBER)
_BETWEEN: Final = "\x1f"
"""Between texts that are looked at together: a border of words, and no part of any value."""
_TELLING: Final = rb"[0-9@%&\\`]|[\"'][ \t]{0,3}[+&\n]"
"""What every value that lies over two texts, every entity and every escape has one of."""
_APART: Final = b"\n" * 80
"""Between two parts that are read as one: more than any rule looks back or reaches over."""
_MOST_TIMES: Final = 4
"""A text may be encoded over and over, each time in a third more characters."""


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
        self._untold = bool(custom)
        rules.sort(key=_turn)
        self._readers = [rule.reader() for rule in rules]
        self._yielding = {
            index for index, rule in enumerate(rules) if rule.kind in (NUMBER, kind.IBAN)
        }
        # Two sets, because one automaton for words and digits has the product of their states.
        hinted = [index for index, rule in enumerate(rules) if rule.hint]
        digits = [index for index in hinted if b"0-9" in rules[index].hint]
        words = [index for index in hinted if b"0-9" not in rules[index].hint]
        self._words = PatternSet([rules[index].hint for index in words]), words
        # The last of these is the hint of what stands in pairs of hexadecimal.
        self._digits = PatternSet([*(rules[index].hint for index in digits), PAIRS_HINT]), digits
        self._always = [index for index, rule in enumerate(rules) if not rule.hint]
        # One automaton does for these: at the first digit the look is over.
        hints = (rule.hint for rule in rules if rule.hint and not rule.long)
        telling = b"|".join((_TELLING, *hints))
        self._telling, self._warm = compiled(telling), compiled(telling + b"|" + LONG)
        self._recognizers = [
            recognizer for recognizer in recognizers if wanted.intersection(recognizer.kinds)
        ]

    def sees_nothing(self, texts: Sequence[str]) -> bool:
        """Whether one look at all of these adjacent texts tells that no value is in any of them,
        nor over two of them. False where it does not tell."""
        if self._untold or self._recognizers:
            return False
        joined = _BETWEEN.join(texts)
        if len(joined) > SLICE or not joined.isascii():
            return False
        data = joined.encode("ascii")
        if not self._warm.occurs(data):
            return True
        # Long words are no long runs of letters and digits that stand for something else.
        words = not self._telling.occurs(data)
        return words and all(data[start:end].islower() for start, end in long_runs(data))

    def find(
        self, text: str, *, decoded_only: bool = False, pause: Callable[[], None] | None = None
    ) -> list[Span]:
        """Places of values in `text`, from left to right, none over another.

        `decoded_only`: the text is JSON as written, where a reading that takes `\\n` for a
        letter n would cut an escape sequence in two. `pause` is called before each slice of a
        long text; what it raises ends the search.
        """
        if len(text) <= SLICE:
            return resolve(self._found(text, decoded_only=decoded_only)) if text else []
        found: list[Span] = []
        tables, gone_over = Tables(), 0
        for low, high, start, end in slices(text):
            if pause is not None:
                pause()
            spans = resolve(self._found(text[low:high], decoded_only=decoded_only))
            while spans and high < len(text) and _goes_on(spans[-1], high - low):
                high = min(len(text), 2 * high - low)
                spans = resolve(self._found(text[low:high], decoded_only=decoded_only))
            before, over = text[max(0, gone_over - REACH) : gone_over], text[gone_over:low]
            if tables.concerns(before, over):
                tables.go_on(before, over)
            gone_over = low
            if tables.going_on:
                values = tables.values("", text[low:high])
                spans = resolve([*spans, *(each for each in values if each.kind in self._wanted)])
            found += [
                _moved(span, low)
                for span in spans
                if span.start + low < end and span.end + low > start
            ]
        return resolve(found)

    def _found(self, text: str, *, decoded_only: bool) -> list[Span]:
        if text.isascii():
            return self._read_folded(text, decoded_only=decoded_only)
        shown = without_tags(text)
        found = self._read_folded(text, decoded_only=decoded_only)
        if shown is not text:
            found += self._read_folded(shown, decoded_only=decoded_only)
        return found

    def _read_folded(self, text: str, *, decoded_only: bool) -> list[Span]:
        first = unmarked(fold(text))
        second = decode(first)
        if second is None:
            return self._read(first)
        windows = [] if decoded_only else doubtful(first.data)
        return self._read_parts(second, first, windows) if windows else self._read(second)

    def plugged(self, text: str) -> tuple[list[Span], list[DetectorFailure]]:
        """What plugged-in recognizers say of `text`, of the types that are asked for."""
        found: list[Span] = []
        failures: list[DetectorFailure] = []
        for recognizer in self._recognizers:
            said = recognizer.find(text)
            if isinstance(said, DetectorFailure):
                failures.append(said)
            else:
                found += [span for span in said if span.kind in self._wanted]
        return found, failures

    def _read(self, layer: Layer) -> list[Span]:
        """Values in a layer, which is all that is read of the text."""
        return _placed(layer, self._values(layer.data, alone=True))

    def _read_parts(self, layer: Layer, other: Layer, windows: list[tuple[int, int]]) -> list[Span]:
        """Values in a layer and in these parts of another one, read as one text: each reading costs
        something before it finds anything."""
        parts = _APART.join([other.data[low:high] for low, high in windows])
        size, spans = len(layer.data), list[Span]()
        if not self._untold:
            spans = self._values(_APART.join((layer.data, parts)), border=size)
        if self._untold or any(span.start < size < span.end for span in spans):
            # Patterns of an operator's own may ask for the end of a text, and a block without an
            # end goes on as far as there is text.
            return _placed(layer, self._values(layer.data)) + _placed(
                other, _in_windows(self._values(parts), windows)
            )
        shift = size + len(_APART)
        inside = [_moved(span, -shift) for span in spans if span.start >= shift]
        whole = [span for span in spans if span.end <= size]
        return _placed(layer, whole) + _placed(other, _in_windows(inside, windows))

    def _values(self, data: bytes, *, alone: bool = False, border: int = 0) -> list[Span]:
        near = Nearby(data, border=border)
        turns, has_pairs = self._turns(data)
        spans = self._candidates(near, turns, alone=alone)
        for found in (*encoded(data, near.runs), *(in_pairs(data) if has_pairs else ())):
            spans += self._inside(found)
        return spans

    def _inside(self, found: Encoded, times: int = 1) -> list[Span]:
        """Places of values that stand encoded, so many times: all of a run, or the lines that they
        are in."""
        inner = fold(found.text)
        layer = decode(inner) or inner
        near = Nearby(layer.data, everywhere=True)
        inside = self._candidates(near, self._turns(layer.data)[0])
        if times < _MOST_TIMES:
            for deeper in encoded(layer.data, near.runs):
                inside += self._inside(deeper, times + 1)
        if len(found.lines) == 1:
            best = max(inside, key=_sureness, default=None)
            if best is None or best.kind == NOTHING or best.rank < _ENCODED_RANK:
                return []
            # Whatever reads as a text with a value in it is no digest.
            rank = CERTAIN if found.is_hexadecimal else best.rank
            return [Span(*found.place, best.kind, rank)]
        return _of_lines(
            Span(*found.lines_of(span.start, span.end), span.kind, span.rank)
            for span in resolve(_placed(layer, inside))
            if span.rank >= _ENCODED_RANK
        )

    def _turns(self, data: bytes) -> tuple[list[int], bool]:
        """The rules that may find something, and whether something may stand in pairs of
        hexadecimal."""
        hints, words = self._words
        turns = self._always + [words[place] for place in hints.occurring(data)]
        hints, digits = self._digits
        occurring = hints.occurring(data)
        has_pairs = bool(occurring) and occurring[-1] == len(digits)
        if has_pairs:
            occurring.pop()
        turns += [digits[place] for place in occurring]
        turns.sort()
        return turns, has_pairs

    def _candidates(self, near: Nearby, turns: list[int], *, alone: bool = False) -> list[Span]:
        found: list[Span] = []
        if alone and near.may_hold_digests:
            found = self._in_two_goes(near, turns)
        else:
            for index in turns:
                found += self._readers[index](near)
        wanted = self._wanted
        return [span for span in found if span.kind in wanted]

    def _in_two_goes(self, near: Nearby, turns: list[int]) -> list[Span]:
        """What the rules of these turns find, those last that need not read what is taken."""
        first = {
            index: self._readers[index](near) for index in turns if index not in self._yielding
        }
        near.taken = taken_by([span for spans in first.values() for span in spans])
        return [
            span
            for index in turns
            for span in (first[index] if index in first else self._readers[index](near))
        ]


def _turn(rule: Rule) -> tuple[bool, bool, bool]:
    """Of two values at one place that are equally sure, the rule's that comes first stays: those
    with a hint, of words before digits, and what is looked for in long runs last."""
    return rule.long, not rule.hint, b"0-9" in rule.hint


def _placed(layer: Layer, spans: list[Span]) -> list[Span]:
    """Places in a layer as places in the text."""
    if layer.is_text:
        return spans
    return [Span(*layer.original(each.start, each.end), each.kind, each.rank) for each in spans]


def _in_windows(spans: list[Span], windows: list[tuple[int, int]]) -> list[Span]:
    """Places in parts that were read one behind the other as places in what they are parts of."""
    starts, at = list[int](), 0
    for low, high in windows:
        starts.append(at)
        at += high - low + len(_APART)
    found: list[Span] = []
    for span in spans:
        index = bisect_right(starts, span.start) - 1
        low, high = windows[index]
        moved = _moved(span, low - starts[index])
        if moved.end <= high:
            found.append(moved)
    return found


def _of_lines(spans: Iterable[Span]) -> list[Span]:
    """Lines that share one, as one place: half a value that is left over would still be read."""
    merged: list[Span] = []
    for span in spans:
        start, kept = span.start, span
        if merged and start < merged[-1].end:
            last = merged.pop()
            start, kept = last.start, max(last, span, key=_rank)
        merged.append(Span(start, span.end, kept.kind, CERTAIN))
    return merged


def _goes_on(span: Span, end: int) -> bool:
    """Whether a block that may be longer than slices overlap reaches a slice's end."""
    return span.kind == PRIVATE_KEY and span.end >= end


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by, span.kind, span.rank)


def _sureness(span: Span) -> tuple[int, int]:
    """An account number may have a card's digits in it."""
    return _rank(span), span.end - span.start


def _rank(span: Span) -> int:
    return span.rank if span.kind != NOTHING else 0


def taken_by(spans: list[Span]) -> Taken:
    """Places of digests and the like that stay, whatever else is found that is less sure: no value
    that is as sure reaches into them. So what begins in one of them need not be read."""
    sure = [span for span in spans if span.rank > CHECKED]
    sure.sort(key=_start)
    free: list[tuple[int, int]] = []
    reached = 0
    for span in sure:
        start, end = span.start, span.end
        if start < reached and free and free[-1][1] > start:
            free.pop()
        if start >= reached and span.kind == NOTHING:
            free.append((start, end))
        reached = max(reached, end)
    return Taken(free)


def resolve(spans: list[Span]) -> list[Span]:
    """One span for each place: the higher rank, then the longer one."""
    kept: list[Span] = []
    done = 0
    for span in sorted(spans, key=_start):
        if span.start >= done:
            kept.append(span)
        elif (span.rank, span.end - span.start) > (kept[-1].rank, kept[-1].end - kept[-1].start):
            kept[-1] = span
        else:
            continue
        done = span.end
    return [span for span in kept if span.kind != NOTHING]
