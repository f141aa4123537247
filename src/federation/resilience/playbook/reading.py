"""From parsed YAML to a `Playbook`, with a finding for everything that cannot be read.

It reads form only: names are words, guards are comparisons, a state is a mapping. Whether
the machine makes sense is for `checking`. What was written is bounded by whoever parsed it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from federation.resilience.playbook.forms import Form
from federation.resilience.playbook.model import (
    COUNT,
    FLAG,
    KINDS,
    Event,
    Finding,
    Path,
    Playbook,
    State,
    Transition,
)
from federation.resilience.playbook.runs import read_rates, read_scenarios, read_tours
from federation.resilience.playbook.terms import comparison, effect

_ARROW: Final = re.compile(r"(\w{1,64}) -> (\w{1,64})", re.ASCII)
_PARTS: Final = (
    "initial",
    "limits",
    "budgets",
    "variables",
    "actions",
    "events",
    "forbidden",
    "states",
    "scenarios",
    "tours",
    "rates",
)


def read(value: object) -> tuple[Playbook | None, list[Finding]]:
    """The playbook in `value` (mappings, lists, text, int, Decimal, bool), and what is wrong.

    None only where there is no mapping at all; never raises for what was written.
    """
    form = Form()
    top = form.mapping((), value, _PARTS)
    if not isinstance(value, Mapping):
        return None, form.findings or [Finding("form", (), "is empty")]
    states, transitions = _states(form, top.get("states"))
    playbook = Playbook(
        initial=form.text(("initial",), top.get("initial")),
        limits=_numbers(form, ("limits",), top.get("limits")),
        budgets=_numbers(form, ("budgets",), top.get("budgets")),
        variables=_kinds(form, ("variables",), top.get("variables"), KINDS),
        actions={
            name: form.text(("actions", name), about)
            for name, about in form.mapping(("actions",), top.get("actions")).items()
        },
        events=_events(form, top.get("events"), tuple(states)),
        states=states,
        transitions=tuple(transitions),
        forbidden=_forbidden(form, top.get("forbidden")),
        scenarios=read_scenarios(form, top.get("scenarios")),
        tours=read_tours(form, top.get("tours")),
        rates=read_rates(form, top.get("rates")),
    )
    return playbook, form.findings


def _numbers(form: Form, path: Path, value: object) -> dict[str, float]:
    return {
        name: form.number((*path, name), given) for name, given in form.mapping(path, value).items()
    }


def _kinds(form: Form, path: Path, value: object, kinds: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, kind in form.mapping(path, value).items():
        if kind not in kinds:
            form.wrong((*path, name), f"'{name}' should be one of {', '.join(kinds)}")
            kind = kinds[0]
        found[name] = str(kind)
    return found


def _events(form: Form, value: object, states: tuple[str, ...]) -> dict[str, Event]:
    events: dict[str, Event] = {}
    for name, row in form.mapping(("events",), value).items():
        path: Path = ("events", name)
        keys = form.mapping(path, row, ("in", "with"))
        where = keys.get("in")
        within = states if where == "any" else form.words((*path, "in"), where)
        facts = _kinds(form, (*path, "with"), keys.get("with"), (FLAG, COUNT))
        events[name] = Event(name, within, facts)
    return events


def _forbidden(form: Form, value: object) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for at, text in enumerate(form.items(("forbidden",), value)):
        found = _ARROW.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            form.wrong(("forbidden", at), "should be 'state -> state'")
        else:
            pairs.append((found[1], found[2]))
    return tuple(pairs)


def _states(form: Form, value: object) -> tuple[dict[str, State], list[Transition]]:
    states: dict[str, State] = {}
    transitions: list[Transition] = []
    for name, row in form.mapping(("states",), value).items():
        path: Path = ("states", name)
        keys = form.mapping(path, row, ("about", "invariants", "within", "on"))
        states[name] = State(
            name,
            form.text((*path, "about"), keys.get("about", "")),
            form.terms((*path, "invariants"), keys.get("invariants"), comparison, "name op value"),
            form.terms((*path, "within"), keys.get("within"), comparison, "name op value"),
            path,
        )
        for event, rows in form.mapping((*path, "on"), keys.get("on")).items():
            here: Path = (*path, "on", event)
            answers = form.items(here, rows)
            if not answers:
                form.wrong(here, f"'{event}' has no answer")
            transitions += (
                _transition(form, (*here, at), name, event, answer)
                for at, answer in enumerate(answers)
            )
    return states, transitions


def _transition(form: Form, path: Path, source: str, event: str, row: Any) -> Transition:
    keys = form.mapping(path, row, ("to", "when", "do", "set"))
    return Transition(
        source,
        event,
        form.text((*path, "to"), keys.get("to")),
        form.terms((*path, "when"), keys.get("when"), comparison, "name op value"),
        form.words((*path, "do"), keys.get("do")),
        form.terms((*path, "set"), keys.get("set"), effect, "name = value"),
        path,
    )
