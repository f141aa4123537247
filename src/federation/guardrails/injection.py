"""Whether a text tries to take over the model that reads it: a score by class of attack.

The trap in using it: it is a tripwire with known rates (see docs/explanation/guardrails.md),
no wall. What must not happen even when it fails (tools, data, money) is kept apart from what
a model says: by the policy, by the tool-name check here, and by canaries that show a leak.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from federation.guardrails.attack_readings import readings
from federation.guardrails.attacks import MANY_SHOT, Tripwire
from federation.guardrails.patterns import Pattern, PatternSet, compiled
from federation.guardrails.quotations import LONGEST, without_what_is_spoken_of
from federation.guardrails.tripwires import TRIPWIRES

_TURN: Final = compiled(
    rb"(?:^|\n)[ \t>*#]{0,4}(?:human|user|q|question|assistant|ai|a|answer|person)[ \t*]{0,3}:",
    ignore_case=True,
)
_MANY_TURNS: Final = 12
_MOST: Final = 100_000
"""Characters at each end of a text that are read: an attack stands where it is noticed."""
_TOLD_TOKENS: Final = (
    r"<\|[A-Za-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos)>"
    r"|<｜[^｜>\n]{1,32}｜>"
)
_ROLE_TOKENS: Final = re.compile(_TOLD_TOKENS + r"|</?s>")
_TOLD_ROLE_TOKENS: Final = re.compile(_TOLD_TOKENS)
_STRUCK: Final = re.compile(r"<s>(?:(?!</?s>).)*</s>", re.DOTALL)
_SEQUENCE: Final = re.compile(r"</?s>")
_TURN_ENDS: Final = re.compile(r"</s>\s*<s>")
_PASSES: Final = 8
_CANARY_SIZE: Final = 16
_BEFORE, _BEHIND = 16, 64
"""Bytes around the begin of an attack in which its opposite is said."""
_REACH: Final = 160
"""More bytes than what leads to the end of an attack."""
_ENDS: Final = 64
"""Ends that are read backward from. A text may be made of them, and each costs as much as some
hundred bytes of reading on from there."""
_COUNTS: Final = re.compile(r"[^\\]\+|\{\d*,\d*\}")
"""Repetitions for which the automaton of many patterns would need too many states."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was seen in a text, never the text: `classes` by weight, and their sum."""

    classes: Mapping[str, float] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The sum of the weights; from about 1 on it is an attempt."""
        return sum(self.classes.values())


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which score on a text counts, over all and for single classes."""

    total: float = 1.0
    classes: Mapping[str, float] = field(default_factory=dict)
    """A class over its own threshold counts whatever the total."""

    def flags(self, verdict: Verdict) -> bool:
        """Whether the verdict counts."""
        return verdict.score >= self.total or any(
            verdict.classes.get(name, 0.0) >= least for name, least in self.classes.items()
        )


class _Wire:
    """A tripwire, compiled."""

    __slots__ = ("_end", "_leading", "_pattern", "_spared", "is_simple", "sign", "tripwire")

    def __init__(self, tripwire: Tripwire) -> None:
        self.tripwire = tripwire
        pattern, end, spared = tripwire.pattern, tripwire.end, tripwire.spared
        self._pattern = compiled(pattern.encode("utf-8"))
        self._leading = compiled(f"(?:{pattern})$".encode()) if end else None
        self._end = compiled(end.encode("utf-8")) if end else None
        self._spared = compiled(spared.encode("utf-8")) if spared else None
        # What one automaton can look for together with those of others; empty where none can.
        sign = end or pattern
        self.sign = b"" if _COUNTS.search(sign) else sign.encode("utf-8")
        # Whether that is all that it looks for.
        self.is_simple = bool(self.sign) and not (end or spared)

    def is_touched(self, view: bytes) -> bool:
        """Whether it occurs, and is not the opposite of what it looks for."""
        if self._end is None or self._leading is None:
            if self._spared is None:
                return self._pattern.occurs(view)
            starts = _starts(self._pattern, view)
        else:
            starts = self._led(self._end, self._leading, view)
        return any(not self._is_spared(view, start) for start in starts)

    def _led(self, end: Pattern, leading: Pattern, view: bytes) -> Iterator[int]:
        """Where it begins that ends so: read backward from each end, by one automaton of few
        states."""
        at, size = 0, len(view)
        for _ in range(_ENDS):
            if (place := end.within(view, at, size)) is None:
                return
            at = place[0] + 1
            low = max(0, place[0] - _REACH)
            for start in _starts(leading, view[low : place[1]]):
                yield low + start
        yield from _starts(self._pattern, view, max(0, at - _REACH))

    def _is_spared(self, view: bytes, start: int) -> bool:
        if self._spared is None:
            return False
        low, high = max(0, start - _BEFORE), min(len(view), start + _BEHIND)
        said = self._spared.within(view, low, high)
        return said is not None and said[0] <= start < said[1]


def _starts(pattern: Pattern, view: bytes, at: int = 0) -> Iterator[int]:
    """Wherever it begins from there on: one may begin within another."""
    size = len(view)
    while (place := pattern.within(view, at, size)) is not None:
        yield place[0]
        at = place[0] + 1


class InjectionScanner:
    """The tripwires, compiled. Takes tens of milliseconds to make: keep it."""

    def __init__(self) -> None:
        hinted = dict[str, list[int]]()
        for index, tripwire in enumerate(TRIPWIRES):
            for word in tripwire.hint.split("|"):
                hinted.setdefault(word, []).append(index)
        # A pattern for each word: what begins alike is one state of the automaton then.
        self._hints = PatternSet([re.escape(word).encode("utf-8") for word in hinted])
        self._hinted = list(hinted.values())
        self._wires = [_Wire(tripwire) for tripwire in TRIPWIRES]
        self._signed = [index for index, wire in enumerate(self._wires) if wire.sign]
        self._signs = PatternSet([self._wires[index].sign for index in self._signed])

    def look(self, text: str, *, by_tool: bool = False) -> Verdict:
        """The verdict on one text; raises MemoryError where it could not be scanned. `by_tool`: no
        person says it, so nobody asks about what it quotes."""
        if len(text) > 2 * _MOST:
            text = text[:_MOST] + "\n" + text[-_MOST:]
        if len(text) <= LONGEST and not by_tool:
            text = without_what_is_spoken_of(text)
        seen: set[int] = set()
        turns = 0
        for view in readings(text):
            if view.count(b":") >= _MANY_TURNS:
                turns = max(turns, sum(1 for _ in _TURN.spans(view)))
            seen.update(self._touched(view, seen))
        classes: dict[str, float] = {}
        for index in sorted(seen):
            tripwire = self._wires[index].tripwire
            classes[tripwire.attack] = classes.get(tripwire.attack, 0.0) + tripwire.weight
        if turns >= _MANY_TURNS:
            classes[MANY_SHOT] = 1.0
        return Verdict(classes)

    def _touched(self, view: bytes, seen: Collection[int]) -> list[int]:
        """Which tripwires are touched, but for those that were already."""
        wires, by_word = self._wires, self._hinted
        hinted = {index for word in self._hints.occurring(view) for index in by_word[word]}
        hinted.difference_update(seen)
        if not any(wires[index].sign for index in hinted):
            return [index for index in hinted if wires[index].is_touched(view)]
        signed = self._signed
        signs = {signed[place] for place in self._signs.occurring(view)}
        return [
            index
            for index in hinted
            if (index in signs or not wires[index].sign)
            and (wires[index].is_simple or wires[index].is_touched(view))
        ]


def strip_role_tokens(text: str) -> str:
    """`text` without the marks by which chat templates tell turns apart.

    Taking one out may put another together, so it is done until none is left. What is struck out
    in HTML stays where nothing else looks like a template's.
    """
    tokens = _TOLD_ROLE_TOKENS if _is_html(text) else _ROLE_TOKENS
    for _ in range(_PASSES):
        stripped = tokens.sub("", text)
        if stripped == text:
            return text
        text = stripped
    return text.replace("<", "").replace("[", "")


def _is_html(text: str) -> bool:
    """Whether each begin of a sequence has its end in the same text, and none another behind it."""
    return (
        "<s>" in text
        and _TURN_ENDS.search(text) is None
        and _TOLD_ROLE_TOKENS.search(text) is None
        and _SEQUENCE.search(_STRUCK.sub("", text)) is None
    )


def unknown_tools(called: Sequence[str], offered: Collection[str]) -> list[str]:
    """Names of tools that a model called and nobody offered."""
    return [name for name in called if name not in offered]


def canary(secret: bytes, call_id: str) -> str:
    """A word to put into a system prompt; in an answer it shows that the prompt leaked."""
    return hmac.new(secret, call_id.encode("utf-8"), sha256).hexdigest()[:_CANARY_SIZE]


def leaks(text: str, word: str) -> bool:
    """Whether `text` holds the canary `word`, spaced, in capitals or reversed too."""
    bare = "".join(filter(str.isalnum, text)).lower()
    return word in bare or word[::-1] in bare
