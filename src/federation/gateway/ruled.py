"""The ruling of the policies on one call: its facts, the ruling itself, and the text of a refusal.

The trap: a ruling is made of indexes into one snapshot's deployments. It counts only where
the decision is made under the same `Rulebook`; `deciding.judged` sees to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from federation.dialects.governed import CLASSES
from federation.domain.access import VirtualKey
from federation.domain.approvals import Granted
from federation.governance.explain import Reason, duties, reasons, refusals
from federation.governance.facts import CallFacts
from federation.governance.rulebook import Rulebook, Ruling
from federation.routing.names import Rules
from federation.schema.glance import Glance
from federation.schema.operations import OperationGlance

POLICY: Final = "policy:"
"""How routing names the rules of policies."""
_TOLD: Final = 5
_REASONS: Final = 500
_REASON: Final = ("policy", "rule", "text", "control", "enforced")
Found: TypeAlias = tuple[tuple[Reason, int], ...]
"""Rules that keep deployments out, and how many each."""


@dataclass(slots=True)
class Ruled:
    """A call as policies see it."""

    book: Rulebook
    facts: CallFacts
    ruling: Ruling

    @staticmethod
    def under(book: Rulebook, facts: CallFacts) -> Ruled:
        """Ask the policies."""
        return Ruled(book, facts, book.rule(facts))

    def reasons(self, among: int) -> Found:
        """The enforced rules that keep out any of these deployments, and how many each."""
        return refusals(self.book, self.facts, among)

    def governance(self, among: int) -> dict[str, Any]:
        """As plain JSON values, for a dry run: which policies bind, what they demand, and every
        rule of theirs that keeps out any of these deployments; empty where none binds. Slow."""
        if not self.ruling.policies and self.facts.privacy is None:
            return {}
        ids = [self.book.census.ids[index] for index in self.book.census.members(among)]
        every = reasons(self.book, self.facts)
        found = [(name, reason) for name in ids for reason in every.get(name, ())]
        told = {
            "policies": list(self.ruling.policies),
            "obligations": duties(self.ruling.obligations),
            "would_oblige": duties(self.ruling.would),
            "reasons": [
                {"deployment": name, **{part: getattr(reason, part) for part in _REASON}}
                for name, reason in found[:_REASONS]
            ],
        }
        return {"governance": told}

    def watched(self, among: int) -> dict[str, int]:
        """Rules of policies in report mode, and how many of these they would keep out."""
        return {
            rule: count for rule, out in self.ruling.watched if (count := (out & among).bit_count())
        }


def rules_of(ruled: Ruled | None) -> Rules:
    """Routing's form of a ruling."""
    return () if ruled is None else ruled.ruling.rules


def max_nano_of(ruled: Ruled | None) -> int | None:
    """The most that the call may be predicted to cost."""
    return None if ruled is None else ruled.ruling.obligations.max_cost_nano


def facts_of(
    glance: Glance | OperationGlance,
    key: VirtualKey,
    operation: str,
    route: str,
    at_ms: int,
    *,
    whole: bool,
    approvals: tuple[Granted, ...] = (),
    asker: str = "",
) -> CallFacts:
    """The facts of a call, those that only conditions read where the `whole` is asked for.
    Approvals for one key know a person by `asker`, the id under which they are kept.
    Which classes of data it holds is what its author says."""
    classes = glance.ask.data_classes
    facts = CallFacts(
        key.tenant,
        operation,
        at_ms,
        key.id,
        key.team,
        route,
        glance.ask.privacy,
        None if classes is None else frozenset(classes),
    )
    if glance.governed:
        facts.any_class = not CLASSES.isdisjoint(glance.governed)
    if approvals:
        facts.approvals = frozenset(
            each.name
            for each in approvals
            if each.covers(key.tenant, asker or key.id, at_ms)
            or each.covers(key.tenant, key.id, at_ms)
        )
    return _filled(facts, glance) if whole else facts


def _filled(facts: CallFacts, glance: Glance | OperationGlance) -> CallFacts:
    ask = glance.ask
    facts.user = ask.user or glance.user
    facts.session = ask.session
    facts.tags = ask.tags
    facts.needs = glance.needs
    facts.stream = glance.stream
    facts.text_bytes = glance.text_bytes
    facts.images = glance.images
    if isinstance(glance, Glance):
        facts.messages = glance.messages
        facts.max_output = glance.max_output
        facts.audio = glance.audio
        facts.files = glance.files
        facts.tools = glance.tools
    else:
        facts.messages = glance.items
        facts.text_bytes += glance.characters
        facts.files = 1 if glance.media_bytes else 0
    return facts


def by_policy(found: Found) -> dict[str, int]:
    """For the record: `<policy>.<rule>`, and how many deployments it keeps out."""
    return {f"{reason.policy or 'call'}.{reason.rule}": count for reason, count in found}


def told(found: Found) -> str:
    """For the client: which policies keep deployments out, and by which rules."""
    parts = [
        f"{reason.rule} of {reason.policy.partition('@')[0] or 'the call itself'} keeps out "
        f"{count} ({reason.text})"
        for reason, count in found[:_TOLD]
    ]
    if len(found) > _TOLD:
        parts.append(f"{len(found) - _TOLD} more rules")
    return "; ".join(parts)
