"""Whether one rule demands at least what another one does. Pure.

The trap: a doubt is no. What cannot be compared (conditions, hours, patterns) must be written
alike, because a report must not call a demand kept that may be a weaker one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from federation.domain.policies import (
    STRICTEST_FIRST,
    AllowedModels,
    AllowedOperations,
    AllowedProviders,
    AnyRule,
    Approval,
    Certified,
    DeniedModels,
    DeniedOperations,
    DeniedProviders,
    Guard,
    Guardrails,
    Hours,
    MaxCost,
    MaxPrice,
    Payloads,
    Pii,
    PiiAction,
    PiiExcluded,
    Privacy,
    PrivacyLevel,
    Prohibited,
    Residency,
    Retention,
    StoreResidency,
    Use,
    kind_of,
)
from federation.domain.regions import meets
from federation.governance.obligations import LEAST_KEPT_FIRST, obligations_of

_LEVELS: Final = tuple(Privacy)
_BESIDE: Final = ("control", "evidence", "when", "file", "line")
"""What is no part of the demand itself; `when` is asked about by itself."""


def at_least(rule: AnyRule, demand: AnyRule) -> bool:
    """Whether whoever obeys `rule` obeys `demand`, too; where that cannot be told, it is not."""
    one, other = _as_pii(rule), _as_pii(demand)
    if kind_of(one) != kind_of(other) or rule.when not in ("", demand.when):
        return False
    return _said(one) == _said(other) or _stricter(one, other)


def _as_pii(rule: AnyRule) -> AnyRule:
    """What keeps all personal data away, as the content checks are told it."""
    if not isinstance(rule, PiiExcluded):
        return rule
    duty = obligations_of(rule)
    return Pii(action=duty.pii, block_on_failure=duty.pii_block_on_failure)


def _said(rule: AnyRule) -> dict[str, object]:
    return {name: getattr(rule, name) for name in rule.__struct_fields__ if name not in _BESIDE}


def _stricter(rule: AnyRule, demand: AnyRule) -> bool:
    match rule, demand:
        case (Residency(places=places), Residency(places=allowed)) | (
            StoreResidency(places=places),
            StoreResidency(places=allowed),
        ):
            return all(meets(place, allowed) for place in places)
        case (Use(), Use()):
            return set(rule.allowed) <= set(demand.allowed)
        case (PrivacyLevel(), PrivacyLevel()):
            return _LEVELS.index(rule.level) >= _LEVELS.index(demand.level)
        case (Pii(), Pii()):
            return _pii(rule, demand)
        case (Guardrails(), Guardrails()):
            return all(any(_checks(one, other) for one in rule.guards) for other in demand.guards)
        case (Payloads(), Payloads()):
            least = LEAST_KEPT_FIRST
            kept_less = least.index(rule.keep) <= least.index(demand.keep)
            return kept_less and (not rule.keep or _within(rule.days, demand.days))
        case (Retention(), Retention()):
            return rule.days >= demand.days
        case (MaxCost(), MaxCost()):
            return rule.nano <= demand.nano
        case (MaxPrice(), MaxPrice()):
            units = dict(rule.units)
            return (
                _within(rule.input, demand.input)
                and _within(rule.output, demand.output)
                and _writes_within(rule, demand)
                and all(_within(units.get(unit), most) for unit, most in demand.units)
            )
        case _:
            return _lists(rule, demand)


def _lists(rule: AnyRule, demand: AnyRule) -> bool:
    match rule, demand:
        case (
            (AllowedProviders(names=names), AllowedProviders(names=demanded))
            | (AllowedModels(names=names), AllowedModels(names=demanded))
            | (AllowedOperations(names=names), AllowedOperations(names=demanded))
        ):
            return set(names) <= set(demanded)
        case (
            (Certified(names=names), Certified(names=demanded))
            | (DeniedProviders(names=names), DeniedProviders(names=demanded))
            | (DeniedModels(names=names), DeniedModels(names=demanded))
            | (DeniedOperations(names=names), DeniedOperations(names=demanded))
        ):
            return set(names) >= set(demanded)
        case (Prohibited(), Prohibited()):
            return set(rule.classes) >= set(demand.classes) and _reaches(rule.at, demand.at)
        case (Approval(), Approval()):
            return rule.name == demand.name and _reaches(rule.at, demand.at)
        case (Hours(), Hours()):
            return set(rule.windows) <= set(demand.windows)
        case _:
            return False


def _pii(rule: Pii, demand: Pii) -> bool:
    said, demanded = dict(rule.types), dict(demand.types)
    return (
        _acts(rule.action, demand.action)
        and all(
            _acts(said.get(kind, rule.action), demanded.get(kind, demand.action))
            for kind in (*said, *demanded)
        )
        and rule.block_on_failure >= demand.block_on_failure
        and _within(rule.max_characters, demand.max_characters)
        and set(rule.patterns) >= set(demand.patterns)
    )


def _checks(one: Guard, other: Guard) -> bool:
    alike = one.name == other.name and one.threshold <= other.threshold
    return alike and one.block >= other.block


def _acts(action: PiiAction | None, demanded: PiiAction | None) -> bool:
    if action is None or demanded is None:
        return demanded is None
    return STRICTEST_FIRST.index(action) <= STRICTEST_FIRST.index(demanded)


def _writes_within(rule: MaxPrice, demand: MaxPrice) -> bool:
    """A cap on what is kept longer also refuses where its price is unknown, so only another
    such cap serves it; a cap on all writing is kept by one for each kind."""
    long = rule.cache_write if rule.cache_write_long is None else rule.cache_write_long
    return (
        _within(rule.cache_write, demand.cache_write)
        and _within(rule.cache_write_long, demand.cache_write_long)
        and (demand.cache_write_long is not None or _within(long, demand.cache_write))
    )


def _within(most: int | None, demanded: int | None) -> bool:
    return demanded is None or (most is not None and most <= demanded)


def _reaches(at: Collection[str], demanded: Collection[str]) -> bool:
    """Whether some selectors name all that others do."""
    return "*" in at or set(at) >= set(demanded)
