"""Random walks: whatever happens, in whatever order and at whatever time, promises hold.

A walk draws from the events that can happen where the machine stands, so it needs no
expectations but the playbook's own: an answer, one only, and invariants. Budgets are not
judged: a walk takes the time that it likes.
"""

from __future__ import annotations

from random import Random
from typing import Final

from federation.resilience.playbook.model import FLAG, Event, Finding, Playbook
from federation.resilience.playbook.stepping import Chart, Machine, Step
from federation.resilience.playbook.terms import Value

_PAUSES_S: Final = (0.0, 0.0, 0.005, 0.01, 0.02, 0.5, 1.0, 1.5, 5.0, 6.0, 29.0, 30.0, 31.0)
_COUNTS: Final = 5


class Walker:
    """Draws what happens next; the same seed draws the same."""

    def __init__(self, playbook: Playbook, seed: int) -> None:
        self._rng = Random(seed)  # noqa: S311 - a walk, no secret
        self._drawn: dict[tuple[str, str], int] = {}
        self._possible: dict[str, list[Event]] = {
            name: [event for event in playbook.events.values() if name in event.states]
            for name in playbook.states
        }

    def draw(self, state: str) -> tuple[Event, float, dict[str, Value]] | None:
        """An event, the pause before it, and its facts; None where nothing can happen."""
        possible = self._possible.get(state)
        if not possible:
            return None
        # What was seldom drawn here comes first: else a walk ends in the state that the most
        # events lead to, and stays there.
        weights = [1.0 / (1 + self._drawn.get((state, each.name), 0)) ** 2 for each in possible]
        event = self._rng.choices(possible, weights)[0]
        self._drawn[state, event.name] = self._drawn.get((state, event.name), 0) + 1
        facts: dict[str, Value] = {
            name: self._rng.random() < 0.5 if kind == FLAG else float(self._rng.randrange(_COUNTS))
            for name, kind in event.facts.items()
        }
        return event, self._rng.choice(_PAUSES_S), facts


def walk(chart: Chart, seed: int, steps: int) -> Finding | None:
    """The first promise that a walk sees broken."""
    machine, now_s = Machine(chart), 0.0
    walker = Walker(chart.playbook, seed)
    for _ in range(steps):
        state = machine.state
        drawn = walker.draw(state)
        if drawn is None:
            return Finding("walk", (), f"nothing can happen in '{state}'")
        event, pause_s, facts = drawn
        now_s += pause_s
        step = machine.step(event.name, now_s, facts)
        wrong = _wrong(step)
        if wrong:
            path = step.transition.path if step is not None else ("states", state)
            return Finding("walk", path, f"'{event.name}' in '{state}' {wrong}")
    return None


def _wrong(step: Step | None) -> str:
    if step is None:
        return "has no answer"
    if step.ambiguous:
        return "has several answers"
    return f"breaks {', '.join(step.broken)}" if step.broken else ""


def differs(one: Chart, other: Chart, seed: int, steps: int) -> bool:
    """Whether a walk through `one` goes otherwise through `other`."""
    first, second, now_s = Machine(one), Machine(other), 0.0
    walker = Walker(one.playbook, seed)
    for _ in range(steps):
        drawn = walker.draw(first.state)
        if drawn is None:
            return False
        event, pause_s, facts = drawn
        now_s += pause_s
        a, b = first.step(event.name, now_s, facts), second.step(event.name, now_s, facts)
        if _shown(a, first.state) != _shown(b, second.state):
            return True
    return False


def _shown(step: Step | None, state: str) -> object:
    """What can be seen of a step from outside."""
    if step is None:
        return None
    over = {term.rpartition(" ")[2] for term in step.over}
    return state, step.transition.do, step.ambiguous, step.broken, over
