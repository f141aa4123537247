"""Whether a gateway that runs keeps to the playbook, judged by what can be seen from outside.

What is seen of a call (attempts with their times and errors, who answered, who is kept away
afterwards) is told to a machine for each deployment, event by event. An event without an
answer, a broken invariant or a deployment that is asked or passed over without a reason is a
deviation. An overdrawn budget is only noted: the gateway may share its processor.

The trap: from outside, the order of a circuit's opening and the last retry of the same call
cannot be told, so that the opening is put at the end of the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from federation.resilience.playbook.model import Station, Turn
from federation.resilience.playbook.stepping import Chart, Machine
from federation.resilience.playbook.terms import Value
from federation.resilience.playbook.touring import blank

PACED: Final = "paced"
RESTING: Final = frozenset(
    {PACED, "upstream_rate_limited", "upstream_credential_refused", "upstream_model_missing"}
)
"""Errors after which a deployment rests for a while, whatever its circuit says."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as the ledger has it; times in seconds since the epoch."""

    deployment: str
    started_s: float
    ended_s: float
    error: str


@dataclass(frozen=True, slots=True)
class Observed:
    """One call as its caller and the ledger have it."""

    outcome: str
    """answered | failed | refused | broken"""
    by: str
    """The deployment that answered."""
    started_s: float
    ended_s: float
    attempts: tuple[Attempt, ...]


class Watch:
    """The machines of a route's deployments, which hear of everything that is seen."""

    def __init__(self, chart: Chart, stations: tuple[Station, ...], now_s: float) -> None:
        self._chart = chart
        self._stations = stations
        self._machines = {station.live: Machine(chart, now_s) for station in stations}
        self._down: frozenset[str] = frozenset()
        self.wrong: list[str] = []
        self.notes: list[str] = []
        self.events = 0
        for station in stations:
            for event in ("model_registered", "health_monitoring_started"):
                self._tell(station.live, event, now_s)

    def states(self) -> dict[str, str]:
        """Where each deployment's machine stands."""
        return {name: machine.state for name, machine in self._machines.items()}

    def look(self, now_s: float, down: frozenset[str]) -> None:
        """Time has passed; `down` are the deployments that the gateway keeps away from."""
        self._down = down
        for name, machine in self._machines.items():
            if machine.state == "circuit_open":
                self._tell(name, "reset_timeout_elapsed", now_s)
            if machine.state == "circuit_open" and name not in down:
                self.wrong.append(f"{name} is let in again before its time")
            if machine.state == "circuit_half_open" and name in down:
                self.wrong.append(f"{name} is still kept away after its time")

    def call(self, turn: Turn, seen: Observed, down: frozenset[str]) -> None:
        """Tell of one call; `down` are the deployments kept away from after it."""
        known = [attempt for attempt in seen.attempts if attempt.deployment in self._machines]
        if len(known) < len(seen.attempts):
            self.wrong.append("a deployment was asked that the route does not have")
        able = [station for station in self._stations if station.serves(turn)]
        able_names = {station.live for station in able}
        for attempt in known:
            if attempt.deployment not in able_names:
                self.wrong.append(f"{attempt.deployment} was asked and must not be")
        if seen.outcome == "refused":
            for station in self._stations:
                self._refused(station.live, seen)
        else:
            self._asked(able, known, turn, seen)
        self._opened(known, seen, down)
        self._down = down

    def _refused(self, name: str, seen: Observed) -> None:
        for event in ("inference_requested", "no_nodes_available", "error_acknowledged"):
            self._tell(name, event, seen.started_s)

    def _asked(self, able: list[Station], known: list[Attempt], turn: Turn, seen: Observed) -> None:
        asked = {attempt.deployment for attempt in known}
        # Behind the last that was asked, nobody had to be.
        last = max((at for at, each in enumerate(able) if each.live in asked), default=-1)
        for station in able[: last + 1]:
            name, machine = station.live, self._machines[station.live]
            mine = [attempt for attempt in known if attempt.deployment == name]
            alone = _alone(name, able, asked, self._down)
            if mine and machine.state.startswith("circuit_"):
                self._doubted(name, mine, turn, seen, alone=alone)
            elif mine:
                self._tell(name, "inference_requested", seen.started_s)
                self._attempts(name, mine, turn, seen)
            elif machine.state.startswith("circuit_"):
                self._tell(name, "inference_requested", seen.started_s)
            elif name not in self._down:
                self.wrong.append(f"{name} was passed over without a reason")

    def _doubted(
        self, name: str, mine: list[Attempt], turn: Turn, seen: Observed, *, alone: bool
    ) -> None:
        """It was asked although its circuit is not closed: as a probe, or as the last resort."""
        does = self._tell(name, "inference_requested", mine[0].started_s, alone=alone)
        if len(mine) > 1:
            self.wrong.append(f"{name} was asked again though its circuit is not closed")
        if "pass_over" in does:
            self.wrong.append(f"{name} was asked though others were left or a probe is out")
            return
        failed = bool(mine[0].error)
        if "begin_probe" in does:
            self._tell(name, "probe_failed" if failed else "probe_succeeded", mine[0].ended_s)
        elif failed:
            self._tell(name, "node_error", mine[0].ended_s)
            self._tell(name, "error_acknowledged", mine[0].ended_s)
        else:
            whole = "stream_complete" if turn.stream else "inference_complete"
            self._tell(name, whole, mine[0].ended_s)
            self._tell(name, "response_sent", seen.ended_s)

    def _attempts(self, name: str, mine: list[Attempt], turn: Turn, seen: Observed) -> None:
        before: Attempt | None = None
        for attempt in mine:
            if before is not None:
                paced = before.error == PACED
                self._tell(name, "retry_initiated", attempt.started_s, paced=paced)
            before = attempt
            self._tell(name, "node_selected", attempt.started_s)
            self._tell(name, "inference_started", attempt.started_s)
            begun = turn.stream and (not attempt.error or seen.outcome == "broken")
            if begun:
                self._tell(name, "stream_started", attempt.ended_s)
            if attempt.error:
                self._tell(name, "node_error", attempt.ended_s)
            else:
                whole = "stream_complete" if begun else "inference_complete"
                self._tell(name, whole, attempt.ended_s)
                self._tell(name, "response_sent", max(seen.ended_s, attempt.ended_s))
        if before is not None and before.error:
            if self._machines[name].state == "retrying":
                self._tell(name, "retry_limit", before.ended_s)
            self._tell(name, "error_acknowledged", before.ended_s)

    def _opened(self, known: list[Attempt], seen: Observed, down: frozenset[str]) -> None:
        """Who is kept away from now on, and for no reason but its failures."""
        for name in sorted(down - self._down):
            errors = {attempt.error for attempt in known if attempt.deployment == name}
            machine = self._machines.get(name)
            if machine is None or machine.state.startswith("circuit_"):
                continue
            if errors - RESTING - {""}:
                self._tell(name, "failure_threshold_exceeded", seen.ended_s)
            elif not errors & RESTING:
                self.wrong.append(f"{name} is kept away without a failure")

    def _tell(self, name: str, event: str, at_s: float, **facts: Value) -> tuple[str, ...]:
        """Tell one machine; what it does."""
        machine = self._machines[name]
        before = machine.state
        step = machine.step(event, at_s, blank(self._chart.playbook, event, facts))
        self.events += 1
        if step is None:
            self.wrong.append(f"{name}: '{event}' has no answer in '{before}'")
            return ()
        if step.broken:
            self.wrong.append(f"{name}: '{event}' in '{before}' breaks {', '.join(step.broken)}")
        self.notes += [f"{name}: over {each} at '{event}' in '{before}'" for each in step.over]
        return step.transition.do


def _alone(name: str, able: list[Station], asked: set[str], down: frozenset[str]) -> bool:
    """Whether all others that may serve were asked or are kept away from."""
    others = {station.live for station in able} - {name}
    return others <= asked | down
