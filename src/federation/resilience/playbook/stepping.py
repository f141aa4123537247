"""A machine that walks the playbook: one event in, one step out, time as an argument.

Timers hold the time at which they were set to zero, so that waiting changes nothing. An
event without an answer is no exception but a step that is None: whoever drives the machine
decides what that means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from federation.resilience.playbook.model import FLAG, IN_STATE, TIMER, Playbook, Transition
from federation.resilience.playbook.terms import COMPARE, Comparison, Effect, Value, constant

_TICKS: Final = 1_000_000
"""Times are kept in whole microseconds: sums of floats would miss a limit by a hair."""

_Test: TypeAlias = tuple[str, Callable[[Value, Value], bool], Value, Comparison]


class Chart:
    """A playbook made ready to be walked; its machines share it."""

    __slots__ = ("answers", "constants", "invariants", "playbook", "within")

    def __init__(self, playbook: Playbook) -> None:
        self.playbook = playbook
        self.constants: dict[str, float] = playbook.constants
        self.answers: dict[tuple[str, str], list[tuple[Transition, tuple[_Test, ...]]]] = {}
        for each in playbook.transitions:
            row = (each, self._tests(each.when))
            self.answers.setdefault((each.source, each.event), []).append(row)
        states = playbook.states.values()
        self.invariants = {state.name: self._tests(state.invariants) for state in states}
        self.within = {state.name: self._tests(state.within) for state in states}

    def _tests(self, terms: Iterable[Comparison]) -> tuple[_Test, ...]:
        return tuple(
            (term.left, COMPARE[term.op], constant(term.right, self.constants), term)
            for term in terms
        )


@dataclass(frozen=True, slots=True)
class Step:
    """What an event did, and which promises it broke."""

    transition: Transition
    ambiguous: bool
    broken: tuple[str, ...]
    """Invariants of the state it came to that do not hold."""
    over: tuple[str, ...]
    """Budgets that were overdrawn when the event came."""


class Machine:
    """The life of one deployment. Times are seconds of any one clock that never goes back."""

    __slots__ = ("_chart", "_entered", "_since", "_values", "state")

    def __init__(self, chart: Chart, now_s: float = 0.0) -> None:
        self._chart = chart
        self._entered = now = round(now_s * _TICKS)
        self._since: dict[str, int] = {}
        self._values: dict[str, Value] = {}
        for name, kind in chart.playbook.variables.items():
            if kind == TIMER:
                self._since[name] = now
            else:
                self._values[name] = False if kind == FLAG else 0.0
        self.state = chart.playbook.initial

    def values(self, now_s: float) -> dict[str, Value]:
        """Every variable as of now, timers in seconds."""
        return self._at(round(now_s * _TICKS))

    def step(
        self, event: str, now_s: float, facts: Mapping[str, Value] | None = None
    ) -> Step | None:
        """Take the first transition whose guard holds; None where there is none.

        The event must come with every fact that its guards ask for.
        """
        chart, now = self._chart, round(now_s * _TICKS)
        seen = self._at(now)
        if facts:
            seen.update(facts)
        open_ = [
            transition
            for transition, tests in chart.answers.get((self.state, event), ())
            if all(test(seen[left], right) for left, test, right, _ in tests)
        ]
        if not open_:
            return None
        over = _failing(chart.within.get(self.state, ()), seen)
        taken = open_[0]
        for effect in taken.set:
            self._apply(effect, now)
        if taken.target != self.state:
            self.state = taken.target
            self._entered = now
        broken = _failing(chart.invariants.get(self.state, ()), self._at(now))
        return Step(taken, len(open_) > 1, broken, over)

    def _at(self, now: int) -> dict[str, Value]:
        seen = self._values.copy()
        for name, since in self._since.items():
            seen[name] = (now - since) / _TICKS
        seen[IN_STATE] = (now - self._entered) / _TICKS
        return seen

    def _apply(self, effect: Effect, now: int) -> None:
        if effect.name in self._since:
            self._since[effect.name] = now
            return
        by = constant(effect.value, self._chart.constants)
        if effect.op == "=":
            self._values[effect.name] = by
        else:
            here = self._values[effect.name]
            self._values[effect.name] = here + by if effect.op == "+=" else here - by


def _failing(tests: tuple[_Test, ...], values: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(str(term) for left, test, right, term in tests if not test(values[left], right))
