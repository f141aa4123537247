"""A virtual world: scripted deployments, the gateway's own decision code, and a machine each.

The machine's actions are carried out on the real recovery table, circuit and health board,
and what these decide comes back to the machine as events. So the two can be held against
each other: an action that is missing leaves its work undone, and after every event the
machine's state must be what the circuit and the board say. The clock is a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final, TypeAlias

from federation.domain.catalogue import Deployment, Model, Provider, Tier
from federation.errors import UpstreamError
from federation.resilience.circuit import OPEN_S, Circuit
from federation.resilience.health import Health, HealthBoard
from federation.resilience.playbook.lives import Life, Part
from federation.resilience.playbook.model import Expectation, Station, Transition, Turn
from federation.resilience.playbook.stepping import Chart
from federation.resilience.playbook.terms import Value
from federation.resilience.playbook.touring import blank
from federation.resilience.recovery import Fail, Retry, blame
from federation.schema.link import Measure

_ROUTING_S: Final = 0.001
_TOKENS: Final = 8
_JUST_BEFORE_S: Final = 0.01
_STATES: Final = {"circuit_open": Circuit.OPEN, "circuit_half_open": Circuit.HALF_OPEN}
_EVENTS_PER_CALL: Final = 200
"""More than any call has; a changed machine may go round for ever."""
_NEWS: Final = 3
"""A circuit that opens, a health that changes: no event brings more news than that."""


Pending: TypeAlias = "tuple[str, Mapping[str, Value], float] | None"
"""The next event, its facts, and how long it takes to come."""


def _next(event: str, after_s: float = 0.0, **facts: Value) -> Pending:
    return event, facts, after_s


class World:
    """Deployments in the order of a route. `wrong` holds what deviated; after the first nothing
    that happens means anything."""

    def __init__(self, chart: Chart, stations: tuple[Station, ...], seed: int = 0) -> None:
        self._chart = chart
        self.now_s = 0.0
        self.wrong: list[str] = []
        self.taken: set[Transition] = set()
        self._rng = Random(seed)  # noqa: S311 - jitter, repeatable
        self.lives = [Life(station, chart) for station in stations]
        self._board = HealthBoard()
        self._acts: dict[str, Callable[[Life, Part], Pending]] = {
            "list_model": self._list_model,
            "start_monitoring": self._start_monitoring,
            "accept_call": self._accept_call,
            "refuse_call": self._refuse_call,
            "begin_attempt": self._begin_attempt,
            "start_deadlines": self._outcome,
            "forward": self._forward,
            "note_success": self._note_success,
            "note_failure": self._note_failure,
            "ask_recovery": self._ask_recovery,
            "route_again": self._route_again,
            "hand_over": self._hand_over,
            "settle": self._settle,
            "pass_over": self._pass_over,
            "try_in_doubt": self._try_in_doubt,
            "open_circuit": self._open_circuit,
            "half_open_circuit": self._half_open_circuit,
            "close_circuit": self._close_circuit,
            "begin_probe": self._begin_probe,
            "mark_degraded": self._mark_degraded,
            "mark_healthy": self._mark_healthy,
        }

    # What a run does with the world.

    def start(self) -> None:
        """Everything is registered and monitored."""
        for life in self.lives:
            for event in ("model_registered", "health_monitoring_started"):
                self._serve(life, Part(_NOBODY), _next(event))
            if not (life.listed and life.monitored):
                self._stray(life, "is not listed and monitored at the start")

    def wait(self, wait_s: float) -> None:
        """Let time pass; open circuits are told, also when it is too early."""
        end_s = self.now_s + wait_s
        for life in self.lives:
            if life.circuit is Circuit.OPEN:
                due_s = life.opened_s + OPEN_S
                for at_s in (due_s - OPEN_S / 2, due_s - _JUST_BEFORE_S, due_s):
                    if self.now_s < at_s <= end_s:
                        self.now_s = at_s
                        self._serve(life, Part(_NOBODY), _next("reset_timeout_elapsed"))
        self.now_s = end_s

    def call(self, turn: Turn) -> Part:
        """One call from the route's first deployment to its last."""
        part = Part(turn)
        able = [life for life in self.lives if life.station.serves(turn)]
        part.eligible = bool(able)
        if not able:
            for life in self.lives:
                self._serve(life, part, _next("inference_requested"))
            self._rest()
            return part
        for place, (life, alone) in enumerate(order := self._ordered(able, part)):
            part.last = place == len(order) - 1
            part.result, part.probe = "", False
            part.tries.leave()
            self._serve(life, part, _next("inference_requested", alone=alone))
            if self.wrong or part.result != "next":
                break
        part.result = "failed" if part.result in ("next", "passed") else part.result
        self._rest()
        return part

    def _ordered(self, able: list[Life], part: Part) -> list[tuple[Life, bool]]:
        """Who is up in the route's order, then the doubtful, the least doubtful first."""
        live = self._board.live(self.now_s)
        down = {life: live.down_until[self.lives.index(life)] for life in able}
        doubtful = [life for life in able if down[life] > self.now_s]
        for life in doubtful:
            if life.circuit is not Circuit.CLOSED:
                self._serve(life, part, _next("inference_requested"))
                if part.result != "passed":
                    self._stray(life, "was asked while its circuit is open")
        doubtful.sort(key=lambda life: down[life])
        return [(life, False) for life in able if life not in doubtful] + [
            (life, True) for life in doubtful
        ]

    # Events and what follows from them.

    def _serve(self, life: Life, part: Part, pending: Pending) -> None:
        for _ in range(_EVENTS_PER_CALL):
            if pending is None or self.wrong:
                return
            event, facts, after_s = pending
            self.now_s += after_s
            pending = self._fire(life, part, event, facts)
        self._stray(life, "goes round for ever")

    def _fire(
        self, life: Life, part: Part, event: str, facts: Mapping[str, Value], news: int = 0
    ) -> Pending:
        machine, before = life.machine, life.machine.state
        told = blank(self._chart.playbook, event, facts)
        step = machine.step(event, self.now_s, told)
        if step is None:
            self._stray(life, f"has no answer to '{event}' in '{before}'")
            return None
        self.taken.add(step.transition)
        for broken in (*step.broken, *step.over):
            self._stray(life, f"breaks {broken} at '{event}' in '{before}'")
        if step.ambiguous:
            self._stray(life, f"has several answers to '{event}' in '{before}'")
        pending: Pending = None
        for action in step.transition.do:
            act = self._acts.get(action)
            if act is None:
                self._stray(life, f"does '{action}', which this world does not know")
                return None
            pending = act(life, part) or (None if action == "settle" else pending)
        return self._news(life, part, pending, news)

    def _news(self, life: Life, part: Part, pending: Pending, news: int) -> Pending:
        """What the board has to say after an event comes first; then the two must agree."""
        if self.wrong or not life.listed:
            return pending
        told = self._told(life)
        if not told or news >= _NEWS:
            self._agree(life)
            return pending
        return self._fire(life, part, told, {}, news + 1) or pending

    def _told(self, life: Life) -> str:
        """The event that the board's view of a deployment amounts to, if the actions of the
        machine do not show that it knows."""
        name, now_s = life.station.name, self.now_s
        if life.circuit is not Circuit.CLOSED:
            return ""
        if self._board.circuit(name, now_s) is Circuit.OPEN:
            return "failure_threshold_exceeded"
        degraded = self._board.health(name, now_s) is Health.DEGRADED
        if life.monitored and degraded is not life.degraded:
            return "health_check_degraded" if degraded else "all_nodes_healthy"
        return ""

    def _agree(self, life: Life) -> None:
        state, now_s = life.machine.state, self.now_s
        circuit = self._board.circuit(life.station.name, now_s)
        if circuit is not _STATES.get(state, Circuit.CLOSED) or circuit is not life.circuit:
            self._stray(life, f"is in '{state}' while its circuit is {circuit.value}")
        if self._told(life):
            self._stray(life, f"does not take notice of '{self._told(life)}'")
        values = life.machine.values(now_s)
        if values.get("ailing", life.degraded) is not life.degraded:
            self._stray(life, "does not know whether it is degraded")
        if values.get("probing") is True:
            down_s = self._board.live(now_s).down_until[self.lives.index(life)]
            if down_s <= now_s:
                self._stray(life, "would let a second probe pass")

    def _rest(self) -> None:
        """After a call nothing is left: every part settled, nothing in flight."""
        inflight = self._board.live(self.now_s).inflight
        for place, life in enumerate(self.lives):
            if life.owed or inflight[place]:
                self._stray(life, "has not settled its part in the call")

    def _stray(self, life: Life, what: str) -> None:
        self.wrong.append(f"{life.station.name} {what}")

    # The actions.

    def _list_model(self, life: Life, _: Part) -> None:
        life.listed = True
        self._board.follow([_deployment(each.station) for each in self.lives])

    def _start_monitoring(self, life: Life, _: Part) -> None:
        life.monitored = True

    def _accept_call(self, life: Life, part: Part) -> Pending:
        life.owed += 1
        return _next("node_selected" if part.eligible else "no_nodes_available", _ROUTING_S)

    def _refuse_call(self, life: Life, part: Part) -> Pending:
        part.result = "refused"
        return _next("error_acknowledged") if life.owed else None

    def _route_again(self, _: Life, __: Part) -> Pending:
        return _next("node_selected", _ROUTING_S)

    def _begin(self, life: Life, part: Part) -> None:
        self._board.live(self.now_s)
        self._board.begin(life.station.name)
        part.attempts += 1
        part.started_s = self.now_s
        part.reply = life.reply()
        part.by = life.station.name

    def _begin_attempt(self, life: Life, part: Part) -> Pending:
        self._begin(life, part)
        return _next("inference_started")

    def _try_in_doubt(self, life: Life, part: Part) -> Pending:
        life.owed += 1
        self._begin(life, part)
        outcome = self._outcome(life, part)
        if outcome is not None and outcome[0] == "stream_started":
            return self._forward(life, part)
        return outcome

    def _begin_probe(self, life: Life, part: Part) -> Pending:
        life.owed += 1
        self._begin(life, part)
        part.probe = True
        assert part.reply is not None  # noqa: S101 - begun just above
        failed = part.reply.error is not None
        part.error = part.reply.error() if part.reply.error is not None else None
        return _next("probe_failed" if failed else "probe_succeeded", part.reply.total_s)

    def _outcome(self, _: Life, part: Part) -> Pending:
        reply = part.reply
        if reply is None:
            return None
        if reply.error is not None and not (reply.streamed and part.turn.stream):
            part.error = reply.error()
            return _next("node_error", reply.total_s)
        if part.turn.stream:
            return _next("stream_started", reply.first_s)
        return _next("inference_complete", reply.first_s)

    def _forward(self, _: Life, part: Part) -> Pending:
        reply = part.reply
        if reply is None:
            return None
        part.begun = True
        rest_s = reply.total_s - reply.first_s
        if reply.error is not None:
            part.error = reply.error()
            return _next("node_error", rest_s)
        return _next("stream_complete", rest_s)

    def _note_success(self, life: Life, part: Part) -> Pending:
        self._note(life, part, None)
        part.result = "answered"
        return _next("response_sent")

    def _note_failure(self, life: Life, part: Part) -> None:
        self._note(life, part, part.error)
        if part.probe:
            self._decide(life, part)

    def _note(self, life: Life, part: Part, error: UpstreamError | None) -> None:
        if part.reply is None:
            self._stray(life, "notes an outcome of no attempt")
            return
        name, spent_ms = life.station.name, (self.now_s - part.started_s) * 1000.0
        first_ms = part.reply.first_s * 1000.0 if part.turn.stream else spent_ms
        word = "" if error is None else blame(error)
        self._board.end(name)
        self._board.note(
            Measure(name, 0, error is None, first_ms, spent_ms, _TOKENS, word), self.now_s
        )
        part.reply = None

    def _decide(self, life: Life, part: Part) -> Retry | None:
        """What the table says; the retry, where it is one."""
        if part.error is None:
            self._stray(life, "asks what follows no error")
            return None
        action = part.tries.after(part.error, self._rng, last=part.last)
        if action.cool_s > 0.0:
            self._board.cool(life.station.name, self.now_s + action.cool_s, self.now_s)
        part.result = "failed" if isinstance(action, Fail) else "next"
        if isinstance(action, Retry) and self._board.may_retry(life.station.name, self.now_s):
            return action
        return None

    def _ask_recovery(self, life: Life, part: Part) -> Pending:
        retry = self._decide(life, part)
        if retry is None:
            return _next("retry_limit")
        told = part.error.retry_after_s is not None if part.error is not None else False
        return _next("retry_initiated", retry.after_s, paced=told)

    def _hand_over(self, _: Life, part: Part) -> Pending:
        part.result = "broken" if part.begun else part.result or "next"
        return _next("error_acknowledged")

    def _settle(self, life: Life, _: Part) -> None:
        life.owed -= 1

    def _pass_over(self, _: Life, part: Part) -> None:
        part.result = "passed"

    def _open_circuit(self, life: Life, _: Part) -> None:
        life.circuit, life.opened_s, life.degraded = Circuit.OPEN, self.now_s, False

    def _half_open_circuit(self, life: Life, _: Part) -> None:
        life.circuit = Circuit.HALF_OPEN

    def _close_circuit(self, life: Life, _: Part) -> None:
        life.circuit = Circuit.CLOSED

    def _mark_degraded(self, life: Life, _: Part) -> None:
        life.degraded = True

    def _mark_healthy(self, life: Life, _: Part) -> None:
        life.degraded = False


def _deployment(station: Station) -> Deployment:
    provider = Provider(station.name, station.name, Tier.EMERGING, "openai", "")
    return Deployment(station.name, provider, Model(station.name), usable=True)


_NOBODY: Final = Turn(Expectation(""))
