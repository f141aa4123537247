"""What counts as a violation, how severe it is, and what a tenant's record is worth.

Pure. The trap: a score is arithmetic over counts, and says so: it compares one month with
another, it is no opinion on whether a framework is met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from federation.domain.violations import Kind, Severity, Sighting

ESCALATES_AT: Final = 3
"""So many sightings of a kind raise the severity."""
_DAY_MS: Final = 86_400_000
_DUE_DAYS: Final = {
    Severity.LOW: 30,
    Severity.MEDIUM: 14,
    Severity.HIGH: 3,
    Severity.CRITICAL: 1,
}
_LADDER: Final = tuple(Severity)
_GRAVE: Final = frozenset(
    {
        "data_residency",
        "store_residency",
        "prohibited_data",
        "privacy",
        "pii",
        "pii_exclusion_required",
        "guardrails",
        "all_requests_logged",
    }
)
"""Rules about where data goes and what of it is seen."""
_MIDDLE: Final = frozenset(
    {"certifications", "data_use", "denied_providers", "denied_models", "approval", "encryption"}
)
_BY_KIND: Final = {
    Kind.DETECTOR: Severity.HIGH,
    Kind.BLOCKED: Severity.MEDIUM,
    Kind.LOST: Severity.MEDIUM,
    Kind.GAP: Severity.CRITICAL,
    Kind.CERTIFICATION: Severity.MEDIUM,
}
_FAILURE: Final = "detector_failure"
_ON_FAILURE: Final = "on_failure"
_COUNTED: Final = "log"
"""The action that leaves what was found as it is."""
_OWN: Final = "call"
"""In a record's refusals, the place of the policy where the call's own wish kept somebody out."""


def severity_of(kind: Kind, rule: str) -> Severity:
    """Of the first sighting; a report counts a step less than a refusal by the same rule."""
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    if rule in _GRAVE:
        found = Severity.HIGH
    else:
        found = Severity.MEDIUM if rule in _MIDDLE else Severity.LOW
    return _step(found, -1) if kind is Kind.REPORTED else found


def raised(severity: Severity) -> Severity:
    """The next, as far as there is one."""
    return _step(severity, 1)


def due_ms(severity: Severity, at_ms: int) -> int:
    """By when a violation of this severity, first seen then, should be resolved."""
    return at_ms + _DUE_DAYS[severity] * _DAY_MS


def sightings(
    call: str,
    at_ms: int,
    tenant: str,
    key: str,
    refusals: Mapping[str, int],
    watched: Mapping[str, int],
    findings: Mapping[str, int],
) -> Iterator[Sighting]:
    """What the record of one call shows, each kind once. `refusals` are those of a call that was
    refused: where a provider was asked and failed, nobody tried anything."""
    rules = [(Kind.REFUSED, *_split(name)) for name in refusals]
    rules += filter(None, map(_reported, watched))
    for kind, policy, rule in dict.fromkeys(rules):
        # Without a policy it is a fact of the deployments: a credential that lacks, a host that is
        # switched off.
        if policy not in ("", _OWN):
            yield Sighting(kind, at_ms, policy, rule, tenant, key, call)
    kinds = dict.fromkeys(
        (Kind.DETECTOR, _ON_FAILURE) if name == _FAILURE else (Kind.BLOCKED, name)
        for name, _, action in (each.rpartition(":") for each in findings)
        if name == _FAILURE or action == "block"
    )
    for found, rule in kinds:
        yield Sighting(found, at_ms, "", rule, tenant, key, call)


def place_of(name: str) -> str:
    """`<policy>.<rule>` of what was watched, which may say behind it what was found."""
    return name.partition(":")[0]


def _reported(name: str) -> tuple[Kind, str, str] | None:
    """What a rule in report mode shows; None where it would only have counted it."""
    policy, rule = _split(place_of(name))
    found = name.partition(":")[2]
    if not found:
        return Kind.REPORTED, policy, rule
    sort, _, action = found.rpartition(":")
    if sort == _FAILURE:
        return Kind.DETECTOR, policy, _ON_FAILURE
    return None if action == _COUNTED else (Kind.REPORTED, policy, rule)


def _split(name: str) -> tuple[str, str]:
    """Policy, without its version, and rule of `<policy>.<rule>`."""
    policy, _, rule = name.rpartition(".")
    return policy.partition("@")[0], rule


def _step(severity: Severity, by: int) -> Severity:
    at = min(max(_LADDER.index(severity) + by, 0), len(_LADDER) - 1)
    return _LADDER[at]


@dataclass(frozen=True, slots=True)
class Score:
    """How well a period went, in thousandths and as a grade."""

    adherence: int
    """Calls in which nothing was seen, of all."""
    resolution: int
    """Violations that were resolved, of those first seen."""
    coverage: int
    """Calls that some policy bound, of all."""
    total: int | None
    """0 to 100: half adherence, three tenths resolution, two tenths coverage. None where there was
    nothing that could go well."""
    grade: str
    """A from 90, B from 80, C from 70, D from 60, else F; none without a total."""


def score(calls: int, seen: int, bound: int, raised_: int, resolved: int) -> Score:
    """The score of so many calls, of which `seen` showed something and `bound` were under a
    policy, and of so many violations. Where there is nothing of a kind, nothing is amiss in it."""
    adherence = _share(calls - seen, calls)
    resolution = _share(resolved, raised_)
    coverage = _share(bound, calls)
    if not calls and not raised_:
        return Score(adherence, resolution, coverage, None, "none")
    total = (50 * adherence + 30 * resolution + 20 * coverage + 500) // 1000
    grade = next(
        (g for least, g in ((90, "A"), (80, "B"), (70, "C"), (60, "D")) if total >= least), "F"
    )
    return Score(adherence, resolution, coverage, total, grade)


def _share(part: int, whole: int) -> int:
    return 1000 if whole <= 0 else max(0, min(1000, part * 1000 // whole))
