"""Why a deployment may not serve a call: every rule that keeps it out, not only the first.

For people, so it may be slow: it asks each clause by itself. A test keeps it in step with
what `Rulebook.rule` decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from federation.domain.money import nano_to_usd
from federation.domain.policies import (
    AnyRule,
    Approval,
    Certified,
    Condition,
    DeploymentCondition,
    Hours,
    Mode,
    PrivacyLevel,
    Prohibited,
    Residency,
    StoreResidency,
    Use,
)
from federation.governance.clauses import STORE, Clause
from federation.governance.facts import CallFacts
from federation.governance.obligations import Obligations
from federation.governance.rulebook import ASKED, Rulebook, binds

_SHOWN = 8
_REFUSALS = 20

_PLAIN = {
    "allowed_providers": "is not among the providers that this policy allows",
    "denied_providers": "is among the providers that this policy denies",
    "allowed_models": "is not among the models that this policy allows",
    "denied_models": "is among the models that this policy denies",
    "allowed_operations": "the operation is not among those that this policy allows",
    "denied_operations": "the operation is among those that this policy denies",
    "max_price": "may cost more than the price cap, or its price is unknown",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that keeps a deployment out, or would if its policy were enforced."""

    policy: str
    """Its label: name, version, digest; empty where the call itself asked."""
    rule: str
    text: str
    control: str = ""
    evidence: str = ""
    where: str = ""
    """File and line."""
    enforced: bool = True


def reasons(rulebook: Rulebook, facts: CallFacts) -> dict[str, tuple[Reason, ...]]:
    """For each deployment that any rule keeps out, or would: the rules."""
    found: dict[str, list[Reason]] = {}
    ids, everything = rulebook.census.ids, rulebook.census.everything
    if facts.privacy is not None:
        level = rulebook.census.levels.get(facts.privacy, 0)
        asked = _asked(facts.privacy)
        for index in rulebook.census.members(everything & ~level):
            found.setdefault(ids[index], []).append(asked)
    for clause in bound(rulebook, facts):
        out = everything & ~clause.passes(facts)
        if out:
            reason = reason_of(clause)
            for index in rulebook.census.members(out):
                found.setdefault(ids[index], []).append(reason)
    return {name: tuple(said) for name, said in found.items()}


def refusals(rulebook: Rulebook, facts: CallFacts, among: int) -> tuple[tuple[Reason, int], ...]:
    """The enforced rules that keep out any of a set of deployments, and how many of it each does;
    the widest first, the first twenty. Quick enough for the answer to a refused call."""
    found: dict[Reason, int] = {}
    if facts.privacy is not None:
        level = rulebook.census.levels.get(facts.privacy, 0)
        found[_asked(facts.privacy)] = among & ~level
    for clause in bound(rulebook, facts):
        if clause.policy.mode is Mode.ENFORCE and (out := among & ~clause.passes(facts)):
            reason = reason_of(clause)
            found[reason] = found.get(reason, 0) | out
    counted = [(reason, out.bit_count()) for reason, out in found.items() if out]
    return tuple(sorted(counted, key=lambda pair: -pair[1])[:_REFUSALS])


def bound(rulebook: Rulebook, facts: CallFacts) -> Iterator[Clause]:
    """The clauses that bind the call's author and apply to the call."""
    caller = (facts.tenant, facts.team, facts.key, facts.route)
    for policy, clauses in zip(rulebook.policies, rulebook.clauses, strict=True):
        if binds(policy.attach, caller):
            yield from (clause for clause in clauses if clause.applies(facts))


def duties(obligations: Obligations) -> dict[str, Any]:
    """Every demand that is made, as plain JSON values; money in USD, as text."""
    shown = {
        "logged": obligations.logged,
        "durability": "disk" if obligations.durable else None,
        "pii": obligations.pii.value if obligations.pii else None,
        "pii_types": {kind: action.value for kind, action in obligations.pii_types},
        "pii_patterns": [each.name for each in obligations.pii_patterns] or None,
        "pii_on_failure": "block" if obligations.pii_block_on_failure else None,
        "pii_max_characters": obligations.most_characters,
        "guardrails": [guard.name for guard in obligations.guards],
        "retention_days": obligations.retention_days,
        "payload_days": obligations.payload_days,
        "encryption": obligations.encryption,
        "residency": [list(places) for places in obligations.residency],
        "approvals": list(obligations.approvals),
        "listed_fields_only": obligations.listed_fields_only,
    }
    kept = {name: value for name, value in shown.items() if value}
    if obligations.keep_payloads is not None:
        kept["keep_payloads"] = obligations.keep_payloads
    if obligations.max_cost_nano is not None:
        kept["max_cost"] = str(nano_to_usd(obligations.max_cost_nano))
    return kept


def reason_of(clause: Clause) -> Reason:
    """What a clause says to those whom it keeps out."""
    rule = clause.rule
    text = "our own store is not known to lie within it" if clause.kind == STORE else _text(rule)
    return Reason(
        policy=clause.policy.label,
        rule=clause.kind,
        text=text or _PLAIN.get(clause.kind, clause.kind),
        control=rule.control,
        evidence=rule.evidence,
        where=f"{rule.file}:{rule.line}" if rule.line else rule.file,
        enforced=clause.policy.mode is Mode.ENFORCE,
    )


def _asked(level: str) -> Reason:
    return Reason("", ASKED, f"the call asks for the privacy level {_cut(level)!r}")


def _text(rule: AnyRule) -> str:
    match rule:
        case Residency():
            return f"is not known to keep data within {_listed(rule.places)}"
        case StoreResidency():
            return f"our own store is not known to lie within {_listed(rule.places)}"
        case Certified():
            return f"has no evidenced certification for {_listed(rule.names)}"
        case PrivacyLevel():
            return f"does not meet the privacy level {rule.level.value}"
        case Use():
            return (
                f"its use of data is not known to be {_listed(use.value for use in rule.allowed)}"
            )
        case Prohibited():
            return f"may not receive {_listed(rule.classes)}, or the call's data is unclassified"
        case _:
            return _text_of_call(rule)


def _text_of_call(rule: AnyRule) -> str:
    match rule:
        case Hours():
            return f"the hour is outside those of the policy ({rule.windows[0].zone})"
        case Approval():
            return f"needs the approval {rule.name!r}, which is not in force"
        case Condition():
            return f"the condition is not true for this call: {_cut(rule.expression)}"
        case DeploymentCondition():
            return f"the condition is not true for it: {_cut(rule.expression)}"
        case _:
            return ""


def _listed(words: Iterator[str] | tuple[str, ...]) -> str:
    every = tuple(words)
    shown = ", ".join(every[:_SHOWN]) or "nothing"
    return f"{shown}, ..." if len(every) > _SHOWN else shown


def _cut(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]}..."
