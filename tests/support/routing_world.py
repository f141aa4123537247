"""Small fleets and calls for the routing tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from federation.domain.access import Role, VirtualKey
from federation.domain.catalogue import (
    Ability,
    DataUse,
    Deployment,
    Model,
    Price,
    Provider,
    Quality,
    Rates,
    Speed,
    Tier,
)
from federation.domain.live import Live
from federation.domain.routes import Route, Settings, Target
from federation.domain.snapshot import Snapshot
from federation.routing.fleet import Fleet
from federation.routing.intents import Intent
from federation.routing.request import Memory, RoutingRequest
from federation.schema.glance import Ask, Constraints, Glance

TODAY = date(2026, 11, 21)
NOON_MS = 1_795_262_400_000
DIALECTS = frozenset({"openai"})


def provider(name: str = "acme", **facts: Any) -> Provider:
    """A catalogue provider about which everything is known."""
    known: dict[str, Any] = {
        "id": name,
        "name": name,
        "tier": Tier.FRONTIER,
        "dialect": "openai",
        "base_url": "https://acme.example/v1",
        "regions": ("us",),
        "data_use": DataUse.NONE,
        "sources": ("docs",),
    }
    return Provider(**(known | facts))


def model(name: str = "large", **facts: Any) -> Model:
    """A model about which everything is known."""
    known: dict[str, Any] = {
        "id": name,
        "context": 128_000,
        "max_output": 8_192,
        "abilities": frozenset({Ability.TOOLS}),
        "price": Price(Rates(input=1_000_000_000, output=4_000_000_000)),
        "quality": {"default": Quality(0.7, 0.05)},
        "speed": Speed(500.0, 80.0),
    }
    return Model(**(known | facts))


def deployment(
    name: str = "acme/large", *, usable: bool = True, enabled: bool = True, **facts: Any
) -> Deployment:
    """`provider/model`; facts of the model by their names, of the provider as `p_...`."""
    where, _, what = name.partition("/")
    of_provider = {k.removeprefix("p_"): v for k, v in facts.items() if k.startswith("p_")}
    of_model = {k: v for k, v in facts.items() if not k.startswith("p_")}
    return Deployment(
        name, provider(where, **of_provider), model(what, **of_model), usable, enabled
    )


def fleet(
    deployments: Iterable[Deployment],
    routes: Iterable[Route] = (),
    settings: Settings | None = None,
) -> Fleet:
    """A fleet of these deployments under snapshot version 7."""
    snapshot = Snapshot(
        version=7,
        digest="d",
        settings=settings or Settings(),
        deployments=tuple(deployments),
        routes={route.name: route for route in routes},
    )
    return Fleet.of(snapshot, DIALECTS, TODAY)


def route(name: str, strategy: str, *targets: str | tuple[str, float], **more: Any) -> Route:
    """A route to these deployments, with shares where given."""
    pairs = [(t, 1.0) if isinstance(t, str) else t for t in targets]
    return Route(name, strategy, tuple(Target(*pair) for pair in pairs), **more)


def glance(requested: str | None = "auto", **facts: Any) -> Glance:
    """A short call without demands."""
    ask = {k: facts.pop(k) for k in ("strategy", "session", "user", "constraints") if k in facts}
    known: dict[str, Any] = {
        "model": requested,
        "stream": False,
        "usage_asked": False,
        "max_output": None,
        "choices": 1,
        "messages": 1,
        "text_bytes": 400,
        "images": 0,
        "audio": 0,
        "files": 0,
        "tools": 0,
        "needs": (),
        "governed": (),
        "unlisted": (),
        "ask": Ask(**ask),
        "spans": {},
        "end": 0,
    }
    return Glance(**(known | facts))


def call(
    requested: str | None = "auto", *, key: VirtualKey | None = None, **facts: Any
) -> RoutingRequest:
    """A routing request at second 100 of the monotonic clock."""
    return RoutingRequest(glance(requested, **facts), lambda: "some prompt", 100.0, NOON_MS, key)


def key(**facts: Any) -> VirtualKey:
    """A developer's key of the tenant `t1`."""
    return replace(VirtualKey("k1", b"h" * 32, "k", "t1", Role.DEVELOPER, 0), **facts)


def memory(intent: Intent | None = None) -> Memory:
    """A memory whose classifier always says the same."""
    said = intent or Intent("unknown", 0.0, 0.5)
    return Memory(lambda _text: said)


def live(of: Fleet, **columns: list[Any]) -> Live:
    """Live columns at the catalogue's expectations, with some replaced."""
    speeds = [d.model.speed or Speed(900.0, 50.0) for d in of.deployments]
    count = len(speeds)
    known: dict[str, Any] = {
        "first_token_ms": [speed.first_token_ms for speed in speeds],
        "tokens_per_s": [speed.tokens_per_s for speed in speeds],
        "p95_ms": [1000.0] * count,
        "success": [1.0] * count,
        "inflight": [0] * count,
        "down_until": [0.0] * count,
        "p99_first_ms": [0.0] * count,
    }
    return Live(**(known | columns))


__all__ = ["Constraints"]
