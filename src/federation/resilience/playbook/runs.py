"""Reads the runs of a playbook: scenarios, tours, and rates of success.

A tour's step is a line: `event fact=value +seconds -> state do=a,b over=budget`. All but
event and state may be left out; `+` is the time since the step before.
"""

from __future__ import annotations

from typing import Any, Final

from federation.resilience.playbook.forms import Form
from federation.resilience.playbook.model import (
    Expectation,
    Path,
    Rate,
    Scenario,
    Station,
    Stop,
    Tour,
    Turn,
)
from federation.resilience.playbook.terms import Value, value

OUTCOMES: Final = ("answered", "failed", "refused", "broken")
_REPEATS = 1000


def read_scenarios(form: Form, written: object) -> tuple[Scenario, ...]:
    """Every scenario in the order of the file."""
    found: list[Scenario] = []
    for name, row in form.mapping(("scenarios",), written).items():
        path: Path = ("scenarios", name)
        keys = form.mapping(path, row, ("about", "deployments", "steps"))
        stations = tuple(
            _station(form, (*path, "deployments", each), each, told)
            for each, told in form.mapping((*path, "deployments"), keys.get("deployments")).items()
        )
        turns = tuple(
            _turn(form, (*path, "steps", at), each)
            for at, each in enumerate(form.items((*path, "steps"), keys.get("steps")))
        )
        about = form.text((*path, "about"), keys.get("about", ""))
        found.append(Scenario(name, about, stations, turns, path))
    return tuple(found)


def _station(form: Form, path: Path, name: str, row: object) -> Station:
    keys = form.mapping(path, row, ("live", "fault", "regions", "certified"))
    return Station(
        name,
        form.text((*path, "live"), keys.get("live", "")),
        form.text((*path, "fault"), keys.get("fault", "")),
        form.words((*path, "regions"), keys.get("regions")),
        form.words((*path, "certified"), keys.get("certified")),
    )


def _turn(form: Form, path: Path, row: object) -> Turn:
    known = ("wait_s", "calls", "stream", "regions", "certified", "replies", "virtual", "expect")
    keys = form.mapping(path, row, known)
    replies = {
        name: form.words((*path, "replies", name), each, again=True)
        for name, each in form.mapping((*path, "replies"), keys.get("replies")).items()
    }
    repeat = form.count((*path, "calls"), keys.get("calls", 0 if "wait_s" in keys else 1))
    if repeat > _REPEATS:
        form.wrong((*path, "calls"), f"'calls' should be at most {_REPEATS}")
    return Turn(
        _expectation(form, (*path, "expect"), keys.get("expect")),
        form.number((*path, "wait_s"), keys.get("wait_s", 0)),
        min(repeat, _REPEATS),
        form.flag((*path, "stream"), keys.get("stream")),
        form.words((*path, "regions"), keys.get("regions")),
        form.words((*path, "certified"), keys.get("certified")),
        replies,
        bool(replies) or form.flag((*path, "virtual"), keys.get("virtual")),
        path,
    )


def _expectation(form: Form, path: Path, row: object) -> Expectation:
    keys = form.mapping(path, row, ("outcome", "by", "attempts"))
    outcome = form.text((*path, "outcome"), keys.get("outcome", "answered"))
    if outcome not in OUTCOMES:
        form.wrong((*path, "outcome"), f"'outcome' should be one of {', '.join(OUTCOMES)}")
    attempts = keys.get("attempts")
    return Expectation(
        outcome,
        form.text((*path, "by"), keys.get("by", "")),
        None if attempts is None else form.count((*path, "attempts"), attempts),
    )


def read_tours(form: Form, written: object) -> tuple[Tour, ...]:
    """Every tour in the order of the file."""
    return tuple(
        Tour(
            name,
            tuple(
                stop
                for at, line in enumerate(form.items(("tours", name), lines))
                if (stop := _stop(form, ("tours", name, at), line)) is not None
            ),
        )
        for name, lines in form.mapping(("tours",), written).items()
    )


def _stop(form: Form, path: Path, line: Any) -> Stop | None:
    left, arrow, right = line.partition(" -> ") if isinstance(line, str) else ("", "", "")
    before, after = left.split(), right.split()
    if not (arrow and before and after):
        form.wrong(path, "should be like 'event -> state'")
        return None
    facts: dict[str, Value] = {}
    after_s = 0.0
    told = {"do": "", "over": ""}
    for word in (*before[1:], *after[1:]):
        name, equals, text = word.partition("=")
        read = value(word[1:]) if word.startswith("+") else value(text)
        if word.startswith("+") and read is not None:
            after_s = float(read)
        elif equals and name in told:
            told[name] = text
        elif equals and read is not None:
            facts[name] = read
        else:
            form.wrong(path, f"cannot read '{word[:40]}' in a step")
    do, over = (tuple(filter(None, told[name].split(","))) for name in ("do", "over"))
    return Stop(before[0], facts, after_s, after[0], do, over, path)


def read_rates(form: Form, written: object) -> tuple[Rate, ...]:
    """Examples of what is and what is not within the budget of successes."""
    rates: list[Rate] = []
    for at, row in enumerate(form.items(("rates",), written)):
        path: Path = ("rates", at)
        keys = form.mapping(path, row, ("calls", "failed", "within"))
        calls = form.count((*path, "calls"), keys.get("calls"))
        failed = form.count((*path, "failed"), keys.get("failed"))
        rates.append(Rate(calls, failed, form.flag((*path, "within"), keys.get("within"))))
    return tuple(rates)
