"""What a change of policies does: which rules come and go, and whom that opens or closes to whom.

The effect is found by asking both sets of policies about the same calls: one for each kind of
caller that any policy names, and one that none names. Nothing about it is guessed from words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import structs

from federation.domain.policies import AnyRule, Policy, kind_of
from federation.governance.explain import duties
from federation.governance.facts import CallFacts
from federation.governance.rulebook import Rulebook

_META = frozenset({"rule", "file", "line", "control", "evidence", "shifts"})


@dataclass(frozen=True, slots=True)
class Detail:
    """One rule, or fact of a policy, on both sides; empty where one side has none."""

    name: str
    before: str
    after: str

    @property
    def lines(self) -> list[str]:
        """The same, a line for each side."""
        sides = (("-", self.before), ("+", self.after))
        return [f"{sign} {self.name} {words}" for sign, words in sides if words]


@dataclass(frozen=True, slots=True)
class Change:
    """A policy that is not the same on both sides."""

    policy: str
    what: str
    """added | removed | changed"""
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What changes for one kind of caller; empty names are callers that no policy mentions."""

    tenant: str
    team: str
    key: str
    route: str
    lost: tuple[str, ...]
    """Deployments that it may not reach any more."""
    gained: tuple[str, ...]
    duties: tuple[str, ...]


def changes(before: tuple[Policy, ...], after: tuple[Policy, ...]) -> list[Change]:
    """Policies that were added, removed or changed, by name."""
    old, new = ({policy.name: policy for policy in side} for side in (before, after))
    found: list[Change] = []
    for name in sorted({*old, *new}):
        if name not in old:
            found.append(Change(name, "added", tuple(_paired((), new[name].rules))))
        elif name not in new:
            found.append(Change(name, "removed", tuple(_paired(old[name].rules, ()))))
        elif details := tuple(_details(old[name], new[name])):
            found.append(Change(name, "changed", details))
    return found


def effects(before: Rulebook, after: Rulebook, facts: CallFacts) -> list[Effect]:
    """For each kind of caller to whom it matters: what a call with such facts gains and loses.

    Both sides must have been made of the same deployments.
    """
    found: list[Effect] = []
    for tenant, team, key, route in _callers(before, after):
        asked = structs.replace(facts, tenant=tenant, team=team, key=key, route=route)
        old, new = before.rule(asked), after.rule(asked)
        effect = Effect(
            tenant,
            team,
            key,
            route,
            lost=_named(before, old.mask & ~new.mask),
            gained=_named(before, new.mask & ~old.mask),
            duties=tuple(_moved(duties(old.obligations), duties(new.obligations))),
        )
        if effect.lost or effect.gained or effect.duties:
            found.append(effect)
    return found


def _details(old: Policy, new: Policy) -> Iterator[Detail]:
    for name in ("version", "mode", "attach"):
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield Detail(name, _plain(was), _plain(now))
    yield from _paired(old.rules, new.rules)


def _paired(old: Iterable[AnyRule], new: Iterable[AnyRule]) -> Iterator[Detail]:
    """The rules that one side alone has; what is of a kind stands side by side, in its order."""
    had, has = ([(kind_of(rule), _plain(rule)) for rule in side] for side in (old, new))
    gone = [each for each in had if each not in has]
    come = [each for each in has if each not in had]
    for kind in dict.fromkeys(kind for kind, _ in (*gone, *come)):
        sides = ([words for name, words in side if name == kind] for side in (gone, come))
        for before, after in zip_longest(*sides, fillvalue=""):
            yield Detail(kind, before, after)


def _plain(value: Any) -> str:
    return json.dumps(_bare(msgspec.to_builtins(value)), separators=(", ", ": "))


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if key not in _META and each != []}
    return [_bare(each) for each in value] if isinstance(value, list | tuple) else value


def _callers(*books: Rulebook) -> list[tuple[str, str, str, str]]:
    """One caller that nobody names, then one for each name in any attachment."""
    found: dict[tuple[str, str, str, str], None] = {("", "", "", ""): None}
    for book in books:
        for policy in book.policies:
            at = policy.attach
            for tenant in at.tenants or ("",):
                for team in at.teams or ("",):
                    for key in at.keys or ("",):
                        for route in at.routes or ("",):
                            found[tenant, team, key, route] = None
    return list(found)


def _named(book: Rulebook, mask: int) -> tuple[str, ...]:
    return tuple(book.census.ids[index] for index in book.census.members(mask))


def _moved(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was != now:
            yield f"{name}: {json.dumps(was)} -> {json.dumps(now)}"
