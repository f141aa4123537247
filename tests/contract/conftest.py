"""Every implementation of control's stores, under one name for the suites beside this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sql_stores import sql_engine

from federation.control.ports import (
    CallStore,
    KeyStore,
    OverrideStore,
    ResponseStore,
    VersionStore,
)
from federation.storage.accounts import SqlKeys
from federation.storage.accounts_memory import MemoryKeys
from federation.storage.calls import SqlCalls
from federation.storage.changes import SqlOverrides, SqlVersions
from federation.storage.memory import (
    MemoryCalls,
    MemoryOverrides,
    MemoryResponses,
    MemoryVersions,
)
from federation.storage.responses import SqlResponses


@dataclass
class Stores:
    calls: CallStore
    keys: KeyStore
    overrides: OverrideStore
    versions: VersionStore
    responses: ResponseStore


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "memory":
        yield Stores(
            MemoryCalls(), MemoryKeys(), MemoryOverrides(), MemoryVersions(), MemoryResponses()
        )
        return
    with sql_engine(request.param, tmp_path) as engine:
        yield Stores(
            SqlCalls(engine),
            SqlKeys(engine),
            SqlOverrides(engine),
            SqlVersions(engine),
            SqlResponses(lambda: engine),
        )


@pytest.fixture
def calls(stores: Stores) -> CallStore:
    return stores.calls


@pytest.fixture
def keys(stores: Stores) -> KeyStore:
    stores.keys.ensure_tenant("default", 0)
    stores.keys.ensure_tenant("other", 0)
    return stores.keys


@pytest.fixture
def overrides(stores: Stores) -> OverrideStore:
    return stores.overrides


@pytest.fixture
def versions(stores: Stores) -> VersionStore:
    return stores.versions


@pytest.fixture
def responses(stores: Stores) -> ResponseStore:
    return stores.responses
