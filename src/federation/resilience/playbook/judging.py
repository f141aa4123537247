"""Who notices a mutant: validator, tours, random walks, scenarios, asked in this order.

A survivor is not yet a hole: it may be the same machine written differently. What is left is
therefore walked side by side with the original, and told apart where that shows no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.resilience.playbook.checking import check
from federation.resilience.playbook.mutations import Mutant
from federation.resilience.playbook.scenarios import run
from federation.resilience.playbook.stepping import Chart
from federation.resilience.playbook.touring import walk_all
from federation.resilience.playbook.walking import differs, walk

WALKS: Final = 8
WALK_STEPS: Final = 60
PAIRS: Final = 100
PAIR_STEPS: Final = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    judge: str
    """Who noticed it; empty for a survivor."""
    why: str
    alike: bool = False
    """A survivor that no walk beside the original tells apart: it may be the same machine."""

    @property
    def killed(self) -> bool:
        """Whether anybody noticed it."""
        return bool(self.judge)


def judge(mutant: Mutant, original: Chart, judges: Sequence[str] = (), seed: int = 0) -> Verdict:
    """Show a mutant to these judges (left out: all), the cheapest first, until one notices it."""
    chart = Chart(mutant.playbook)
    for name in JUDGES:
        why = _SEEN_BY[name](chart, seed) if not judges or name in judges else ""
        if why:
            return Verdict(mutant, name, why)
    told = any(differs(original, chart, seed + number, PAIR_STEPS) for number in range(PAIRS))
    alike = f"behaves like the original in {PAIRS * PAIR_STEPS} random steps beside it"
    return Verdict(mutant, "", "no run shows the difference" if told else alike, not told)


def _validator(chart: Chart, _: int) -> str:
    findings = check(chart.playbook)
    return findings[0].message if findings else ""


def _tours(chart: Chart, _: int) -> str:
    return next((finding.message for finding in walk_all(chart)), "")


def _walks(chart: Chart, seed: int) -> str:
    for number in range(WALKS):
        found = walk(chart, seed + number, WALK_STEPS)
        if found is not None:
            return found.message
    return ""


def _scenarios(chart: Chart, seed: int) -> str:
    for scenario in chart.playbook.scenarios:
        report = run(chart, scenario, seed)
        if not report.passed:
            return f"{scenario.name}: {report.wrong[0]}"
    return ""


_SEEN_BY: Final[dict[str, Callable[[Chart, int], str]]] = {
    "validator": _validator,
    "tours": _tours,
    "walks": _walks,
    "scenarios": _scenarios,
}
JUDGES: Final = tuple(_SEEN_BY)
"""The cheapest first."""
