"""Whether guards overlap or leave a gap: the answer, and the case that shows it.

Every comparison sets a variable against a constant, so that between two neighboring
constants all values are alike. Looking at each constant, between them and beyond them is
therefore a proof, not a sample. Points that the state's invariants exclude cannot happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Final

from federation.resilience.playbook.model import (
    COUNT,
    FLAG,
    IN_STATE,
    TIMER,
    Finding,
    Path,
    Playbook,
    Transition,
)
from federation.resilience.playbook.terms import Comparison, Value, constant

_POINTS: Final = 20_000
"""More combinations than any readable set of guards has."""


def kinds(playbook: Playbook, event: str) -> dict[str, str]:
    """What a guard for an event may ask about, with its kind."""
    known = playbook.events.get(event)
    return {**playbook.variables, IN_STATE: TIMER, **(known.facts if known else {})}


def check(playbook: Playbook) -> Iterator[Finding]:
    """Gaps and overlaps. Every name in the playbook must be known to exist."""
    answers: dict[tuple[str, str], list[Transition]] = {}
    for each in playbook.transitions:
        answers.setdefault((each.source, each.event), []).append(each)
    for event in playbook.events.values():
        for state in event.states:
            found = answers.get((state, event.name), [])
            if not found:
                yield unanswered(playbook, state, event.name)
            elif len(found) > 1 or found[0].when:
                yield from _judge(playbook, found)


def unanswered(playbook: Playbook, state: str, event: str) -> Finding:
    """The finding for an event that can happen in a state and is nowhere answered there."""
    message = f"'{event}' can happen in '{state}' and has no answer there"
    return Finding("missing", playbook.states[state].path, message)


def _judge(playbook: Playbook, found: list[Transition]) -> Iterator[Finding]:
    source, event = found[0].source, found[0].event
    here: Path = found[0].path[:-1]
    constants = playbook.constants
    ruled = playbook.states[source].invariants
    asked = sorted({each.left for one in found for each in one.when})
    axes = [_points(playbook, name, event, found, ruled) for name in asked]
    size = 1
    for axis in axes:
        size *= len(axis)
    if size > _POINTS:
        yield Finding("form", here, f"the guards of '{event}' ask about too many things")
        return
    possible = [each for each in ruled if each.left in asked]
    gap = overlap = False
    for point in product(*axes):
        values = dict(zip(asked, point, strict=True))
        if not all(each.holds(values, constants) for each in possible):
            continue
        open_ = sum(all(each.holds(values, constants) for each in one.when) for one in found)
        if open_ == 0 and not gap:
            gap = True
            message = f"'{event}' in '{source}' has no answer where {_told(values)}"
            yield Finding("missing", here, message)
        elif open_ > 1 and not overlap:
            overlap = True
            message = f"'{event}' in '{source}' has {open_} answers where {_told(values)}"
            yield Finding("ambiguous", here, message)


def _points(
    playbook: Playbook,
    name: str,
    event: str,
    found: list[Transition],
    ruled: tuple[Comparison, ...],
) -> list[Value]:
    kind = kinds(playbook, event)[name]
    if kind == FLAG:
        return [False, True]
    constants = playbook.constants
    terms = [each for one in found for each in one.when if each.left == name]
    terms += [each for each in ruled if each.left == name]
    marks = sorted({float(constant(each.right, constants)) for each in terms})
    if kind == COUNT:
        near = {mark + step for mark in marks for step in (-1.0, 0.0, 1.0)}
        return [point for point in sorted(near) if point >= 0]
    between = [(low + high) / 2 for low, high in pairwise(marks)]
    return sorted({0.0, marks[0] / 2, *marks, *between, marks[-1] + 1})


def _told(values: dict[str, Value]) -> str:
    return ", ".join(
        f"{name} is {str(value).lower() if isinstance(value, bool) else f'{value:g}'}"
        for name, value in values.items()
    )
