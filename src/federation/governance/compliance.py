"""A compliance report: what records of a period show of each control of a framework. Pure.

Numbers are counts of records, and each control names calls that can be proven one by one. The
trap is silence: nothing recorded is nothing shown. A control for which there is no policy, no
record or no proof is a gap, and is said to be one; a report never fills in a "yes".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from federation.domain.catalogue import DataUse, Provider
from federation.domain.policies import (
    AnyRule,
    Certified,
    Encryption,
    Guardrails,
    Logged,
    Mode,
    Payloads,
    Pii,
    PiiExcluded,
    Policy,
    Residency,
    Retention,
    Use,
    kind_of,
)
from federation.domain.regions import all_meet
from federation.governance.strictness import at_least
from federation.governance.violations import Score, place_of

SAMPLES: Final = 3
_DAY_MS: Final = 86_400_000
_REFUSED: Final = "refused by it"
MADE, UNPROVEN, OFF = "made", "unproven", "off"
_FAULTS: Final = "`federation audit receipt` says which, and why."


@dataclass(slots=True)
class Tally:
    """Counts over the calls of a period. `take` each once."""

    calls: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    bound: Counter[str] = field(default_factory=Counter)
    """Calls, by the name of each policy that bound them."""
    governed: int = 0
    """Calls that any policy bound."""
    sent: Counter[str] = field(default_factory=Counter)
    """Calls, by each deployment that was asked."""
    refused: Counter[str] = field(default_factory=Counter)
    """Calls, by `policy.rule` that kept deployments from them."""
    watched: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    """Findings of content checks, by `type:action`."""
    found_calls: int = 0
    blocked_calls: int = 0
    """Calls in which a check found what is not let through."""
    simulated: int = 0
    hashed: Counter[str] = field(default_factory=Counter)
    """Calls that have ended, by what their records prove of their content: see `proving`."""
    samples: dict[str, list[str]] = field(default_factory=dict)
    """Calls to look at, by what they show."""
    first: str = ""
    last: str = ""

    def take(
        self,
        call: str,
        outcome: str,
        policies: Iterable[str],
        deployments: Iterable[str],
        refusals: Mapping[str, int],
        watched: Mapping[str, int],
        findings: Mapping[str, int],
        *,
        simulated: bool,
        hashed: str,
    ) -> None:
        """Count one call; `hashed` as `proving` says, empty for one that has not ended."""
        self.calls += 1
        self.outcomes[outcome] += 1
        self.simulated += simulated
        if hashed:
            self.hashed[hashed] += 1
        if hashed == UNPROVEN:
            self._sample(UNPROVEN, call)
        self.first, self.last = self.first or call, call
        names = {label.partition("@")[0] for label in policies}
        self.governed += bool(names)
        for name in names:
            self.bound[name] += 1
            self._sample(f"bound {name}", call)
        for deployment in set(deployments):
            self.sent[deployment] += 1
            self._sample(f"sent {deployment}", call)
        for counts, rules in ((self.refused, refusals), (self.watched, watched)):
            for name in {_plain(rule) for rule in rules}:
                counts[name] += 1
                self._sample(f"rule {name}", call)
        self.found.update(findings)
        if findings:
            self.found_calls += 1
            self.blocked_calls += any(each.endswith(":block") for each in findings)
            self._sample("found", call)

    def _sample(self, what: str, call: str) -> None:
        kept = self.samples.setdefault(what, [])
        if len(kept) < SAMPLES:
            kept.append(call)


def proving(said: str, unproven: Mapping[str, str]) -> str:
    """What the record of a call's end proves of its content: `made`, `unproven` where one of its
    hashes could not be made, `off` where it has none, as before there were any."""
    if unproven:
        return UNPROVEN
    return MADE if said else OFF


def _plain(rule: str) -> str:
    """`policy.rule` without the policy's version, and without what was found."""
    policy, _, word = place_of(rule).rpartition(".")
    return f"{policy.partition('@')[0]}.{word}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a verification of the log said."""

    verified: bool
    """False also where nobody looked."""
    records: int | None = None
    """None where nobody looked, or whoever reads may not know."""
    checkpoints: int = 0
    root: str = ""
    first_ms: int = 0
    last_ms: int = 0
    findings: tuple[str, ...] = ()
    behind: int = 0
    """Records of calls that the store had not taken in, so that no number counts them."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is stored of content, in the period."""

    responses: int = 0
    """Answers that clients had kept; each sealed with AES-256-GCM, as contents are."""
    contents: int = 0
    """Contents of calls that a policy has kept, or hashes of them: who opens one knows which."""


@dataclass(frozen=True, slots=True)
class Period:
    """Everything that a report is made of."""

    start_ms: int
    end_ms: int
    tenant: str
    """Empty: all."""
    tally: Tally
    policies: tuple[Policy, ...]
    providers: Mapping[str, Provider]
    """By id, without their models."""
    proof: Proof
    kept: Kept
    open_violations: Mapping[str, int]
    """By rule, those not resolved."""
    now_ms: int


@dataclass(frozen=True, slots=True)
class Shown:
    """One control, and what the records show of it."""

    control: str
    rule: str
    statement: str
    """What would show that it was kept, in the words of the pack."""
    policies: tuple[str, ...]
    """Those in force that demand as much, or more: name, version, digest."""
    counts: tuple[tuple[str, int], ...]
    calls: tuple[str, ...]
    """To be proven one by one."""
    gaps: tuple[str, ...]

    @property
    def status(self) -> str:
        """`evidenced`, or `gap`."""
        return "gap" if self.gaps else "evidenced"


@dataclass(frozen=True, slots=True)
class Report:
    """A framework's controls over a period."""

    framework: str
    title: str
    period: Period
    score: Score
    controls: tuple[Shown, ...]


def controls(rules: Iterable[AnyRule], period: Period) -> tuple[Shown, ...]:
    """What is shown of the control of each rule of a pack."""
    return tuple(_shown(rule, period) for rule in rules)


def _shown(rule: AnyRule, period: Period) -> Shown:
    kind, tally = kind_of(rule), period.tally
    serving = [policy for policy in period.policies if _serves(policy, rule)]
    enforced = [policy for policy in serving if policy.mode is Mode.ENFORCE]
    bound = max((tally.bound[policy.name] for policy in enforced), default=0)
    refused = sum(tally.refused[f"{policy.name}.{kind}"] for policy in enforced)
    shown = Shown(
        rule.control,
        kind,
        rule.evidence,
        tuple(policy.label for policy in serving),
        (("calls", tally.calls), ("bound by it", bound), (_REFUSED, refused)),
        tuple(call for policy in enforced for call in _calls(tally, policy, kind))[:SAMPLES],
        tuple(_policy_gaps(serving, enforced, bound, period)),
    )
    return _open(_special(shown, rule, period), kind, period)


def _calls(tally: Tally, policy: Policy, kind: str) -> list[str]:
    refused = tally.samples.get(f"rule {policy.name}.{kind}", [])
    return refused or tally.samples.get(f"bound {policy.name}", [])


def _serves(policy: Policy, rule: AnyRule) -> bool:
    """Whether a policy makes this demand: taken in with its pack, or written as strict."""
    return any(at_least(each, rule) for each in policy.rules)


def _policy_gaps(
    serving: list[Policy], enforced: list[Policy], bound: int, period: Period
) -> Iterable[str]:
    if not serving:
        yield (
            "No policy in force makes this demand, or a stricter one of its kind: take the pack "
            "in, or write the rule."
        )
    elif not enforced:
        yield "The policies that make this demand are in report mode: they refuse nothing."
    elif not period.tally.calls:
        yield "There was no call in this period: nothing shows that the control worked."
    elif bound < period.tally.calls:
        loose = period.tally.calls - bound
        yield f"{loose} of {period.tally.calls} calls were not bound by the policy with this rule."


def _special(shown: Shown, rule: AnyRule, period: Period) -> Shown:
    """What the records show beyond the rule's own refusals."""
    match rule:
        case Residency() | Certified() | Use():
            return _destinations(shown, rule, period)
        case Pii() | PiiExcluded() | Guardrails():
            return _content(shown, period)
        case Logged():
            return _logged(shown, period)
        case Retention():
            return _retention(shown, rule, period)
        case Payloads() | Encryption():
            return _kept(shown, rule, period)
        case _:
            return shown


def _destinations(shown: Shown, rule: Residency | Certified | Use, period: Period) -> Shown:
    inside, outside, odd = 0, 0, list[str]()
    for deployment, calls in sorted(period.tally.sent.items()):
        provider = period.providers.get(deployment.partition("/")[0])
        if provider is not None and _meets(provider, rule):
            inside += calls
        else:
            outside += calls
            odd.append(deployment)
    gaps = shown.gaps
    if outside:
        some = ", ".join(odd[:5]) + (", ..." if len(odd) > 5 else "")
        gaps = (*gaps, f"{outside} calls reached deployments that do not meet it today: {some}.")
    to_see = tuple(call for each in odd for call in period.tally.samples.get(f"sent {each}", ()))
    counts = (*shown.counts, ("sent where it is met", inside), ("sent elsewhere", outside))
    return replace(shown, counts=counts, gaps=gaps, calls=(to_see or shown.calls)[:SAMPLES])


def _meets(provider: Provider, rule: Residency | Certified | Use) -> bool:
    """As the rule is enforced (`Census`): a host of our own has to show as much as any other."""
    match rule:
        case Residency():
            return all_meet(provider.places, rule.places)
        case Certified():
            return set(rule.names) <= provider.certifications
        case Use():
            return provider.data_use in set(rule.allowed) - {DataUse.UNKNOWN}


def _content(shown: Shown, period: Period) -> Shown:
    tally = period.tally
    by_action: Counter[str] = Counter()
    for name, count in tally.found.items():
        by_action[name.rpartition(":")[2]] += count
    failed = sum(
        count for name, count in tally.found.items() if name.startswith("detector_failure:")
    )
    # A check on content keeps no deployment from a call: it stops the call itself.
    counts = (
        *(count for count in shown.counts if count[0] != _REFUSED),
        ("calls with findings", tally.found_calls),
        ("calls blocked for them", tally.blocked_calls),
        *((f"findings: {action}", count) for action, count in sorted(by_action.items())),
        ("checks that failed", failed),
    )
    gaps = shown.gaps
    if failed:
        gaps = (*gaps, f"{failed} content checks could say nothing.")
    found = tuple(tally.samples.get("found", ()))
    return replace(shown, counts=counts, gaps=gaps, calls=(found or shown.calls)[:SAMPLES])


def _logged(shown: Shown, period: Period) -> Shown:
    proof, lost = period.proof, period.tally.outcomes["lost"]
    gaps = shown.gaps
    if not proof.verified:
        words = " ".join(proof.findings) or "nobody has verified it for this report."
        gaps = (*gaps, f"The log is not verified: {words}")
    if proof.behind:
        gaps = (*gaps, f"{proof.behind} records of calls are in the log and not yet counted here.")
    if lost:
        gaps = (*gaps, f"{lost} calls were lost with their worker: their ends are unknown.")
    hashed = period.tally.hashed
    if hashed[UNPROVEN]:
        gaps = (*gaps, f"{hashed[UNPROVEN]} calls lack a hash of their content: {_FAULTS}")
    counts = (
        *shown.counts,
        ("calls with hashes of their content", hashed[MADE]),
        ("calls of which a hash could not be made", hashed[UNPROVEN]),
        ("calls from before hashes were made", hashed[OFF]),
    )
    if proof.records is not None:
        counts += (("records in the log", proof.records), ("signed checkpoints", proof.checkpoints))
    return replace(shown, counts=(*counts, ("lost calls", lost)), gaps=gaps)


def _retention(shown: Shown, rule: Retention, period: Period) -> Shown:
    proof = period.proof
    age = max(0, period.now_ms - proof.first_ms) // _DAY_MS if proof.first_ms else 0
    gaps = shown.gaps
    if not proof.verified:
        gaps = (*gaps, "The log is not verified: its oldest record proves nothing.")
    counts = (*shown.counts, ("days to keep", rule.days), ("age of the log in days", age))
    return replace(shown, counts=counts, gaps=gaps)


def _kept(shown: Shown, rule: Payloads | Encryption, period: Period) -> Shown:
    kept, gaps = period.kept, shown.gaps
    if isinstance(rule, Payloads) and not rule.keep:
        if kept.responses:
            answers = f"{kept.responses} answers of the period are kept, sealed, for clients to"
            gaps = (*gaps, f"{answers} fetch.")
        if kept.contents:
            contents = (
                f"Contents of {kept.contents} calls of the period, or hashes of them, are kept"
            )
            gaps = (*gaps, f"{contents}, sealed: `federation data show` tells which.")
    counts = (
        ("kept answers, sealed with AES-256-GCM", kept.responses),
        ("kept contents of calls or hashes of them, sealed with AES-256-GCM", kept.contents),
    )
    return replace(shown, counts=shown.counts + counts, gaps=gaps)


def _open(shown: Shown, kind: str, period: Period) -> Shown:
    count = period.open_violations.get(kind, 0)
    counts = (*shown.counts, ("open violations", count))
    gaps = shown.gaps
    if count:
        gaps = (*gaps, f"{count} violations of this rule are not resolved.")
    return replace(shown, counts=counts, gaps=gaps)
