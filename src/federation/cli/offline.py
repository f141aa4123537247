"""What can be answered without a running gateway: from the files and the store alone.

The answers have the gateway's own shape, because its own code makes them. What only a
running gateway knows (live latency, who is cooling down) is missing, and said to be.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec

from federation.bootstrap.secret_sources import SecretSources
from federation.catalogue import reader as catalogue
from federation.cli.place import Place
from federation.config import paths
from federation.config.credentials import resolve_all
from federation.config.load import load
from federation.config.provider_sources import EXTRA_VARIABLE
from federation.config.settings import Loaded
from federation.config.stores import peek_stores
from federation.control.snapshots import compile_snapshot
from federation.dialects.openai.glance import glance
from federation.dialects.openai.prompt import prompt_text
from federation.domain.asker import ANONYMOUS
from federation.domain.catalogue import Provider
from federation.errors import NotEligible, NotFound
from federation.gateway import listing
from federation.gateway.route_endpoint import RouteBody, chat_body
from federation.gateway.ruled import Ruled, facts_of, max_nano_of, rules_of, told
from federation.gateway.situation import situate
from federation.gateway.world import Situation
from federation.resilience.health import HealthBoard
from federation.routing.classifier import load as load_classifier
from federation.routing.decide import decide
from federation.routing.explain import explain as explained
from federation.routing.request import Memory, RoutingRequest
from federation.schema.http import ClientRequest


@dataclass(frozen=True, slots=True)
class Setup:
    """What would be in force if a gateway were started now."""

    loaded: Loaded
    secrets: dict[str, str]
    situation: Situation


def setup_of(place: Place) -> Setup:
    """Read everything, with what a gateway found that runs on our data. Raises `ConfigError`."""
    import os  # noqa: PLC0415 - only here

    environ = dict(os.environ)
    found = paths.found_file(paths.run_dir(place.data_dir))
    if EXTRA_VARIABLE not in environ and found.is_file() and place.holder() is not None:
        environ[EXTRA_VARIABLE] = str(found)
    loaded = load(place.config_dir, environ, catalogue.load(), place.env_file)
    loaded = with_approved(place, loaded)
    resolved = resolve_all(loaded)
    snapshot = compile_snapshot(loaded, _overrides(place), resolved.secrets, 0)
    return Setup(loaded, resolved.secrets, situate(snapshot, datetime.now(UTC).date()))


def secret_of(setup: Setup, provider: str) -> tuple[str | None, str]:
    """A provider's credential, and a remark on it. A Vault is asked, too, for this one alone."""
    only = replace(setup.loaded, providers={provider: setup.loaded.providers[provider]})
    resolved = resolve_all(only, SecretSources(setup.loaded.environ).read)
    return resolved.secrets.get(provider), "; ".join(each.message for each in resolved.warnings)


def providers(place: Place) -> list[dict[str, Any]]:
    """What `GET /v1/providers` would list."""
    setup = setup_of(place)
    board = HealthBoard(setup.situation.snapshot.deployments)
    body = listing.providers(
        setup.situation, ANONYMOUS, board, time.monotonic(), int(time.time() * 1000)
    )
    rows: list[dict[str, Any]] = msgspec.json.decode(body)["data"]
    return rows


def explain(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """What a dry run of `POST /v1/route` would say, without live measurements."""
    situation = setup_of(place).situation
    body = chat_body(msgspec.convert(asked, RouteBody))
    request = ClientRequest("POST", "/v1/chat/completions", "", {}, body)
    seen = glance(request)
    now, wall_ms = time.monotonic(), int(time.time() * 1000)
    route = situation.fleet.named_by(seen.model)
    facts = facts_of(seen, ANONYMOUS, "chat", route, wall_ms, whole=True)
    ruled = Ruled.under(situation.book, facts)
    asking = RoutingRequest(
        glance=seen,
        read_text=lambda: prompt_text(body, seen),
        now_s=now,
        wall_ms=wall_ms,
        policy=rules_of(ruled),
        policy_max_nano=max_nano_of(ruled),
    )
    live = HealthBoard(situation.snapshot.deployments).live(now)
    lots = Random()  # noqa: S311 - among deployments
    memory = Memory(load_classifier())
    try:
        verdict = decide(situation.fleet, live, asking, lots, memory)
    except NotEligible as error:
        words = told(ruled.reasons(situation.fleet.resolve(seen.model).ready))
        if words:
            error.message = f"{error.message} Policies: {words}."
        raise
    decision = explained(verdict, memory.classify) | ruled.governance(verdict.target.mask)
    sent: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(decision))
    return sent


def provider_row(place: Place, provider: str) -> tuple[Provider, Setup]:
    """A provider, and what it stands in. Raises `NotFound`."""
    setup = setup_of(place)
    row = setup.loaded.providers.get(provider)
    if row is None:
        raise NotFound(f"There is no provider '{provider}'.")
    return row, setup


def with_approved(place: Place, loaded: Loaded) -> Loaded:
    """What was read, and over it what was approved at run time, where there is a store."""
    if not _is_store(place):
        return loaded
    # As below.
    from federation.bootstrap.overseeing import approved  # noqa: PLC0415

    with _opened(place) as opened:
        return approved(opened.durable, time.time)(loaded)


def _is_store(place: Place) -> bool:
    shared = peek_stores(place.config_dir, place.environ).database is not None
    return shared or (place.data_dir / "federation.db").is_file()


def has_tenant(place: Place, name: str) -> bool | None:
    """Whether the store has a tenant of this name; None where there is no store."""
    if not _is_store(place):
        return None
    # As below.
    from federation.storage.tenancy import SqlTenancy  # noqa: PLC0415

    with _opened(place) as opened:
        return SqlTenancy(opened.durable).tenants.find(name, name) is not None


def _overrides(place: Place) -> list[Any]:
    if not _is_store(place):
        return []
    # As below.
    from federation.storage.changes import SqlOverrides  # noqa: PLC0415

    with _opened(place) as opened:
        return list(SqlOverrides(opened.durable).list())


@contextmanager
def _opened(place: Place) -> Iterator[Any]:
    """The stores, to be read: also on media that cannot be written."""
    # A third of a second of imports, wanted only where there is a store.
    from federation.cli.db_store import is_there, readable, stores  # noqa: PLC0415

    with (readable if is_there(place) else stores)(place) as opened:
        yield opened
