"""The list of what pairs of dialects cannot do, and what it says about a cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from matrix.cells import ERRORS, Cell, Outcome
from matrix.scenes import DIALECTS, MODES, SCENES

FILE: Final = Path(__file__).parents[2] / "matrix" / "cannots.yaml"
BEHAVIORS: Final = {
    "unsayable": "The client's API has no field to ask for it.",
    "dropped": "Left out; `x-federation-warning` names it.",
    "refused": "Refused with 400 before anything is sent.",
    "absent": "One of the two APIs has no field to tell it with.",
    "mapped": "Told in the nearest word of the API.",
}


@dataclass(frozen=True)
class Cannot:
    """One entry."""

    feature: str
    behavior: str
    why: str
    source: str
    clients: tuple[str, ...] = DIALECTS
    upstreams: tuple[str, ...] = DIALECTS
    scenes: tuple[str, ...] = tuple(SCENES)
    modes: tuple[str, ...] = MODES
    facts: tuple[str, ...] = ()
    values: dict[str, str] = field(default_factory=dict)
    """What a fact is instead, where only one thing is right."""

    def holds(self, cell: Cell) -> bool:
        """Whether it says something of this cell."""
        return (
            cell.client in self.clients
            and cell.upstream in self.upstreams
            and cell.scene in self.scenes
            and cell.mode in self.modes
        )


def load() -> tuple[Cannot, ...]:
    """The entries, in their order."""
    found: list[dict[str, Any]] = yaml.safe_load(FILE.read_text("utf-8"))
    return tuple(Cannot(**{k: _listed(v) for k, v in entry.items()}) for entry in found)


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def expected(cell: Cell, listed: tuple[Cannot, ...]) -> Outcome:
    """How the cell must differ from a perfect one; a fact without a value may have any."""
    outcome = Outcome()
    warnings: set[str] = set()
    for entry in listed:
        if not entry.holds(cell):
            continue
        if entry.behavior == "unsayable":
            return Outcome(unsayable=entry.feature)
        if entry.behavior == "refused":
            outcome.refused = f"{ERRORS[cell.client][400]} 400"
        if entry.behavior == "dropped":
            warnings.add(entry.feature)
        outcome.facts |= dict.fromkeys(entry.facts, "") | entry.values
    outcome.warnings = frozenset(warnings)
    return outcome


def unlike(cell: Cell, found: Outcome, listed: tuple[Cannot, ...]) -> list[str]:
    """What of a cell is not as the list says, in words."""
    wanted = expected(cell, listed)
    told = [
        f"{name}: {values}, and no entry of cannots.yaml says so"
        for name, values in found.facts.items()
        if name not in wanted.facts
    ]
    told += [
        f"{name} is as it should be, and cannots.yaml says that it cannot be"
        for name in wanted.facts
        if name not in found.facts
    ]
    told += [
        f"{name}: {found.facts[name]}, where cannots.yaml says {value!r}"
        for name, value in wanted.facts.items()
        if value and name in found.facts and not found.facts[name].endswith(f" -> {value!r}")
    ]
    for name in ("warnings", "refused", "unsayable"):
        one, other = getattr(wanted, name), getattr(found, name)
        if one != other:
            told.append(f"{name}: {other or 'none'}, where cannots.yaml says {one or 'none'}")
    return told
