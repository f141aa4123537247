"""The playbook as frozen data: states, events, transitions, and the runs that must come out.

`path` says where in the file a thing stands; `None` stands for what was derived. A mutant is
a changed copy, so nothing here refers to anything by identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from federation.resilience.playbook.terms import Comparison, Effect, Value

Path: TypeAlias = tuple["str | int", ...]

FLAG, COUNT, TIMER = "flag", "count", "timer"
KINDS = (FLAG, COUNT, TIMER)
IN_STATE = "in_state_s"
"""The timer that every machine has: seconds since its state changed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: what kind of fault, where in the file, and in words."""

    kind: str
    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens, the states in which it can, and the facts that come with it."""

    name: str
    states: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    """Name to kind (`flag` or `count`)."""


@dataclass(frozen=True, slots=True)
class Transition:
    """In `source`, `event` leads to `target` where every comparison of `when` holds."""

    source: str
    event: str
    target: str
    when: tuple[Comparison, ...] = ()
    do: tuple[str, ...] = ()
    set: tuple[Effect, ...] = ()
    path: Path = ()

    def __str__(self) -> str:
        guard = f" [{', '.join(map(str, self.when))}]" if self.when else ""
        return f"{self.source} --{self.event}{guard}--> {self.target}"


@dataclass(frozen=True, slots=True)
class State:
    """A state; `invariants` hold in it always, `within` in time."""

    name: str
    about: str = ""
    invariants: tuple[Comparison, ...] = ()
    within: tuple[Comparison, ...] = ()
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """One step of a tour: an event with its facts, after `after_s`, and what must follow."""

    event: str
    facts: Mapping[str, Value]
    after_s: float
    state: str
    do: tuple[str, ...]
    over: tuple[str, ...]
    """Budgets that this step must be found to break."""
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Tour:
    """A walk through the machine alone, from its initial state."""

    name: str
    stops: tuple[Stop, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller must see."""

    outcome: str
    """answered | failed | refused | broken (a stream that ended early)"""
    by: str = ""
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One step of a scenario: a wait, or calls one after another."""

    expect: Expectation
    wait_s: float = 0.0
    repeat: int = 1
    stream: bool = False
    regions: tuple[str, ...] = ()
    certified: tuple[str, ...] = ()
    replies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By deployment, faults of its next attempts; only a virtual world can be told."""
    virtual: bool = False
    """Not possible over sockets: it needs `replies`, or takes too long."""
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Station:
    """A deployment of a scenario: its place, and how it fails for as long as the run lasts."""

    name: str
    live: str
    """The simulated deployment that behaves like this, `provider/model`."""
    fault: str = ""
    regions: tuple[str, ...] = ()
    certified: tuple[str, ...] = ()

    def serves(self, turn: Turn) -> bool:
        """Whether a call may go there at all: each demand must be met by a fact."""
        regions = not turn.regions or bool(set(self.regions) & set(turn.regions))
        return regions and set(turn.certified) <= set(self.certified)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Deployments in the order of their route, and what happens to them."""

    name: str
    about: str
    stations: tuple[Station, ...]
    turns: tuple[Turn, ...]
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """Whether so many failures among so many calls are within the budget of successes."""

    calls: int
    failed: int
    within: bool


@dataclass(frozen=True, slots=True)
class Playbook:
    """The whole of it."""

    initial: str
    limits: Mapping[str, float]
    budgets: Mapping[str, float]
    variables: Mapping[str, str]
    """Name to kind."""
    actions: Mapping[str, str]
    events: Mapping[str, Event]
    states: Mapping[str, State]
    transitions: tuple[Transition, ...]
    forbidden: tuple[tuple[str, str], ...]
    scenarios: tuple[Scenario, ...] = ()
    tours: tuple[Tour, ...] = ()
    rates: tuple[Rate, ...] = ()

    @property
    def constants(self) -> dict[str, float]:
        """What a comparison may name on its right."""
        return {**self.limits, **self.budgets}
