"""Which deployments may and can serve a call: every rule, applied once, closed by default.

Each rule is a set of those who pass, so checking a thousand deployments costs a few
intersections. Health is not a rule: who is cooling down is moved to the end of the order
(`strategies`), never removed, so that something is tried even when all are in doubt.

Two facts may be missing without a refusal, and only where the caller or the operator named
the deployments: what the model can do (rows that say nothing of it) and how much it
holds. The provider then has the last word. Nothing that governs is ever taken on trust.
"""

from __future__ import annotations

from federation.domain.access import VirtualKey
from federation.domain.money import usd_to_nano
from federation.errors import NotEligible
from federation.routing.fleet import Fleet, RuleOutcome
from federation.routing.masks import indexes_of
from federation.routing.names import Resolved, Rules, apply_rules
from federation.schema.glance import Constraints, Glance

ASSUMED_CONTEXT = 8192
"""Tokens that any chat model in service holds; more needs the fact."""
_LEAST_BYTES_PER_TOKEN = 5
"""Natural text has about four bytes to a token. The rule counts generously, because a
deployment wrongly removed is a refusal, and one wrongly kept only a fallback."""
_FILE_KINDS = ("file", "pdf", "document")
_WISHES = frozenset({"prefill"})
"""Abilities whose lack changes an answer and refuses none: where the caller named the
model, its provider decides what a conversation that ends with an assistant means."""
_LISTED = 5
_REMOVED_LIMIT = 100

_CALLER = 400
_GOVERNED = 403
_NOBODY = 404

_STATUS = {
    **dict.fromkeys(("ability", "modality", "context", "max_output"), _CALLER),
    **dict.fromkeys(("operation", "dialect", "retired"), _NOBODY),
    "policy": _GOVERNED,
}
"""By the rule that left nobody; the others govern. Never a 5xx: vendors' clients would try again
by themselves, and who is ill or cooling down is no rule."""

_EXPLAIN = {
    "operation": "does not offer this operation",
    "dialect": "speaks a wire language in which this build cannot ask for this operation",
    "disabled": "is disabled",
    "credential": "has no usable credential",
    "retired": "has been retired by its provider",
    "other_host": "is another host of these weights (name provider/model, or set auto.other_hosts)",
    "data_unknown": "has an unknown region or data use (auto.unknown lets `auto` use it)",
    "key_models": "is not among the models of this key",
    "key_providers": "is not among the providers of this key",
    "tier_providers": "is not among the providers that this tenant's tier leaves it",
    "context": "holds too few tokens for this prompt",
    "max_output": "cannot write as many tokens as max_tokens asks for",
    "residency": "is not known to keep data where data_residency says",
    "max_cost": "is predicted to cost more than max_cost, or its price is unknown",
    "policy:max_cost": "is predicted to cost more than policies allow, or its price is unknown",
    "max_latency": "is predicted to take longer than max_latency_ms",
    "vectors": "makes other vectors than the deployment that this name stands for",
}


def rule_outcome(
    fleet: Fleet, target: Resolved, glance: Glance, key: VirtualKey | None, policy: Rules
) -> RuleOutcome:
    """What the call's rules, those of policies first, leave of its target; `NotEligible` where
    nobody is left.

    Calls of one kind bring the same rules: what they come to is kept under everything that
    they are made of. The sizes of a prompt and its answer stand for who is large enough.
    """
    ask = glance.ask.constraints
    brought = (
        target.name,
        glance.needs,
        bool(glance.images),
        bool(glance.audio),
        bool(glance.files),
        _roomy(fleet, target, glance),
        None if key is None else (key.models, key.providers, key.most_providers),
        (ask.data_residency, ask.gdpr_required, ask.soc2_required, ask.hipaa_required),
        policy,
    )
    found = fleet.outcome(brought)
    if found is None:
        rules = policy + call_rules(fleet, target, glance, key)
        mask, removed = eligible(target, rules)
        if not mask:
            raise refusal(fleet, target, rules)
        found = RuleOutcome(rules, removed, fleet.slate(mask))
        fleet.keep(brought, found)
    return found


def call_rules(fleet: Fleet, target: Resolved, glance: Glance, key: VirtualKey | None) -> Rules:
    """The rules that this call brings, as (rule, who passes).

    The predicted price and duration are rules too; `decide` adds them, because they need
    predictions.
    """
    rules = list(key_rules(fleet, target.name, key))
    trusted = fleet.unstated if target.named else 0
    rules += [
        (f"ability:{ability}", fleet.abilities.get(ability, 0) | trusted)
        for ability in glance.needs
        if not (target.named and ability in _WISHES)
    ]
    if glance.images:
        rules.append(("modality:image", fleet.modalities.get("image", 0) | trusted))
    if glance.audio:
        rules.append(("modality:audio", fleet.modalities.get("audio", 0) | trusted))
    if glance.files:
        rules.append(("modality:file", _any(fleet.modalities, _FILE_KINDS) | trusted))
    context, written = _roomy(fleet, target, glance)
    rules.append(("context", context))
    if written is not None:
        rules.append(("max_output", written))
    rules += governing_rules(fleet, glance.ask.constraints)
    return tuple(rules)


def key_rules(fleet: Fleet, name: str, key: VirtualKey | None) -> Rules:
    """What a virtual key may reach, for a call that names `name`."""
    rules: Rules = ()
    if key is not None:
        if key.models and name not in key.models:
            rules = (("key_models", fleet.named(key.models)),)
        if key.providers:
            rules = (*rules, ("key_providers", fleet.of_providers(key.providers)))
        if key.most_providers is not None:
            rules = (*rules, ("tier_providers", fleet.first(key.most_providers)))
    return rules


def _any(table: dict[str, int], names: tuple[str, ...]) -> int:
    mask = 0
    for name in names:
        mask |= table.get(name, 0)
    return mask


def _roomy(fleet: Fleet, target: Resolved, glance: Glance) -> tuple[int, int | None]:
    """Who holds the prompt and its answer, and who can write so much; None where the call does
    not say how much."""
    read, written = glance.text_bytes // _LEAST_BYTES_PER_TOKEN, glance.max_output or 0
    context = fleet.context.at_least(read + written) & fleet.max_input.at_least(read)
    if target.named or read + written <= ASSUMED_CONTEXT:
        context |= fleet.context_unknown
    if not written:
        return context, None
    return context, fleet.max_output.at_least(written) | fleet.max_output_unknown


def governing_rules(fleet: Fleet, constraints: Constraints) -> Rules:
    """What a call demands of the place and the evidence of whoever serves it."""
    rules: list[tuple[str, int]] = []
    if constraints.data_residency is not None:
        rules.append(("residency", fleet.resident_in(constraints.data_residency)))
    if constraints.gdpr_required:
        rules.append(("certification:gdpr", fleet.certifications.get("gdpr", 0)))
    if constraints.soc2_required:
        rules.append(("certification:soc2", fleet.certifications.get("soc2", 0)))
    if constraints.hipaa_required:
        rules.append(("certification:hipaa", fleet.certifications.get("hipaa", 0)))
    return tuple(rules)


def cost_cap(constraints: Constraints, policy_nano: int | None) -> tuple[str, int] | None:
    """The lower of the caps on the predicted cost, in nano-dollars, and the rule that sets it."""
    own = constraints.max_cost
    # By its text: 0.00013 times a billion is a little less than 130,000, and what costs exactly
    # that would be refused.
    asked = None if own is None else usd_to_nano(repr(own))
    if policy_nano is not None and (asked is None or policy_nano < asked):
        return "policy:max_cost", policy_nano
    return None if asked is None else ("max_cost", asked)


def eligible(target: Resolved, rules: Rules) -> tuple[int, dict[str, int]]:
    """Who may serve the call under its rules, and how many each rule removed (each counted
    once, under the first)."""
    mask, removed = apply_rules(target.ready, rules)
    if target.unready:
        removed.update(target.unready)
    return mask, removed


def removed_by(fleet: Fleet, target: Resolved, rules: Rules) -> dict[str, str]:
    """Each removed deployment's id and the first rule that removed it. For people: slow."""
    mask, removed = target.mask, {}
    for rule, passes in (*target.rules, *rules):
        for index in indexes_of(mask & ~passes):
            removed[fleet.ids[index]] = rule
        mask &= passes
    return removed


def refusal(fleet: Fleet, target: Resolved, rules: Rules) -> NotEligible:
    """The error for a call that no deployment may serve, naming the rule for each."""
    removed = removed_by(fleet, target, rules)
    standing = {rule: -place for place, (rule, _) in enumerate(target.rules)}
    # What the call itself brought comes first: that is what its author can change. Of what was
    # there before, who came furthest: what lacks but a credential before what never could.
    ranked = sorted(removed.items(), key=lambda entry: standing.get(entry[1], -len(standing)))
    bounded = dict(ranked[:_REMOVED_LIMIT])
    groups: dict[str, list[str]] = {}
    for deployment, rule in ranked:
        groups.setdefault(rule, []).append(deployment)
    asked = any(rule not in standing for rule in groups)
    parts = [
        _part(rule, members) for rule, members in groups.items() if not (asked and rule in standing)
    ]
    others = len(removed) - sum(len(groups[rule]) for rule in groups if rule not in standing)
    if asked and others:
        parts.append(f"{others} others cannot be asked at all (not configured, or set aside)")
    if not parts:
        parts = ["there is no deployment behind this name"]
    return NotEligible(
        f"No deployment may serve this call as {target.name!r}: {'; '.join(parts)}.",
        removed=bounded,
        status=_status(target, rules),
    )


def meaning(rule: str) -> str:
    """What a rule says of those whom it removes."""
    kind, _, fact = rule.partition(":")
    return _EXPLAIN.get(rule) or {
        "ability": f"cannot do {fact}",
        "modality": f"does not read {fact} input",
        "certification": f"has no evidenced {fact} certification",
        "policy": "is kept out by a policy",
    }.get(kind, rule)


def _part(rule: str, members: list[str]) -> str:
    reason = meaning(rule)
    shown = ", ".join(members[:_LISTED])
    more = f" and {len(members) - _LISTED} more" if len(members) > _LISTED else ""
    return f"{shown}{more} ({rule}: {reason})"


def _status(target: Resolved, rules: Rules) -> int:
    """403 where a rule that governs decided (switched off or without a credential, too), 400
    where the request asks what nobody can do, 404 where nobody is there to do it."""
    mask = target.mask
    for rule, passes in rules:
        if rule.startswith("key_"):
            mask &= passes
    if target.mask and not mask:
        return _GOVERNED
    decisive = ""
    for rule, passes in (*target.rules, *rules):
        mask &= passes
        if not mask:
            decisive = rule.partition(":")[0]
            break
    if decisive == "operation" and target.mask and target.named:
        return _CALLER
    return _STATUS.get(decisive, _GOVERNED if decisive else _NOBODY)
