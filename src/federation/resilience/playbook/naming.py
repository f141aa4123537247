"""Whether every name in guards, effects, actions and runs is defined, fits, and is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import chain

from federation.resilience.playbook.guards import kinds
from federation.resilience.playbook.model import (
    FLAG,
    IN_STATE,
    TIMER,
    Finding,
    Path,
    Playbook,
    Transition,
)
from federation.resilience.playbook.terms import Comparison, Effect, Value

_ORDER = ("<", "<=", ">", ">=")


def check(playbook: Playbook) -> Iterator[Finding]:
    """Unknown names, comparisons that cannot be made, and definitions that nobody uses."""
    yield from _twice(playbook)
    general = {**playbook.variables, IN_STATE: TIMER}
    for state in playbook.states.values():
        for part, terms in (("invariants", state.invariants), ("within", state.within)):
            for at, term in enumerate(terms):
                yield from _comparison(playbook, term, general, (*state.path, part, at))
    for each in playbook.transitions:
        known = kinds(playbook, each.event)
        for at, term in enumerate(each.when):
            yield from _comparison(playbook, term, known, (*each.path, "when", at))
        for at, effect in enumerate(each.set):
            yield from _effect(playbook, effect, (*each.path, "set", at))
        for at, action in enumerate(each.do):
            if action not in playbook.actions:
                yield unknown("action", action, playbook.actions, (*each.path, "do", at))
    yield from _unused(playbook)
    yield from _runs(playbook)


def _twice(playbook: Playbook) -> Iterator[Finding]:
    """One name for two things, and the same transition written again."""
    homes = (
        ("limits", playbook.limits),
        ("budgets", playbook.budgets),
        ("variables", playbook.variables),
    )
    first: dict[str, str] = {IN_STATE: "every machine"}
    for home, names in homes:
        for name in names:
            if name in first:
                message = f"'{name}' is already defined in {first[name]}"
                yield Finding("duplicate", (home, name), message)
            first.setdefault(name, home)
    seen: set[Transition] = set()
    for each in playbook.transitions:
        bare = Transition(each.source, each.event, each.target, each.when, each.do, each.set)
        if bare in seen:
            yield Finding("duplicate", each.path, f"the same transition again: {each}")
        seen.add(bare)


def _comparison(
    playbook: Playbook, term: Comparison, known: dict[str, str], path: Path
) -> Iterator[Finding]:
    kind = known.get(term.left)
    if kind is None:
        yield unknown("variable", term.left, known, path)
        return
    right: Value | None
    if isinstance(term.right, str):
        right = playbook.constants.get(term.right)
        if right is None:
            yield unknown("limit or budget", term.right, playbook.constants, path)
            return
    else:
        right = term.right
    if (kind == FLAG) != isinstance(right, bool):
        yield Finding("form", path, f"'{term.left}' is a {kind}: '{term}' compares unlike things")
    elif kind == FLAG and term.op in _ORDER:
        yield Finding("form", path, f"'{term.left}' is a flag: only == and != compare it")


def _effect(playbook: Playbook, effect: Effect, path: Path) -> Iterator[Finding]:
    kind = playbook.variables.get(effect.name)
    if kind is None:
        yield unknown("variable", effect.name, playbook.variables, path)
        return
    if isinstance(effect.value, str) and effect.value not in playbook.constants:
        yield unknown("limit or budget", effect.value, playbook.constants, path)
        return
    flag = isinstance(effect.value, bool)
    if kind == TIMER and (effect.op, effect.value) != ("=", 0.0):
        yield Finding("form", path, f"'{effect.name}' is a timer: it can only be set to 0")
    elif (kind == FLAG) != flag or (kind == FLAG and effect.op != "="):
        yield Finding("form", path, f"'{effect}' does not fit a {kind}")


def unknown(what: str, name: str, known: Iterable[str], path: Path) -> Finding:
    """The finding for a name that is nowhere defined, with the nearest that is."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    hint = f": did you mean '{found[0]}'?" if found else ""
    return Finding("unknown", path, f"there is no {what} '{name[:80]}'{hint}")


def _unused(playbook: Playbook) -> Iterator[Finding]:
    done = {action for each in playbook.transitions for action in each.do}
    for action in playbook.actions:
        if action not in done:
            yield Finding("unused", ("actions", action), f"nothing does '{action}'")
    terms = chain(
        (term for each in playbook.transitions for term in each.when),
        (t for state in playbook.states.values() for t in (*state.invariants, *state.within)),
    )
    asked = {word for term in terms for word in (term.left, term.right)}
    asked |= {effect.value for each in playbook.transitions for effect in each.set}
    for home, names in (("variables", playbook.variables), ("limits", playbook.limits)):
        for name in names:
            if name not in asked:
                yield Finding("unused", (home, name), f"nothing asks for '{name}'")
    for name, event in playbook.events.items():
        if not event.states:
            yield Finding("unused", ("events", name), f"'{name}' can happen nowhere")


def _runs(playbook: Playbook) -> Iterator[Finding]:
    for tour in playbook.tours:
        for stop in tour.stops:
            if stop.event not in playbook.events:
                yield unknown("event", stop.event, playbook.events, stop.path)
            if stop.state not in playbook.states:
                yield unknown("state", stop.state, playbook.states, stop.path)
            for name in stop.facts:
                known = playbook.events.get(stop.event)
                if known is not None and name not in known.facts:
                    yield unknown("fact", name, known.facts, stop.path)
    for scenario in playbook.scenarios:
        names = {station.name: station for station in scenario.stations}
        for turn in scenario.turns:
            for name in (*turn.replies, *((turn.expect.by,) if turn.expect.by else ())):
                if name not in names:
                    yield unknown("deployment", name, names, turn.path)
