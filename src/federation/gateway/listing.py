"""What there is: `GET /v1/models` and `GET /v1/providers`, from the snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from federation.domain.access import VirtualKey
from federation.domain.catalogue import Deployment, Model, Rates
from federation.domain.live import Live
from federation.domain.money import nano_to_usd
from federation.domain.routes import Route
from federation.errors import NotFound
from federation.gateway.world import Situation


def models(situation: Situation, key: VirtualKey) -> bytes:
    """The list of models that this key may name, in the OpenAI shape with our object added."""
    rows = [_auto()] if not key.models or "auto" in key.models else []
    rows += [_route(route) for route in situation.snapshot.routes.values() if _named(key, route)]
    rows += [_model(item) for item in _offered(situation, key)]
    return msgspec.json.encode({"object": "list", "data": rows})


def model(situation: Situation, key: VirtualKey, name: str) -> bytes:
    """One row of that list; `NotFound` where this key cannot name it."""
    if name == "auto":
        return msgspec.json.encode(_auto())
    route = situation.snapshot.routes.get(name)
    if route is not None and _named(key, route):
        return msgspec.json.encode(_route(route))
    provider, _, plain = name.partition("/")
    for item in _offered(situation, key):
        names = (item.model.id, *item.model.aliases)
        if name in (item.id, *names) or (provider == item.provider.id and plain in names):
            return msgspec.json.encode(_model(item))
    raise NotFound(f"The model {name!r} does not exist.", code="model_not_found", param="model")


def named_models(situation: Situation, key: VirtualKey) -> list[tuple[str, Model | None]]:
    """Every name that this key may call, with the model behind it where there is one."""
    found: list[tuple[str, Model | None]] = []
    if not key.models or "auto" in key.models:
        found.append(("auto", None))
    routes = situation.snapshot.routes.values()
    found += [(route.name, None) for route in routes if _named(key, route)]
    found += [(item.id, item.model) for item in _offered(situation, key)]
    return found


def providers(situation: Situation, key: VirtualKey, live: Live, now: float) -> bytes:
    """Every provider with its real availability, prices and what is known of its data use."""
    rows: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(situation.snapshot.deployments):
        provider = item.provider
        if key.providers and provider.id not in key.providers:
            continue
        row = rows.get(provider.id)
        if row is None:
            row = rows[provider.id] = _provider(item)
        row["available"] = row["available"] or situation.serves(index)
        cooling = live.down_until[index] > now
        row["models"].append(_offer(item, cooling=cooling))
    return msgspec.json.encode({"object": "list", "data": list(rows.values())})


def _offered(situation: Situation, key: VirtualKey) -> Iterator[Deployment]:
    """The deployments that can be asked and that this key may ask."""
    allowed = set(key.models)
    for index, item in enumerate(situation.snapshot.deployments):
        if not situation.serves(index):
            continue
        if key.providers and item.provider.id not in key.providers:
            continue
        if not allowed or allowed & {item.id, item.model.id, *item.model.aliases}:
            yield item


def _named(key: VirtualKey, route: Route) -> bool:
    return not key.models or route.name in key.models


def _auto() -> dict[str, Any]:
    row = {"id": "auto", "object": "model", "created": 0, "owned_by": "federation"}
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
