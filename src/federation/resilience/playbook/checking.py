"""The validator: what can be proven of a playbook without running it.

Reachability ignores guards, so it errs on the lenient side; overlap and gaps of guards are
exact, because a guard compares variables with constants only (`guards`).
"""

from __future__ import annotations

from collections.abc import Iterator

from federation.resilience.playbook import guards, naming
from federation.resilience.playbook.model import Finding, Playbook


def check(playbook: Playbook) -> list[Finding]:
    """Everything that is wrong, in the order of the file; empty where the playbook is sound."""
    unknown = list(_unknown(playbook))
    findings = [*unknown, *naming.check(playbook)]
    findings += _unexpected(playbook)
    findings += _forbidden(playbook)
    if not unknown:
        findings += _shape(playbook)
    if not findings:
        findings += guards.check(playbook)
    else:
        findings += _silent(playbook)
    return findings


def _unknown(playbook: Playbook) -> Iterator[Finding]:
    """Names of states and events that are nowhere defined."""
    states, events = list(playbook.states), list(playbook.events)
    if playbook.initial not in playbook.states:
        yield naming.unknown("state", playbook.initial, states, ("initial",))
    for each in playbook.transitions:
        if each.target not in playbook.states:
            yield naming.unknown("state", each.target, states, (*each.path, "to"))
        if each.event not in playbook.events:
            yield naming.unknown("event", each.event, events, each.path[:-1])
    for event in playbook.events.values():
        for name in event.states:
            if name not in playbook.states:
                yield naming.unknown("state", name, states, ("events", event.name, "in"))
    for at, pair in enumerate(playbook.forbidden):
        for name in pair:
            if name not in playbook.states:
                yield naming.unknown("state", name, states, ("forbidden", at))
        if pair in playbook.forbidden[:at]:
            yield Finding("duplicate", ("forbidden", at), f"{' -> '.join(pair)} stands here twice")


def _unexpected(playbook: Playbook) -> Iterator[Finding]:
    """Answers to what is said to be impossible."""
    for each in playbook.transitions:
        event = playbook.events.get(each.event)
        if event is not None and each.source not in event.states:
            message = f"'{each.event}' is not said to happen in '{each.source}'"
            yield Finding("unexpected", each.path[:-1], message)


def _forbidden(playbook: Playbook) -> Iterator[Finding]:
    for each in playbook.transitions:
        if (each.source, each.target) in playbook.forbidden:
            message = f"leads from '{each.source}' to '{each.target}', which is forbidden"
            yield Finding("forbidden", each.path, message)


def _silent(playbook: Playbook) -> Iterator[Finding]:
    """Events without any answer: what is left to say where guards cannot be read."""
    answered = {(each.source, each.event) for each in playbook.transitions}
    for event in playbook.events.values():
        for name in event.states:
            if name in playbook.states and (name, event.name) not in answered:
                yield guards.unanswered(playbook, name, event.name)


def _shape(playbook: Playbook) -> Iterator[Finding]:
    """States that nothing leads to, and states that lead nowhere."""
    onward: dict[str, set[str]] = {name: set() for name in playbook.states}
    for each in playbook.transitions:
        onward[each.source].add(each.target)
    seen = reach(onward, playbook.initial)
    for name, state in playbook.states.items():
        if name not in seen:
            message = f"nothing leads from '{playbook.initial}' to '{name}'"
            yield Finding("orphan", state.path, message)
    reached = {name: reach(onward, name) for name in playbook.states}
    ends = _ends(reached, seen)
    # Wherever a life may end for good, it must be one place: the rest of it would be lost.
    widest = max(map(len, ends), default=0)
    for end in ends:
        for name in sorted(end):
            if len(onward[name] - {name}) == 0 and len(end) == 1:
                message = f"no event leads out of '{name}'"
                yield Finding("dead_end", playbook.states[name].path, message)
            elif len(end) < widest:
                message = f"'{name}' leads nowhere but to {', '.join(sorted(end))}"
                yield Finding("dead_end", playbook.states[name].path, message)


def _ends(reached: dict[str, set[str]], seen: set[str]) -> list[set[str]]:
    """Groups of states that are never left."""
    groups: list[set[str]] = []
    for name in sorted(seen):
        group = reached[name]
        if all(name in reached[other] for other in group) and group not in groups:
            groups.append(group)
    return groups


def reach(onward: dict[str, set[str]], start: str) -> set[str]:
    """Every state that can be come to, the start included."""
    seen, waiting = {start}, [start]
    while waiting:
        for name in onward[waiting.pop()]:
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen
