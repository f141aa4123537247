"""The lists of models and providers, `GET /v1/models` and `GET /v1/providers`, from the snapshot.

A list shows what a call that holds no classified data could reach now: names that policies
close to the key are left out, like those that the key itself may not use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import msgspec

from federation.domain.access import VirtualKey
from federation.domain.catalogue import Deployment, Model, Rates
from federation.domain.money import nano_to_usd
from federation.domain.routes import AUTO, Route
from federation.errors import NotFound
from federation.gateway.world import Situation
from federation.governance.facts import CallFacts
from federation.resilience.health import HealthBoard
from federation.routing.masks import indexes_of


class Reach:
    """What one key may reach at this time, by the names that it may call."""

    def __init__(self, situation: Situation, key: VirtualKey, at_ms: int) -> None:
        self._situation = situation
        self._key = key
        self._at_ms = at_ms
        self._own = _own(situation, key)

    def open(self, name: str, among: int, operations: Iterable[str] = ("chat",)) -> bool:
        """Whether policies leave any of these deployments to a call by this name."""
        return any(among & self._left(name, operation) for operation in operations)

    def _left(self, name: str, operation: str) -> int:
        book = self._situation.book
        if not book.policies:
            return book.census.everything
        key = self._key
        facts = CallFacts(
            tenant=key.tenant,
            operation=operation,
            at_ms=self._at_ms,
            key=key.id,
            team=key.team,
            route=name,
            data_classes=frozenset(),
        )
        return book.rule(facts).mask

    def auto(self) -> bool:
        """Whether the key may leave the choice to us."""
        key = self._key
        named = not key.models or AUTO in key.models
        return named and self.open(AUTO, self._own)

    def routes(self) -> Iterator[Route]:
        """The routes that it may name and that lead to anybody, with those of their targets that
        it may use."""
        situation, key = self._situation, self._key
        for route in situation.snapshot.routes.values():
            if key.models and route.name not in key.models:
                continue
            left = self._behind(route)
            if left:
                targets = tuple(each for each in route.targets if each.deployment in left)
                yield replace(route, targets=targets)

    def _behind(self, route: Route) -> frozenset[str]:
        """The deployments that a call by a route's name could reach."""
        deployments = self._situation.snapshot.deployments
        mask = self._own & self._situation.fleet.resolve(route.name).mask
        behind = indexes_of(mask)
        operations = {name for index in behind for name in deployments[index].operations}
        left = {name: self._left(route.name, name) for name in operations}
        return frozenset(
            deployments[index].id
            for index in behind
            if any(left[name] >> index & 1 for name in deployments[index].operations)
        )

    def offered(self) -> Iterator[Deployment]:
        """The deployments that can be asked and that the key may ask."""
        situation, key = self._situation, self._key
        own = self._own & situation.fleet.named(key.models) if key.models else self._own
        for index, item in enumerate(situation.snapshot.deployments):
            if not (own >> index & 1 and situation.serves(index)):
                continue
            if self.open(item.id, 1 << index, item.operations):
                yield item


def _own(situation: Situation, key: VirtualKey) -> int:
    """The deployments that the key itself and its tenant's tier leave it."""
    mask = situation.book.census.everything
    if key.providers:
        mask &= situation.fleet.of_providers(key.providers)
    if key.most_providers is not None:
        mask &= situation.fleet.first(key.most_providers)
    return mask


def models(reach: Reach) -> bytes:
    """The list of models that this key may name, in the OpenAI shape with our object added."""
    rows = [_auto()] if reach.auto() else []
    rows += [_route(route) for route in reach.routes()]
    rows += [_model(item) for item in reach.offered()]
    return msgspec.json.encode({"object": "list", "data": rows})


def model(reach: Reach, name: str) -> bytes:
    """One row of that list; `NotFound` where this key cannot name it."""
    if name == AUTO and reach.auto():
        return msgspec.json.encode(_auto())
    for route in reach.routes():
        if route.name == name:
            return msgspec.json.encode(_route(route))
    provider, _, plain = name.partition("/")
    for item in reach.offered():
        names = (item.model.id, *item.model.aliases)
        if name in (item.id, *names) or (provider == item.provider.id and plain in names):
            return msgspec.json.encode(_model(item))
    message = f"The model {name[:200]!r} does not exist."
    raise NotFound(message, code="model_not_found", param="model")


def named_models(reach: Reach) -> list[tuple[str, Model | None]]:
    """Every name that this key may call, with the model behind it where there is one."""
    found: list[tuple[str, Model | None]] = [(AUTO, None)] if reach.auto() else []
    found += [(route.name, None) for route in reach.routes()]
    found += [(item.id, item.model) for item in reach.offered()]
    return found


def providers(
    situation: Situation, key: VirtualKey, board: HealthBoard, now: float, at_ms: int
) -> bytes:
    """Every provider with its real availability, prices, what is known of its data use, how
    well it does, and whether policies leave it to this key."""
    down_until = board.live(now).down_until
    reach = Reach(situation, key, at_ms)
    rows: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(situation.snapshot.deployments):
        provider = item.provider
        if key.providers and provider.id not in key.providers:
            continue
        row = rows.get(provider.id)
        if row is None:
            row = rows[provider.id] = _provider(item)
        allowed = reach.open(item.id, 1 << index, item.operations)
        row["available"] = row["available"] or (allowed and situation.serves(index))
        row["models"].append(
            _offer(item, cooling=down_until[index] > now)
            | {
                "allowed": allowed,
                "health": board.health(item.id, now).value,
                "circuit": board.circuit(item.id, now).value,
            }
        )
    return msgspec.json.encode({"object": "list", "data": list(rows.values())})


def _auto() -> dict[str, Any]:
    row = {"id": AUTO, "object": "model", "created": 0, "owned_by": "federation"}
    return row | {"federation": {"kind": "auto"}}


def _route(route: Route) -> dict[str, Any]:
    targets = [target.deployment for target in route.targets]
    return {
        "id": route.name,
        "object": "model",
        "created": 0,
        "owned_by": "federation",
        "federation": {"kind": "route", "strategy": route.strategy, "targets": targets},
    }


def _model(item: Deployment) -> dict[str, Any]:
    return {
        "id": item.id,
        "object": "model",
        "created": 0,
        "owned_by": item.provider.id,
        "federation": _offer(item, cooling=False) | _place(item),
    }


def _provider(item: Deployment) -> dict[str, Any]:
    provider = item.provider
    needs = "" if item.usable else " or ".join(provider.env) or "a credential"
    return {
        "id": provider.id,
        "object": "provider",
        "name": provider.name,
        "tier": provider.tier.value,
        "dialect": provider.dialect,
        "enabled": provider.enabled,
        "available": False,
        "needs": needs,
        "local": provider.local,
        "models": [],
    } | _place(item)


def _place(item: Deployment) -> dict[str, Any]:
    provider = item.provider
    return {
        "regions": provider.regions or ("unknown",),
        "certifications": sorted(provider.certifications),
        "data_use": provider.data_use.value,
        "simulated": provider.simulated,
    }


def _offer(item: Deployment, *, cooling: bool) -> dict[str, Any]:
    model = item.model
    return {
        "kind": "deployment",
        "id": item.id,
        "model": model.id,
        "operations": model.operations,
        "context": model.context,
        "max_output": model.max_output,
        "input_modalities": model.input_modalities,
        "abilities": sorted(ability.value for ability in model.abilities),
        "price_usd_per_mtok": _price(model.price.rates),
        "retires": model.retires,
        "usable": item.usable,
        "enabled": item.enabled,
        "cooling_down": cooling,
    }


def _price(rates: Rates) -> dict[str, str]:
    pairs = zip(
        ("input", "output", "cached", "cache_write"),
        (rates.input, rates.output, rates.cached, rates.cache_write),
        strict=True,
    )
    return {name: str(nano_to_usd(nano)) for name, nano in pairs if nano is not None}
