"""One rule, compiled: who passes it whatever the call, and who passes for one call.

`static` is a set that no call changes; `test` narrows it for the facts of a call. A rule that
only asks for duties passes everybody. Nothing here is ever more lenient for a missing fact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from federation.domain.policies import (
    AllowedModels,
    AllowedOperations,
    AllowedProviders,
    AnyRule,
    Approval,
    Certified,
    DeniedModels,
    DeniedOperations,
    DeniedProviders,
    DeploymentCondition,
    Hours,
    MaxPrice,
    Policy,
    PrivacyLevel,
    Prohibited,
    Residency,
    StoreResidency,
    Use,
    kind_of,
)
from federation.domain.policies import Condition as ConditionRule
from federation.domain.regions import all_meet
from federation.errors import Problem
from federation.governance.census import Census
from federation.governance.conditions import FALSE, TRUE, Condition, on_call, on_deployment
from federation.governance.facts import CallFacts
from federation.governance.hours import is_open
from federation.governance.obligations import Obligations, obligations_of

Test: TypeAlias = Callable[[CallFacts], int]
STORE = "store_residency"


@dataclass(frozen=True, slots=True)
class Clause:
    """A rule of a policy, ready to be asked."""

    policy: Policy
    rule: AnyRule
    kind: str
    static: int
    test: Test | None
    """Who passes for the facts of a call, where that depends on them."""
    when: Condition | None
    condition: Condition | None
    """On the call, where the rule is one."""
    obligations: Obligations

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions on the call that decide it."""
        return tuple(each for each in (self.when, self.condition) if each is not None)

    @property
    def fixed(self) -> bool:
        """Whether no call changes what it says."""
        return self.test is None and self.when is None

    def applies(self, facts: CallFacts) -> bool:
        """Whether its `when` does not clearly exclude the call."""
        return self.when is None or self.when.verdict(facts) != FALSE

    def passes(self, facts: CallFacts) -> int:
        """Who passes, given that it applies."""
        return self.static if self.test is None else self.static & self.test(facts)


def clauses_of(
    policy: Policy, census: Census, store: tuple[str, ...], problems: list[Problem]
) -> tuple[Clause, ...]:
    """The rules of a policy; conditions that cannot be used are added to `problems`.

    `store` says where our own store lies, empty where nobody said.
    """
    found: list[Clause] = []
    for rule in policy.rules:
        try:
            when = on_call(rule.when) if rule.when else None
            own = on_call(rule.expression) if isinstance(rule, ConditionRule) else None
            static, test = _compiled(rule, census, store, own)
        except ValueError as error:
            words = f"the condition of '{policy.name}' ({kind_of(rule)}): {error}"
            problems.append(Problem(rule.file, rule.line or None, words))
            continue
        duties = obligations_of(rule)
        found.append(Clause(policy, rule, kind_of(rule), static, test, when, own, duties))
        if isinstance(rule, Residency) and store and not all_meet(store, rule.places):
            found.append(Clause(policy, rule, STORE, 0, None, when, None, duties))
    return tuple(found)


def _compiled(
    rule: AnyRule, census: Census, store: tuple[str, ...], own: Condition | None
) -> tuple[int, Test | None]:
    """Who passes, and the test that narrows it; `ValueError` for a condition."""
    everything = census.everything
    if own is not None:
        return everything, lambda facts: everything if own.verdict(facts) == TRUE else 0
    match rule:
        case AllowedOperations():
            allowed = frozenset(rule.names)
            return everything, lambda facts: everything if facts.operation in allowed else 0
        case DeniedOperations():
            denied = frozenset(name.casefold() for name in rule.names)
            return (
                everything,
                lambda facts: (
                    everything
                    if facts.operation and facts.operation.casefold() not in denied
                    else 0
                ),
            )
        case Hours():
            windows = rule.windows
            return everything, lambda facts: everything if is_open(windows, facts.at_ms) else 0
        case Prohibited():
            return everything, _prohibiting(rule, census)
        case MaxPrice():
            return _priced(rule, census)
        case Approval():
            name, reached = rule.name, census.possibly(rule.at)
            return (
                everything,
                lambda facts: everything if name in facts.approvals else everything & ~reached,
            )
        case _:
            return _static(rule, census, store), None


def _priced(rule: MaxPrice, census: Census) -> tuple[int, Test | None]:
    """Calls that do not ask for another class of service are billed in the usual one."""
    usual, dearest = census.priced(rule), census.priced(rule, any_class=True)
    if usual == dearest:
        return usual, None
    return usual, lambda facts: dearest if facts.any_class else usual


def _prohibiting(rule: Prohibited, census: Census) -> Test:
    classes = frozenset(rule.classes)
    everything = census.everything
    left = everything & ~census.possibly(rule.at)

    def test(facts: CallFacts) -> int:
        held = facts.data_classes
        return left if held is None or not classes.isdisjoint(held) else everything

    return test


def _static(rule: AnyRule, census: Census, store: tuple[str, ...]) -> int:
    match rule:
        case Residency():
            return census.resident_in(rule.places)
        case StoreResidency():
            return census.everything if all_meet(store, rule.places) else 0
        case Certified():
            return census.certified(rule.names)
        case PrivacyLevel():
            return census.levels[rule.level.value]
        case Use():
            return census.using(rule.allowed)
        case DeploymentCondition():
            condition = on_deployment(rule.expression)
            return census.where(lambda each: condition.verdict(each) == TRUE)
        case _:
            return _by_name(rule, census)


def _by_name(rule: AnyRule, census: Census) -> int:
    match rule:
        case AllowedProviders():
            return census.surely(rule.names)
        case DeniedProviders():
            return census.everything & ~census.possibly(rule.names)
        case AllowedModels():
            return census.named(rule.names)
        case DeniedModels():
            return census.everything & ~census.like(rule.names)
        case _:
            return census.everything
