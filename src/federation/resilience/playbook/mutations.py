"""Mutants of a playbook: every small mistake of five classes that an author could make.

M1 a transition is missing · M2 it leads to another state · M3 a comparison of its guard is
missing, negated, or off by its edge · M4 an action or effect is missing or another ·
M5 a limit or budget is another, or a state no longer keeps to its time. All of them are made,
none is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from federation.resilience.playbook.model import TIMER, Path, Playbook, State, Transition
from federation.resilience.playbook.terms import Comparison, Effect

CLASSES: Final = {
    "M1": "missing transition",
    "M2": "wrong target",
    "M3": "missing or wrong guard",
    "M4": "missing or wrong action or effect",
    "M5": "changed time or budget",
}
_NEGATED: Final = {"==": "!=", "!=": "==", "<=": ">", ">": "<=", ">=": "<", "<": ">="}
_EDGE: Final = {"<=": "<", "<": "<=", ">=": ">", ">": ">="}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A playbook with one mistake."""

    kind: str
    about: str
    path: Path
    playbook: Playbook


def mutants(playbook: Playbook) -> list[Mutant]:
    """Every mutant, class by class in the order of the file."""
    return [
        *_missing(playbook),
        *_targets(playbook),
        *_guards(playbook),
        *_actions(playbook),
        *_effects(playbook),
        *_numbers(playbook),
        *_times(playbook),
    ]


def _with(playbook: Playbook, at: int, other: Transition | None) -> Playbook:
    every = list(playbook.transitions)
    every[at : at + 1] = [] if other is None else [other]
    return replace(playbook, transitions=tuple(every))


def _missing(playbook: Playbook) -> Iterator[Mutant]:
    for at, each in enumerate(playbook.transitions):
        yield Mutant("M1", f"without {each}", each.path, _with(playbook, at, None))


def _targets(playbook: Playbook) -> Iterator[Mutant]:
    for at, each in enumerate(playbook.transitions):
        for state in playbook.states:
            if state != each.target:
                other = replace(each, target=state)
                yield Mutant("M2", f"{each} to {state}", each.path, _with(playbook, at, other))


def _guards(playbook: Playbook) -> Iterator[Mutant]:
    for at, each in enumerate(playbook.transitions):
        for place, term in enumerate(each.when):
            rest = (each.when[:place], each.when[place + 1 :])
            changed: list[tuple[str, tuple[Comparison, ...]]] = [("missing", ())]
            for word, table in (("negated", _NEGATED), ("off by its edge", _EDGE)):
                if term.op in table:
                    changed.append((word, (replace(term, op=table[term.op]),)))
            for word, put in changed:
                other = replace(each, when=(*rest[0], *put, *rest[1]))
                about = f"{each}: '{term}' {word}"
                yield Mutant("M3", about, each.path, _with(playbook, at, other))


def _actions(playbook: Playbook) -> Iterator[Mutant]:
    known = list(playbook.actions)
    for at, each in enumerate(playbook.transitions):
        for place, action in enumerate(each.do):
            before, after = each.do[:place], each.do[place + 1 :]
            another = known[(known.index(action) + 1) % len(known)] if action in known else ""
            for word, put in (("missing", ()), (f"become {another}", (another,))):
                other = replace(each, do=(*before, *put, *after))
                about = f"{each}: '{action}' {word}"
                yield Mutant("M4", about, each.path, _with(playbook, at, other))


def _effects(playbook: Playbook) -> Iterator[Mutant]:
    for at, each in enumerate(playbook.transitions):
        for place, effect in enumerate(each.set):
            before, after = each.set[:place], each.set[place + 1 :]
            wrong = [] if playbook.variables.get(effect.name) == TIMER else [_wrong(effect)]
            for word, put in [("missing", ()), *((f"become '{one}'", (one,)) for one in wrong)]:
                other = replace(each, set=(*before, *put, *after))
                about = f"{each}: '{effect}' {word}"
                yield Mutant("M4", about, each.path, _with(playbook, at, other))


def _wrong(effect: Effect) -> Effect:
    if effect.op != "=":
        return replace(effect, op="-=" if effect.op == "+=" else "+=")
    if isinstance(effect.value, bool):
        return replace(effect, value=not effect.value)
    return replace(effect, value=effect.value + 1 if isinstance(effect.value, float) else 1.0)


def _numbers(playbook: Playbook) -> Iterator[Mutant]:
    for name, number in playbook.limits.items():
        for changed in _others(number):
            limits = {**playbook.limits, name: changed}
            about = f"limit {name}: {number:g} become {changed:g}"
            yield Mutant("M5", about, ("limits", name), replace(playbook, limits=limits))
    for name, number in playbook.budgets.items():
        for changed in _others(number):
            budgets = {**playbook.budgets, name: changed}
            about = f"budget {name}: {number:g} become {changed:g}"
            yield Mutant("M5", about, ("budgets", name), replace(playbook, budgets=budgets))


def _others(number: float) -> list[float]:
    """None of it, half, double, and a little more or less."""
    by = 1.0 if number == int(number) else number / 10
    every = (0.0, number / 2, number * 2, number - by, number + by)
    return sorted({each for each in every if each >= 0.0 and each != number})


def _times(playbook: Playbook) -> Iterator[Mutant]:
    for name, state in playbook.states.items():
        for place, term in enumerate(state.within):
            before, after = state.within[:place], state.within[place + 1 :]
            edge = replace(term, op=_EDGE.get(term.op, term.op))
            for word, put in (("missing", ()), ("off by its edge", (edge,))):
                other: State = replace(state, within=(*before, *put, *after))
                states = {**playbook.states, name: other}
                about = f"{name}: '{term}' {word}"
                path: Path = (*state.path, "within", place)
                yield Mutant("M5", about, path, replace(playbook, states=states))
