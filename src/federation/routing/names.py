"""From the model name that a client sends to the deployments that it stands for.

A name is tried as a route, then as `provider/model`, then as a plain model id or alias,
then as `auto`. A plain id prefers the model's maker: the same weights at another host are
another place for the data, so they need the operator's leave (`other_hosts`) or a route.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from difflib import get_close_matches
from heapq import nlargest

from federation.domain.catalogue import Deployment
from federation.domain.routes import AUTO, Deadlines, Route, Weights
from federation.domain.snapshot import Snapshot
from federation.errors import NotFound
from federation.routing.masks import mask_of

Rules = tuple[tuple[str, int], ...]
_OPEN = Deadlines()
_NEAR_POOL = 60
"""difflib is slow, and anybody may send unknown names: it compares with so many others, those
that share most letters and pairs of letters."""
_NEAR = 9
_LEAST_LIKENESS = 0.55
_NAME_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a requested name stands for under one snapshot; shared by calls, never changed."""

    name: str
    mask: int
    """Every deployment behind the name."""
    rules: Rules
    """(rule, who passes it): those that no single call can change."""
    ready: int
    """Those of `mask` that pass all of `rules`."""
    unready: tuple[tuple[str, int], ...]
    """Rule and how many of `mask` it removed, each counted under the first."""
    strategy: str
    weights: Weights | None
    """The route's own."""
    deadlines: Deadlines
    """The route's own over the general ones."""
    own_deadlines: Deadlines
    mend: str
    order: tuple[int, ...] = ()
    """A route's targets as written; empty where the name gives no order."""
    shares: dict[int, float] = field(default_factory=dict)
    named: bool = True
    """The caller or the operator named these deployments; False where all are meant."""
    router_chose: bool = False


class Names:
    """Every name that a client may send, and what it stands for."""

    __slots__ = (
        "_deployments",
        "_grams",
        "_ids",
        "_known",
        "_makers",
        "_plain",
        "_routes",
        "_rules",
        "_settings",
        "_targets",
    )

    def __init__(self, snapshot: Snapshot, rules: Rules, known: int, makers: int) -> None:
        """`known` may be used by `auto`; `makers` may be used by a plain model id."""
        self._deployments = snapshot.deployments
        self._routes = snapshot.routes
        self._settings = snapshot.settings
        self._rules = rules
        self._known = known
        self._makers = makers
        self._ids = {deployment.id: i for i, deployment in enumerate(snapshot.deployments)}
        self._plain = _plain_names(snapshot.deployments)
        # Only names that exist are kept, so clients cannot make it grow.
        self._targets: dict[str, Resolved] = {}
        self._grams: dict[str, frozenset[str]] = {}

    def under(self, rules: Rules) -> Names:
        """The same names under other standing rules, as another operation has them."""
        other = copy(self)
        other._rules, other._targets = rules, {}  # noqa: SLF001 - a copy of its own class
        return other

    def resolve(self, requested: str | None) -> Resolved:
        """The target of a name; None or empty is `DEFAULT_MODEL`, else `auto`."""
        name = requested or self._settings.default_model or AUTO
        found = self._targets.get(name)
        if found is None:
            found = self._targets[name] = self._find(name)
        return found

    def covers(self, name: str) -> int:
        """The deployments of a deployment id, model id or alias: routes are not looked at."""
        index = self._ids.get(name)
        return self._plain.get(name, 0) if index is None else 1 << index

    def leads_to(self, name: str) -> int:
        """The deployments behind a name; 0 where there are none, or all are meant."""
        route = self._routes.get(name)
        if route is None:
            return self.covers(name)
        return self.resolve(name).mask if route.targets else 0

    def within(self, name: str, among: Iterable[str]) -> tuple[str, ...]:
        """Which of these names a name leads to nothing but: itself, and those of whose
        deployments it has a part."""
        mask = self.leads_to(name)
        return tuple(
            sorted(
                each for each in among if each == name or (mask and not mask & ~self.leads_to(each))
            )
        )

    def one_name(self, name: str) -> str:
        """The one of its names under which something is counted: a route's own, else the
        model's id; an unknown name is its own."""
        mask = 0 if name in self._routes else self.covers(name)
        if not mask:
            return name
        return self._deployments[(mask & -mask).bit_length() - 1].model.id

    def all_names(self) -> list[str]:
        """Routes, deployment ids, model ids and aliases, each once, in that order."""
        return list(dict.fromkeys([*self._routes, *self._ids, *self._plain, AUTO]))

    def _find(self, name: str) -> Resolved:
        route = self._routes.get(name)
        if route is not None:
            return self._of_route(route)
        index = self._ids.get(name)
        if index is not None:
            return self._target(name, 1 << index, self._rules)
        plain = self._plain.get(name)
        if plain is not None:
            return self._of_plain(name, plain)
        if name == AUTO:
            return self._of_all(name)
        raise NotFound(self._unknown(name), code="model_not_found", param="model")

    def _of_route(self, route: Route) -> Resolved:
        if not route.targets:
            return self._of_all(route.name, route)
        shares: dict[int, float] = {}
        for target in route.targets:
            index = self._ids.get(target.deployment)
            if index is not None:
                shares.setdefault(index, target.weight)
        return self._target(route.name, mask_of(shares), self._rules, route, tuple(shares), shares)

    def _of_plain(self, name: str, mask: int) -> Resolved:
        rules = self._rules
        preferred = mask & self._makers
        # Where nobody in the catalogue made it, every host is as good as another.
        if preferred and not self._settings.other_hosts:
            rules = (*rules, ("other_host", preferred))
        return self._target(name, mask, rules)

    def _of_all(self, name: str, route: Route | None = None) -> Resolved:
        rules = self._rules
        if not self._settings.auto_unknown:
            rules = (*rules, ("data_unknown", self._known))
        everything = (1 << len(self._deployments)) - 1
        return self._target(name, everything, rules, route, named=False)

    def _target(
        self,
        name: str,
        mask: int,
        rules: Rules,
        route: Route | None = None,
        order: tuple[int, ...] = (),
        shares: dict[int, float] | None = None,
        *,
        named: bool = True,
    ) -> Resolved:
        settings = self._settings
        ready, unready = apply_rules(mask, rules)
        own = (route.deadlines if route else None) or _OPEN
        return Resolved(
            name=name,
            mask=mask,
            rules=rules,
            ready=ready,
            unready=tuple(unready.items()),
            strategy=route.strategy if route else settings.strategy,
            weights=route.weights if route else None,
            deadlines=own.over(settings.deadlines),
            own_deadlines=own,
            mend=(route.mend if route else None) or settings.mend,
            order=order,
            shares=shares or {},
            named=named,
            router_chose=not named,
        )

    def _unknown(self, name: str) -> str:
        shown = name if len(name) <= _NAME_SHOWN else f"{name[:_NAME_SHOWN]}..."
        near = self._nearest(name)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        return f"There is no model, route or deployment named {shown!r}.{hint}"

    def _nearest(self, name: str) -> list[str]:
        """Up to three names that may have been meant: those that can be asked before others."""
        wanted = name.lower()[:_NAME_SHOWN]
        if not self._grams:
            self._grams.update((known, _grams(known.lower())) for known in self.all_names())
        asked = _grams(wanted)
        pool = nlargest(
            _NEAR_POOL,
            self._grams,
            key=lambda known: len(asked & self._grams[known]) / (len(self._grams[known]) + 1),
        )
        near = get_close_matches(wanted, pool, n=_NEAR, cutoff=_LEAST_LIKENESS)
        return [known for known in near if self.resolve(known).ready][:3] or near[:3]


def _grams(name: str) -> frozenset[str]:
    """A name's letters and its pairs of letters."""
    return frozenset((*name, *map(str.__add__, name, name[1:])))


def apply_rules(mask: int, rules: Rules) -> tuple[int, dict[str, int]]:
    """Who of `mask` passes all rules, and how many each rule removed first."""
    removed: dict[str, int] = {}
    for rule, passes in rules:
        left = mask & passes
        if left != mask:
            removed[rule] = removed.get(rule, 0) + (mask ^ left).bit_count()
            mask = left
    return mask, removed


def _plain_names(deployments: tuple[Deployment, ...]) -> dict[str, int]:
    plain: dict[str, int] = {}
    for index, deployment in enumerate(deployments):
        model, provider = deployment.model, deployment.provider.id
        for alias in (model.id, *model.aliases, *(f"{provider}/{a}" for a in model.aliases)):
            plain[alias] = plain.get(alias, 0) | 1 << index
    return plain
