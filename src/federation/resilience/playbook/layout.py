"""Where the states of a playbook stand in a drawing: layers by distance, then few crossings.

The method is the usual one for layered graphs (Sugiyama, Tagawa, Toda 1981): a layer for each
distance from the start, and states moved within their layer to the mean place of their
neighbors, forth and back a few times. Small and repeatable matters more here than the
fewest crossings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from federation.resilience.playbook.model import Playbook

_SWEEPS: Final = 6


@dataclass(frozen=True, slots=True)
class Arrow:
    """All transitions between two states."""

    source: str
    target: str
    events: tuple[str, ...]


def arrows(playbook: Playbook) -> list[Arrow]:
    """One for each pair of states, in the order of the file."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in playbook.transitions:
        events = found.setdefault((each.source, each.target), [])
        if each.event not in events:
            events.append(each.event)
    return [Arrow(source, target, tuple(events)) for (source, target), events in found.items()]


def layers(playbook: Playbook) -> list[list[str]]:
    """The states, layer by layer; what nothing leads to comes last."""
    near = _neighbors(playbook)
    depth = {playbook.initial: 0}
    waiting = [playbook.initial]
    for name in waiting:
        for arrow in arrows(playbook):
            if arrow.source == name and arrow.target not in depth:
                depth[arrow.target] = depth[name] + 1
                waiting.append(arrow.target)
    last = max(depth.values()) + 1
    rows: list[list[str]] = [[] for _ in range(last + 1)]
    for name in playbook.states:
        rows[depth.get(name, last)].append(name)
    rows = [row for row in rows if row]
    for _ in range(_SWEEPS):
        for row in (*rows, *reversed(rows)):
            place = {
                name: (at + 0.5) / len(others) for others in rows for at, name in enumerate(others)
            }
            means = {name: _mean(place, near[name] - set(row), place[name]) for name in row}
            row.sort(key=means.__getitem__)
    return rows


def _mean(place: dict[str, float], names: set[str], own: float) -> float:
    return sum(place[name] for name in names) / len(names) if names else own


def _neighbors(playbook: Playbook) -> dict[str, set[str]]:
    near: dict[str, set[str]] = {name: set() for name in playbook.states}
    for each in playbook.transitions:
        if each.source != each.target:
            near[each.source].add(each.target)
            near[each.target].add(each.source)
    return near
