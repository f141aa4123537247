"""Every policy in force, compiled: from the facts of a call to a ruling, in constant time.

Policies that bind the same caller are merged once into a `Scope`; what a call's facts can
change within it has few values (the minute, the operation, the verdicts of conditions), so a
ruling is looked up, not computed. All memos are bounded. Those of scopes and rulings have keys
made only of names that policies mention, so that clients cannot make them grow; the one of
callers has the name that the client gave its route, and begins anew when it is full.

The trap: strictest wins because sets are intersected and nothing is ever added to one. There
is no exception, no priority and no order among policies, and report mode only watches.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from federation.domain.catalogue import Deployment
from federation.domain.policies import Attachment, Hours, Mode, Policy
from federation.errors import ConfigError, Problem
from federation.governance.census import Census
from federation.governance.clauses import Clause, clauses_of
from federation.governance.conditions import Condition
from federation.governance.facts import CallFacts
from federation.governance.obligations import (
    NOTHING,
    Obligations,
    demands,
    merged,
    reportable,
)

ASKED = "privacy"
"""The rule that a call's own level of privacy counts under."""
_MEMO_LIMIT = 2048
_RULINGS_LIMIT = 256
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the policies say of one call. Shared by calls, never changed."""

    mask: int
    """Who may serve it: a set of indexes into `Snapshot.deployments`."""
    rules: tuple[tuple[str, int], ...]
    """(`policy:<rule>`, who passes), for rules that keep anybody out; `mask` is all of them
    intersected. Routing takes them as rules of its own."""
    obligations: Obligations
    watched: tuple[tuple[str, int], ...] = ()
    """(`<policy>.<rule>`, whom it would keep out), of policies in report mode."""
    would: Obligations = NOTHING
    """What policies in report mode would ask for."""
    policies: tuple[str, ...] = ()
    """Labels of the policies that bind the caller, report mode included."""
    looks: tuple[tuple[str, Obligations], ...] = ()
    """(`<policy>.<rule>`, what it would ask of content), of policies in report mode."""


class _Parts:
    """Clauses of one mode, with what no call changes already merged."""

    __slots__ = ("base", "clauses", "duties", "moving")

    def __init__(self, clauses: Iterable[Clause], everything: int) -> None:
        self.clauses = tuple(clauses)
        fixed = [clause for clause in self.clauses if clause.fixed]
        self.moving = tuple(clause for clause in self.clauses if not clause.fixed)
        self.base: dict[str, int] = {}
        for clause in fixed:
            self.base[clause.kind] = self.base.get(clause.kind, everything) & clause.static
        self.duties = merged(clause.obligations for clause in fixed)


class Scope:
    """Everything that binds one kind of caller."""

    __slots__ = (
        "_approvals",
        "_census",
        "_classes",
        "_conditions",
        "_enforced",
        "_hourly",
        "_labels",
        "_reported",
        "_rulings",
    )

    def __init__(
        self, clauses: Iterable[Clause], policies: Iterable[Policy], census: Census
    ) -> None:
        every = tuple(clauses)
        self._census = census
        self._labels = tuple(policy.label for policy in policies)
        self._enforced = _Parts(_in_mode(every, Mode.ENFORCE), census.everything)
        self._reported = _Parts(_in_mode(every, Mode.REPORT), census.everything)
        conditions = {each.source: each for clause in every for each in clause.conditions}
        self._conditions: tuple[Condition, ...] = tuple(conditions.values())
        self._hourly = any(isinstance(clause.rule, Hours) for clause in every)
        self._classes = frozenset(_words(every, "classes"))
        self._approvals = frozenset(
            name for clause in every for name in clause.obligations.approvals
        )
        self._rulings: dict[Any, Ruling] = {}

    def ruling(self, facts: CallFacts) -> Ruling:
        """What holds for these facts."""
        privacy = facts.privacy
        if privacy is not None and privacy not in self._census.levels:
            privacy = "?"
        classes = facts.data_classes
        verdicts: Any = None
        if self._conditions:
            verdicts = tuple([condition.verdict(facts) for condition in self._conditions])
        key = (
            facts.operation,
            privacy,
            facts.at_ms // _MINUTE_MS if self._hourly else 0,
            classes if classes is None or not classes else classes & self._classes,
            facts.approvals & self._approvals if facts.approvals else None,
            facts.any_class,
            verdicts,
        )
        found = self._rulings.get(key)
        if found is None:
            if len(self._rulings) >= _RULINGS_LIMIT:
                self._rulings.clear()
            found = self._rulings[key] = self._rule(facts)
        return found

    def _rule(self, facts: CallFacts) -> Ruling:
        everything = self._census.everything
        kinds, duties = dict(self._enforced.base), [self._enforced.duties]
        if facts.privacy is not None:
            level = self._census.levels.get(facts.privacy, 0)
            kinds[ASKED] = kinds.get(ASKED, everything) & level
        for clause in self._enforced.moving:
            if clause.applies(facts):
                kinds[clause.kind] = kinds.get(clause.kind, everything) & clause.passes(facts)
                duties.append(clause.obligations)
        mask = everything
        for passes in kinds.values():
            mask &= passes
        rules = ((f"policy:{kind}", passes) for kind, passes in kinds.items())
        watched, would, looks = self._watch(facts)
        return Ruling(
            mask,
            tuple(rule for rule in rules if rule[1] != everything),
            merged(duties),
            watched,
            would,
            self._labels,
            looks,
        )

    def _watch(
        self, facts: CallFacts
    ) -> tuple[tuple[tuple[str, int], ...], Obligations, tuple[tuple[str, Obligations], ...]]:
        """Whom rules in report mode would keep out, what they would ask for, and each one's own
        demands on content: what one asks makes no other one stricter."""
        everything = self._census.everything
        seen: dict[str, int] = {}
        asked: dict[str, Obligations] = {}
        duties: list[Obligations] = []
        for clause in self._reported.clauses:
            if clause.applies(facts):
                duties.append(clause.obligations)
                label = f"{clause.policy.name}.{clause.kind}"
                seen[label] = seen.get(label, 0) | everything & ~clause.passes(facts)
                own = reportable(clause.obligations)
                if demands(own):
                    asked[label] = merged((asked.get(label, NOTHING), own))
        return tuple(pair for pair in seen.items() if pair[1]), merged(duties), tuple(asked.items())


class Rulebook:
    """All policies over one snapshot's deployments. Immutable but for bounded memos."""

    __slots__ = (
        "_mentioned",
        "_scopes",
        "_seen",
        "census",
        "clauses",
        "conditional",
        "policies",
    )

    def __init__(
        self,
        policies: tuple[Policy, ...],
        deployments: tuple[Deployment, ...],
        store: tuple[str, ...] = (),
    ) -> None:
        """`store` says where our own store lies; empty is unknown.

        Raises `ConfigError` for conditions that cannot be used, with the line of each.
        """
        problems: list[Problem] = []
        self.policies = policies
        self.census = Census(deployments)
        self.clauses = tuple(clauses_of(each, self.census, store, problems) for each in policies)
        if problems:
            raise ConfigError(problems)
        self.conditional = any(each.conditions for clauses in self.clauses for each in clauses)
        """Whether any rule reads more of a call than who asks, for what, when and with which
        data: the other facts may be left out where none does."""
        self._mentioned = tuple(
            frozenset(name.casefold() for policy in policies for name in _listed(policy, at))
            for at in range(4)
        )
        self._scopes: dict[tuple[str | None, ...], Scope] = {}
        self._seen: dict[tuple[str | None, ...], Scope] = {}

    def rule(self, facts: CallFacts) -> Ruling:
        """What the policies say of a call with these facts. Never raises."""
        caller = (facts.tenant, facts.team, facts.key, facts.route)
        scope = self._seen.get(caller)
        if scope is None:
            scope = self.scope(caller)
            if len(self._seen) >= _MEMO_LIMIT:
                self._seen.clear()
            self._seen[caller] = scope
        return scope.ruling(facts)

    def scope(self, caller: tuple[str | None, ...]) -> Scope:
        """What binds (tenant, team, key, route)."""
        known = tuple(
            self._known(name, mentioned)
            for name, mentioned in zip(caller, self._mentioned, strict=True)
        )
        found = self._scopes.get(known)
        if found is None:
            if len(self._scopes) >= _MEMO_LIMIT:
                self._scopes.clear()
            bound = [at for at, policy in enumerate(self.policies) if binds(policy.attach, known)]
            found = self._scopes[known] = Scope(
                (clause for at in bound for clause in self.clauses[at]),
                (self.policies[at] for at in bound),
                self.census,
            )
        return found

    @staticmethod
    def _known(name: str | None, mentioned: frozenset[str]) -> str | None:
        if name is None:
            return None if mentioned else ""
        folded = name.casefold()
        return folded if folded in mentioned else ""


def binds(attach: Attachment, caller: tuple[str | None, ...]) -> bool:
    """Whether a policy binds (tenant, team, key, route); unknown is bound, case is ignored."""
    lists = (attach.tenants, attach.teams, attach.keys, attach.routes)
    return all(
        not names or name is None or name.casefold() in {each.casefold() for each in names}
        for names, name in zip(lists, caller, strict=True)
    )


def _listed(policy: Policy, at: int) -> tuple[str, ...]:
    attach = policy.attach
    return (attach.tenants, attach.teams, attach.keys, attach.routes)[at]


def _in_mode(clauses: Iterable[Clause], mode: Mode) -> Iterable[Clause]:
    return (clause for clause in clauses if clause.policy.mode is mode)


def _words(clauses: Iterable[Clause], name: str) -> Iterable[str]:
    return (word for clause in clauses for word in getattr(clause.rule, name, ()))
