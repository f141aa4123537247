"""What must be done where a call is allowed, and how two demands become one: the strictest.

A field left empty asks for nothing. Merging is commutative, associative and idempotent, and
its result satisfies both sides.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Final

import msgspec

from federation.domain.policies import (
    STRICTEST_FIRST,
    AnyRule,
    Approval,
    Certified,
    Durable,
    Encryption,
    Guard,
    Guardrails,
    Keep,
    Logged,
    MaxCost,
    MaxPrice,
    Payloads,
    Pii,
    PiiAction,
    PiiExcluded,
    PiiPattern,
    PrivacyLevel,
    Prohibited,
    Residency,
    Retention,
    StoreResidency,
    Use,
)
from federation.domain.regions import all_meet

CANARY: Final = "canary"
"""The guard that puts a mark into a call, and looks for it in the answer."""
LEAST_KEPT_FIRST: Final[tuple[Keep, ...]] = (False, "hashes", True)
_RANK = {action: rank for rank, action in enumerate(STRICTEST_FIRST)}


class Obligations(msgspec.Struct, frozen=True, cache_hash=True):
    """Duties of whoever carries the call, its answer and its records. Every call is looked up
    by them, so their hash is kept."""

    logged: bool = False
    """A record must be safe, or the call is refused."""
    durable: bool = False
    """It must be on the disk before the answer ends."""
    pii: PiiAction | None = None
    """For types of personal data that `pii_types` does not name; None is no demand."""
    pii_types: tuple[tuple[str, PiiAction], ...] = ()
    pii_block_on_failure: bool = False
    pii_patterns: tuple[PiiPattern, ...] = ()
    """Types of the operator's own; two of one name count both."""
    most_characters: int | None = None
    """Of one text; a longer one is refused instead of read."""
    guards: tuple[Guard, ...] = ()
    """By name, each once."""
    retention_days: int = 0
    """Records are kept so long at least."""
    keep_payloads: Keep | None = None
    """None is no demand; what keeps less wins."""
    payload_days: int | None = None
    """Kept content is gone after so many days."""
    encryption: str = ""
    """What seals whatever is kept of the content."""
    max_cost_nano: int | None = None
    residency: tuple[tuple[str, ...], ...] = ()
    """Each a list of places; wherever the data goes (store, cache, log, export) must be in one
    place of every list: see `may_lie_in`."""
    approvals: tuple[str, ...] = ()
    """Names under which some deployment needs an approval."""
    listed_fields_only: bool = False
    """Request fields that no list names are refused: they might move data or price."""

    def pii_action(self, kind: str) -> PiiAction | None:
        """What happens to a type of personal data."""
        return dict(self.pii_types).get(kind, self.pii)

    def may_lie_in(self, places: tuple[str, ...]) -> bool:
        """Whether data may be processed or kept where these places say; nowhere said is no."""
        return all(all_meet(places, demanded) for demanded in self.residency)


NOTHING = Obligations()


def demands(duties: Obligations) -> bool:
    """Whether anything is asked of content."""
    return bool(duties.pii is not None or duties.pii_types or duties.guards)


def reportable(duties: Obligations) -> Obligations:
    """What is asked of content and can be looked for without a byte of it changed; nothing else.
    A canary is left out: one that nobody put into a call cannot come back."""
    return Obligations(
        pii=duties.pii,
        pii_types=duties.pii_types,
        pii_block_on_failure=duties.pii_block_on_failure,
        pii_patterns=duties.pii_patterns,
        most_characters=duties.most_characters,
        guards=tuple(guard for guard in duties.guards if guard.name != CANARY),
    )


def obligations_of(rule: AnyRule) -> Obligations:
    """What one rule asks for."""
    match rule:
        case Logged():
            return Obligations(logged=True)
        case PiiExcluded():
            return Obligations(pii=PiiAction.REDACT, pii_block_on_failure=True)
        case Pii():
            return Obligations(
                pii=rule.action,
                pii_types=rule.types,
                pii_block_on_failure=rule.block_on_failure,
                pii_patterns=rule.patterns,
                most_characters=rule.max_characters,
            )
        case Guardrails():
            return Obligations(guards=rule.guards)
        case Approval():
            return Obligations(approvals=(rule.name,))
        case Residency() | StoreResidency():
            return Obligations(residency=(rule.places,), listed_fields_only=True)
        case PrivacyLevel() | Use() | MaxPrice() | Certified() | Prohibited():
            return Obligations(listed_fields_only=True)
        case MaxCost():
            return Obligations(max_cost_nano=rule.nano, listed_fields_only=True)
        case _:
            return _of_keeping(rule)


def _of_keeping(rule: AnyRule) -> Obligations:
    match rule:
        case Durable():
            return Obligations(durable=True)
        case Retention():
            return Obligations(retention_days=rule.days)
        case Payloads():
            return Obligations(keep_payloads=rule.keep, payload_days=rule.days)
        case Encryption():
            return Obligations(encryption=rule.algorithm)
        case _:
            return NOTHING


def merged(every: Iterable[Obligations]) -> Obligations:
    """All demands as one."""
    return reduce(_both, dict.fromkeys(every), NOTHING)


def _both(one: Obligations, other: Obligations) -> Obligations:
    if other == NOTHING:
        return one
    kinds = {kind for kind, _ in (*one.pii_types, *other.pii_types)}
    types = [
        (kind, action)
        for kind in sorted(kinds)
        if (action := _stricter(one.pii_action(kind), other.pii_action(kind))) is not None
    ]
    return msgspec.structs.replace(
        one,
        logged=one.logged or other.logged,
        durable=one.durable or other.durable,
        pii=_stricter(one.pii, other.pii),
        pii_types=tuple(types),
        pii_block_on_failure=one.pii_block_on_failure or other.pii_block_on_failure,
        pii_patterns=_patterns(one.pii_patterns, other.pii_patterns),
        most_characters=_least(one.most_characters, other.most_characters),
        guards=_guards(one.guards, other.guards),
        retention_days=max(one.retention_days, other.retention_days),
        keep_payloads=_keeping(one.keep_payloads, other.keep_payloads),
        payload_days=_least(one.payload_days, other.payload_days),
        encryption=one.encryption or other.encryption,
        max_cost_nano=_least(one.max_cost_nano, other.max_cost_nano),
        residency=tuple(sorted({*one.residency, *other.residency})),
        approvals=tuple(sorted({*one.approvals, *other.approvals})),
        listed_fields_only=one.listed_fields_only or other.listed_fields_only,
    )


def _stricter(one: PiiAction | None, other: PiiAction | None) -> PiiAction | None:
    if one is None or other is None:
        return one or other
    return min(one, other, key=_RANK.__getitem__)


def _patterns(one: tuple[PiiPattern, ...], other: tuple[PiiPattern, ...]) -> tuple[PiiPattern, ...]:
    if not one or not other:
        return one or other
    return tuple(sorted({*one, *other}, key=msgspec.structs.astuple))


def _guards(one: tuple[Guard, ...], other: tuple[Guard, ...]) -> tuple[Guard, ...]:
    found: dict[str, Guard] = {}
    for guard in (*one, *other):
        known = found.get(guard.name, guard)
        found[guard.name] = Guard(
            guard.name,
            guard.block or known.block,
            min(guard.threshold, known.threshold),
        )
    return tuple(found[name] for name in sorted(found))


def _keeping(one: Keep | None, other: Keep | None) -> Keep | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other, key=LEAST_KEPT_FIRST.index)


def _least(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
