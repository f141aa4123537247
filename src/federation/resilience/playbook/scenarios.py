"""Runs scenarios on the virtual clock, and judges what the caller saw against what was promised."""

from __future__ import annotations

from dataclasses import dataclass, field

from federation.resilience.playbook.model import Scenario, Transition, Turn
from federation.resilience.playbook.stepping import Chart
from federation.resilience.playbook.touring import enough
from federation.resilience.playbook.world import World


@dataclass(frozen=True, slots=True)
class Seen:
    """One call as its caller saw it."""

    turn: int
    expected: str
    seen: str
    ok: bool


@dataclass(slots=True)
class Report:
    """A scenario's run. It passed where nothing is `wrong`."""

    scenario: str
    about: str = ""
    calls: list[Seen] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Remarks that do not fail it."""
    taken: set[Transition] = field(default_factory=set)
    lasted_s: float = 0.0
    skipped: int = 0
    """Steps that this kind of run cannot do."""

    @property
    def passed(self) -> bool:
        """Whether everything was as promised."""
        return not self.wrong

    def judge(self, place: int, turn: Turn, outcome: str, by: str, attempts: int) -> None:
        """Hold a call against its expectation."""
        want = turn.expect
        ok = (
            outcome == want.outcome
            and want.attempts in (None, attempts)
            and (not want.by or want.by == by)
        )
        named = by if outcome in ("answered", "broken") else ""
        expected = told(want.outcome, want.by, want.attempts)
        seen = told(outcome, named, attempts)
        self.calls.append(Seen(place + 1, expected, seen, ok))
        if not ok:
            self.wrong.append(f"step {place + 1}: {seen} in place of {expected}")


def told(outcome: str, by: str, attempts: int | None) -> str:
    """An outcome in words."""
    words = outcome + (f" by {by}" if by else "")
    return words if attempts is None else f"{words} in {attempts} attempt{'s' * (attempts != 1)}"


def run(chart: Chart, scenario: Scenario, seed: int = 0) -> Report:
    """Play one scenario through; it stops at the first deviation."""
    world = World(chart, scenario.stations, seed)
    report = Report(scenario.name, scenario.about)
    world.start()
    promised = kept = 0
    for place, turn in enumerate(scenario.turns):
        if turn.wait_s:
            world.wait(turn.wait_s)
        for name, words in turn.replies.items():
            next(life for life in world.lives if life.station.name == name).script = list(words)
        for _ in range(turn.repeat):
            if world.wrong or report.wrong:
                break
            part = world.call(turn)
            if not world.wrong:
                report.judge(place, turn, part.result, part.by, part.attempts)
            promised += turn.expect.outcome == "answered"
            kept += turn.expect.outcome == part.result == "answered"
        for life in world.lives:
            life.script = []
        if world.wrong:
            report.wrong += [f"step {place + 1}: {each}" for each in world.wrong]
        if report.wrong:
            break
    if report.passed and not enough(chart.playbook, promised, promised - kept):
        report.wrong.append(f"{kept} of {promised} calls succeeded: less than the budget")
    report.taken, report.lasted_s = world.taken, world.now_s
    return report
