"""Walks the tours of a playbook, and checks its examples of what success is enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from federation.resilience.playbook.model import FLAG, Finding, Playbook, Stop, Tour
from federation.resilience.playbook.stepping import Chart, Machine, Step
from federation.resilience.playbook.terms import Value


def walk_all(chart: Chart) -> Iterator[Finding]:
    """The first thing that goes wrong in each tour, and every rate that is judged wrongly."""
    for tour in chart.playbook.tours:
        yield from walk(chart, tour)
    yield from _rates(chart.playbook)


def walk(chart: Chart, tour: Tour) -> Iterator[Finding]:
    """The first thing that goes wrong, if any: the steps behind it would only follow from it."""
    machine, now_s = Machine(chart), 0.0
    for stop in tour.stops:
        now_s += stop.after_s
        before = machine.state
        step = machine.step(stop.event, now_s, blank(chart.playbook, stop.event, stop.facts))
        wrong = _wrong(machine.state, stop, step)
        if wrong:
            yield Finding("tour", stop.path, f"{tour.name}: '{stop.event}' in '{before}' {wrong}")
            return


def blank(playbook: Playbook, event: str, facts: Mapping[str, Value]) -> dict[str, Value]:
    """The facts of an event, those that were not told being false or 0."""
    known = playbook.events.get(event)
    return {
        name: facts.get(name, False if kind == FLAG else 0.0)
        for name, kind in (known.facts if known else {}).items()
    }


def _wrong(state: str, stop: Stop, step: Step | None) -> str:
    if step is None:
        return "has no answer"
    if step.ambiguous:
        return "has several answers"
    if state != stop.state:
        return f"leads to '{state}', not '{stop.state}'"
    if step.transition.do != stop.do:
        return f"does {_listed(step.transition.do)}, not {_listed(stop.do)}"
    if step.broken:
        return f"breaks {_listed(step.broken)}"
    over = {term.rpartition(" ")[2] for term in step.over}
    if over != set(stop.over):
        return f"overdraws {_listed(tuple(sorted(over)))}, not {_listed(stop.over)}"
    return ""


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words) or "nothing"


def enough(playbook: Playbook, calls: int, failed: int) -> bool:
    """Whether so many failures are within the budget of successes."""
    return calls - failed >= playbook.budgets.get("success", 0.0) * calls - 1e-9


def _rates(playbook: Playbook) -> Iterator[Finding]:
    for at, rate in enumerate(playbook.rates):
        if enough(playbook, rate.calls, rate.failed) is not rate.within:
            word = "is not" if rate.within else "is"
            message = f"{rate.failed} failures of {rate.calls} calls {word} within the budget"
            yield Finding("budget", ("rates", at), message)
