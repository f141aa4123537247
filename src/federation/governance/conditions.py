"""Conditions on calls and on deployments: which facts they may name, and how they decide.

A verdict is one of three: only `TRUE` admits; `FAULT` (a missing key, an unknown fact, an
overflow) admits nothing, and makes a `when` count as true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from federation.governance.cel import compiled
from federation.governance.cel_runs import BOOL, FAULTS, INT, MAP, STRING, STRINGS, Run, Variable

FALSE, TRUE, FAULT = 0, 1, 2

_MINUTE_MS: Final = 60_000
_DAY: Final = 1440
_TEXTS: Final = ("tenant", "team", "key", "route", "operation", "privacy", "user", "session")
_COUNTS: Final = ("messages", "text_bytes", "max_output", "images", "audio", "files", "tools")


def _clock(read: Callable[[int], int]) -> Variable:
    return Variable(INT, lambda facts: read(facts.at_ms // _MINUTE_MS))


CALL: Final[Mapping[str, Variable]] = {
    **{name: Variable(STRING, attrgetter(name)) for name in _TEXTS},
    **{name: Variable(INT, attrgetter(name)) for name in _COUNTS},
    "stream": Variable(BOOL, attrgetter("stream")),
    "tags": Variable(MAP, attrgetter("tags")),
    "needs": Variable(STRINGS, attrgetter("needs")),
    "data_classes": Variable(STRINGS, attrgetter("data_classes")),
    "hour": _clock(lambda minutes: minutes % _DAY // 60),
    "minute": _clock(lambda minutes: minutes % 60),
    "weekday": _clock(lambda minutes: (minutes // _DAY + 3) % 7 + 1),
}
"""`hour`, `minute` and `weekday` (1 is Monday) are of UTC; 1970 began on a Thursday."""


DEPLOYMENT: Final[Mapping[str, Variable]] = {
    "deployment.id": Variable(STRING, attrgetter("id")),
    "deployment.provider": Variable(STRING, attrgetter("provider.id")),
    "deployment.tier": Variable(STRING, attrgetter("provider.tier.value")),
    "deployment.dialect": Variable(STRING, attrgetter("provider.dialect")),
    "deployment.regions": Variable(STRINGS, attrgetter("provider.regions")),
    "deployment.certifications": Variable(STRINGS, attrgetter("provider.certifications")),
    "deployment.data_use": Variable(STRING, attrgetter("provider.data_use.value")),
    "deployment.local": Variable(BOOL, attrgetter("provider.local")),
    "deployment.simulated": Variable(BOOL, attrgetter("provider.simulated")),
    "deployment.model": Variable(STRING, attrgetter("model.id")),
    "deployment.family": Variable(STRING, attrgetter("model.family")),
    "deployment.maker": Variable(BOOL, attrgetter("model.maker")),
    "deployment.context": Variable(INT, attrgetter("model.context")),
    "deployment.operations": Variable(STRINGS, attrgetter("operations")),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition; equal for equal source and kind of facts."""

    source: str
    run: Run

    def verdict(self, facts: Any) -> int:
        """`TRUE`, `FALSE` or `FAULT`; never raises for what facts can be."""
        try:
            found = self.run(facts)
        except FAULTS:
            return FAULT
        if found is True:
            return TRUE
        return FALSE if found is False else FAULT


def on_call(source: str) -> Condition:
    """A condition on `CallFacts`; `ValueError` for one that cannot be used."""
    return Condition(source, compiled(source, CALL))


def on_deployment(source: str) -> Condition:
    """A condition on a `Deployment`; `ValueError` for one that cannot be used."""
    return Condition(source, compiled(source, DEPLOYMENT))
