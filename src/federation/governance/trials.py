"""Policy tests: what the policies say of a call, against what their author expects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from federation.domain.policies import Trial
from federation.governance.explain import Reason, duties, reasons
from federation.governance.facts import CallFacts
from federation.governance.rulebook import Rulebook

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial went; `faults` is empty where it passed."""

    trial: Trial
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Everything was as expected."""
        return not self.faults


def run(trials: Iterable[Trial], rulebook: Rulebook) -> list[Outcome]:
    """One outcome for each trial, in order."""
    return [Outcome(trial, tuple(_faults(trial, rulebook))) for trial in trials]


def facts_of(trial: Trial) -> CallFacts:
    """The call that a trial describes."""
    return CallFacts(**trial.call)


def _faults(trial: Trial, rulebook: Rulebook) -> list[str]:
    ids = rulebook.census.ids
    if trial.deployment and trial.deployment not in ids:
        return [f"there is no deployment {trial.deployment!r}"]
    facts = facts_of(trial)
    ruling = rulebook.rule(facts)
    meant = ruling.mask
    if trial.deployment:
        meant &= 1 << ids.index(trial.deployment)
    against = _enforced(rulebook, facts, trial.deployment)
    faults = []
    if bool(meant) != trial.allow:
        wanted, said = ("allow", "deny") if trial.allow else ("deny", "allow")
        faults.append(f"expected {wanted}, and the policies {said}{_because(against)}")
    if trial.why and not any(trial.why in _names(reason) for reason in against):
        faults.append(f"{trial.why!r} is not among the reasons{_because(against)}")
    return faults + _duty_faults(trial.duties, duties(ruling.obligations))


def _duty_faults(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return [
        f"expected the duty {name}: {value}, found {found.get(name, 'none')}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]


def _enforced(rulebook: Rulebook, facts: CallFacts, deployment: str) -> list[Reason]:
    every = reasons(rulebook, facts)
    said = every.get(deployment, ()) if deployment else [r for each in every.values() for r in each]
    return list(dict.fromkeys(reason for reason in said if reason.enforced))


def _names(reason: Reason) -> tuple[str, str]:
    return reason.rule, f"{reason.policy.partition('@')[0]}.{reason.rule}"


def _because(against: list[Reason]) -> str:
    if not against:
        return ""
    return ": " + "; ".join(f"{_names(each)[1]} {each.text}" for each in against[:_SHOWN])
