"""Two control processes on one store, and the one key and provider that remedies are about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from postgres_server import postgres
from sqlalchemy import Engine

from federation.control.askers import Known
from federation.control.four_eyes import FourEyes
from federation.control.notebook import Notebook
from federation.control.remedies import RemedyDesk
from federation.control.remedies_actions import RemedyActions
from federation.control.threads import Errands
from federation.control.violations import ViolationDesk
from federation.domain.access import Role, VirtualKey
from federation.domain.hands import Hand, How, person_id
from federation.domain.violations import Kind, Sighting, Violation
from federation.errors import (
    EvidenceUnwritable,
    FederationError,
    InvalidRequest,
)
from federation.storage.engine import open_engine, open_postgres, prepare_schema
from federation.storage.entries import Override
from federation.storage.violations import SqlViolations, ViolationFilter

NOW_S = 1_000_000.0
ENDS_MS = 2_000_000_000
ONE, OTHER = (VirtualKey(name, b"", name, "default", Role.ADMIN, 0) for name in ("one", "other"))
KEY = VirtualKey("k", b"", "k", "a", Role.DEVELOPER, 0, expires_ms=ENDS_MS)


@dataclass
class House:
    """The one key and provider that both replicas see, and what is done to them."""

    key: VirtualKey = KEY
    done: list[str] = field(default_factory=list)
    fails: FederationError | None = None
    override: Override | None = None

    def find(self, key: str, tenant: str | None) -> VirtualKey | None:
        return self.key if key == self.key.id else None

    def hands(self, keys: Collection[str]) -> list[Hand]:
        return [Hand(each, person_id("default", each), How.MADE) for each in keys]

    def known(self, ids: Collection[str]) -> Known:
        return Known(frozenset(ids), frozenset())

    def change(
        self, tenant: str | None, key: str, edit: Callable[[VirtualKey], VirtualKey]
    ) -> VirtualKey | None:
        if self.fails is not None:
            raise self.fails
        self.key = edit(self.key)
        self.done.append(f"expires {self.key.expires_ms}")
        return self.key

    async def refresh(self) -> None:
        await asyncio.sleep(0.05)  # long enough for the other replica to come in between

    async def revoke(self, asker: VirtualKey, key: str) -> None:
        await asyncio.sleep(0.05)
        self.done.append(f"revoked by {asker.id}")

    async def decided(self, provider: str) -> Override | None:
        return self.override

    async def swap(self, provider: str, after: Override | None, was: Override | None) -> bool:
        if self.override != was:
            return False
        self.override = after
        state = "by its file" if after is None else "enabled" if after.enabled else "disabled"
        self.done.append(f"{provider} {state}")
        return True

    async def check_change(self, *_: object) -> None:
        self.done.append("change checked")

    async def propose_change(self, *_: object) -> Any:
        raise InvalidRequest("There is no such policy.")


@dataclass
class Replica:
    store: SqlViolations
    desk: RemedyDesk
    errands: Errands
    notes: Notebook


@dataclass
class World:
    house: House
    replicas: list[Replica]
    now: list[float]

    @property
    def violation(self) -> Violation:
        (found,) = self.replicas[0].store.page(ViolationFilter(None))
        return found

    def see(self, calls: int = 1) -> None:
        desk = self.replicas[0].desk._desk
        desk.see([Sighting(Kind.REFUSED, 5, "eu", "x", "a", "k", f"c{n}") for n in range(calls)])

    async def both(self, *work: Any) -> list[Any]:
        return await asyncio.gather(*work, return_exceptions=True)


def open_again(kind: str, place: str) -> Engine:
    return open_engine(Path(place)) if kind == "sqlite" else open_postgres(place)


def replica(engine: Engine, data: Path, house: House, now: list[float]) -> Replica:
    errands, store = Errands("store"), SqlViolations(engine)
    notes = Notebook(data, lambda: now[0])
    desk = ViolationDesk(store, notes, dict, errands)
    parts: Any = house
    actions = RemedyActions(parts, parts, parts, desk.tenant_of, notes.now_ms, errands)
    eyes = FourEyes(house, parts, frozenset, errands)
    made = RemedyDesk(desk, store, actions, eyes, parts, tuple, notes, errands)
    return Replica(store, made, errands, notes)


@asynccontextmanager
async def opened_world(kind: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two replicas on one store of this kind."""
    sqlite = kind == "sqlite"
    place = str(tmp_path / "store.db") if sqlite else postgres().database()
    engines = [open_again(kind, place) for _ in range(2)]
    prepare_schema(engines[0], *([Path(place)] if sqlite else []))
    house, now = House(), [NOW_S]
    replicas = [replica(engine, tmp_path / f"r{n}", house, now) for n, engine in enumerate(engines)]
    yield World(house, replicas, now)
    for each, engine in zip(replicas, engines, strict=True):
        each.errands.close()
        each.notes.close()
        engine.dispose()


def unwritable(world: World, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """From now on no record of this event can be written at the first replica."""
    notes, write = world.replicas[0].notes, Notebook.write

    def full(self: Notebook, *records: Any) -> None:
        if self is notes and any(each.event == state for each in records):
            raise EvidenceUnwritable("The disk is full.")
        write(self, *records)

    monkeypatch.setattr(Notebook, "write", full)
