"""Remedies over replicas: two control processes on one store, and each remedy is done once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from postgres_server import postgres
from sql_stores import KINDS
from sqlalchemy import Engine

from federation.config.settings import Remedying
from federation.control.notebook import Notebook
from federation.control.remedies import RemedyDesk
from federation.control.threads import Errands
from federation.control.violations import ViolationDesk
from federation.domain.access import Role, VirtualKey
from federation.domain.violations import Kind, Remedy, Sighting, Violation
from federation.errors import (
    EvidenceUnwritable,
    FederationError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from federation.storage.engine import open_engine, open_postgres, prepare_schema
from federation.storage.violations import SqlViolations, ViolationFilter

NOW_S = 1_000_000.0
ONE, OTHER = (VirtualKey(name, b"", name, "default", Role.ADMIN, 0) for name in ("one", "other"))
KEY = VirtualKey("k", b"", "k", "a", Role.DEVELOPER, 0, expires_ms=77)


@dataclass
class House:
    """The one key and provider that both replicas see, and what is done to them."""

    key: VirtualKey = KEY
    done: list[str] = field(default_factory=list)
    fails: FederationError | None = None

    def find(self, key: str, tenant: str | None) -> VirtualKey | None:
        return self.key if key == self.key.id else None

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

    async def disable(self, provider: str, by: VirtualKey) -> None:
        self.done.append(f"{provider} disabled")

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
    made = RemedyDesk(desk, store, parts, parts, parts, parts, tuple, notes, errands)
    return Replica(store, made, errands, notes)


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    sqlite = request.param == "sqlite"
    place = str(tmp_path / "store.db") if sqlite else postgres().database()
    engines = [open_again(request.param, place) for _ in range(2)]
    prepare_schema(engines[0], *([Path(place)] if sqlite else []))
    house, now = House(), [NOW_S]
    replicas = [replica(engine, tmp_path / f"r{n}", house, now) for n, engine in enumerate(engines)]
    yield World(house, replicas, now)
    for each, engine in zip(replicas, engines, strict=True):
        each.errands.close()
        each.notes.close()
        engine.dispose()


def sorted_out(answers: list[Any]) -> tuple[Remedy, InvalidRequest]:
    """Of two that tried at once, what one got and what the other was told."""
    (got,) = [each for each in answers if isinstance(each, Remedy)]
    (told,) = [each for each in answers if isinstance(each, InvalidRequest)]
    return got, told


async def test_what_is_approved_at_two_replicas_at_once_is_done_once(world: World) -> None:
    world.see()
    first, second = (each.desk for each in world.replicas)
    asked = await first.propose(ONE, world.violation.id, "revoke_key")
    answers = await world.both(
        first.decide(OTHER, asked.id, approve=True), second.decide(OTHER, asked.id, approve=True)
    )
    got, told = sorted_out(answers)
    assert (got.state, told.status, told.code) == ("done", 409, "already_decided")
    assert world.house.done == ["revoked by other"]
    assert world.replicas[1].store.find_remedy(asked.id) == got


async def test_of_an_approval_and_a_rejection_at_once_one_holds(world: World) -> None:
    world.see()
    first, second = (each.desk for each in world.replicas)
    asked = await first.propose(ONE, world.violation.id, "revoke_key")
    answers = await world.both(
        first.decide(OTHER, asked.id, approve=True), second.decide(OTHER, asked.id, approve=False)
    )
    got, _ = sorted_out(answers)
    assert len(world.house.done) == (got.state == "done")
    assert world.replicas[0].store.find_remedy(asked.id) == got


async def test_what_is_undone_at_two_replicas_at_once_is_put_back_once(world: World) -> None:
    world.see()
    first, second = (each.desk for each in world.replicas)
    made = await first.propose(ONE, world.violation.id, "disable_key")
    assert (made.state, world.house.key.expires_ms) == ("done", int(NOW_S * 1000))
    got, told = sorted_out(await world.both(first.undo(ONE, made.id), second.undo(OTHER, made.id)))
    assert (got.state, told.status) == ("undone", 409)
    assert world.house.done[1:] == ["expires 77"]


async def test_a_rule_acts_once_though_both_replicas_look(world: World) -> None:
    world.see(6)
    assert world.violation.escalated
    rules = Remedying(("disable_key",), 10)
    counted = await world.both(*(each.desk.look(rules) for each in world.replicas))
    assert sum(counted) == 1
    assert len(world.house.done) == 1
    (made,) = world.replicas[0].store.remedies(world.violation.id)
    assert (made.state, made.proposed_by) == ("done", "federation")


async def test_what_a_replica_died_of_is_taken_over_and_remembers_what_was(world: World) -> None:
    world.see()
    first, second = (each.desk for each in world.replicas)
    made = await first.propose(ONE, world.violation.id, "disable_key")
    store = world.replicas[0].store
    dead = replace(made, state="deciding", decided_ms=int(NOW_S * 1000))
    assert store.change_remedy(dead, made)
    with pytest.raises(InvalidRequest, match="just now"):
        await second.decide(OTHER, made.id, approve=True)
    world.now[0] += 200
    assert (await second.decide(OTHER, made.id, approve=True)).state == "done"
    assert (await second.undo(OTHER, made.id)).state == "undone"
    assert world.house.key == KEY, "as it was before the first of the two"


async def test_what_fails_can_be_decided_again(world: World) -> None:
    world.see()
    first, second = (each.desk for each in world.replicas)
    world.house.fails = Unavailable("away")
    with pytest.raises(Unavailable):
        await first.propose(ONE, world.violation.id, "disable_key")
    (kept,) = world.replicas[0].store.remedies(world.violation.id)
    assert kept.state == "proposed"
    with pytest.raises(Forbidden):
        await second.decide(ONE, kept.id, approve=True)
    world.house.fails = None
    assert (await second.decide(OTHER, kept.id, approve=True)).state == "done"
    world.house.fails = Unavailable("away")
    with pytest.raises(Unavailable):
        await first.undo(ONE, kept.id)
    world.house.fails = None
    assert (await second.undo(ONE, kept.id)).state == "undone"


async def test_what_cannot_be_passed_on_is_not_kept(world: World) -> None:
    world.see()
    desk = world.replicas[0].desk
    with pytest.raises(InvalidRequest):
        await desk.propose(ONE, world.violation.id, "enforce_policy", "eu")
    assert world.replicas[0].store.remedies(world.violation.id) == []


async def test_replicas_keep_to_the_rules_limit_of_the_day_together(world: World) -> None:
    world.see()
    desk = world.replicas[0].desk._desk
    desk.see([Sighting(Kind.REFUSED, 5, "eu", "y", "a", "k", f"d{n}") for n in range(6)])
    desk.see([Sighting(Kind.REFUSED, 5, "eu", "z", "a", "k", f"e{n}") for n in range(6)])
    rules = Remedying(("disable_key",), 1)
    assert sum(await world.both(*(each.desk.look(rules) for each in world.replicas))) == 1
    assert len(world.house.done) == 1


@pytest.mark.parametrize("action", ["enforce_policy", "open_approval"])
async def test_what_was_broken_off_while_it_was_passed_on_is_dropped_and_not_done(
    world: World, action: str
) -> None:
    world.see()
    replica, now_ms = world.replicas[0], int(NOW_S * 1000)
    stuck = Remedy("rem_x", world.violation.id, action, "openai", "deciding", "one", now_ms)
    stuck = replace(stuck, decided_by="one", decided_ms=now_ms)
    assert replica.store.add_remedy(stuck)
    world.now[0] += 200
    with pytest.raises(InvalidRequest, match="broken off") as told:
        await replica.desk.decide(OTHER, "rem_x", approve=True)
    assert (told.value.status, told.value.code) == (409, "remedy_broken_off")
    assert world.house.done == []
    assert replica.store.find_remedy("rem_x") is None
    assert replica.store.add_remedy(stuck)
    assert (await replica.desk.decide(OTHER, "rem_x", approve=False)).state == "rejected"
    assert world.house.done == []


async def test_what_is_no_deed_is_refused_and_disables_nothing(world: World) -> None:
    with pytest.raises(InvalidRequest, match="enforce_policy"):
        await world.replicas[0].desk._deeds.do(ONE, "enforce_policy", "openai")
    await world.replicas[0].desk._deeds.do(ONE, "disable_provider", "openai")
    assert world.house.done == ["openai disabled"]


def unwritable(world: World, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """From now on no record of this event can be written at the first replica."""
    notes, write = world.replicas[0].notes, Notebook.write

    def full(self: Notebook, *records: Any) -> None:
        if self is notes and any(each.event == state for each in records):
            raise EvidenceUnwritable("The disk is full.")
        write(self, *records)

    monkeypatch.setattr(Notebook, "write", full)


@pytest.mark.parametrize("approve", [True, False])
async def test_what_was_done_without_its_record_remembers_what_was_before(
    world: World, monkeypatch: pytest.MonkeyPatch, approve: bool
) -> None:
    world.see()
    replica = world.replicas[0]
    with monkeypatch.context() as disk:
        unwritable(world, disk, "done")
        with pytest.raises(Unavailable):
            await replica.desk.propose(ONE, world.violation.id, "disable_key")
    assert world.house.key.expires_ms == int(NOW_S * 1000), "the deed is done"
    (kept,) = replica.store.remedies(world.violation.id)
    assert kept.state == "proposed"
    world.now[0] += 10
    decided = await replica.desk.decide(OTHER, kept.id, approve=approve)
    assert decided.state == ("done" if approve else "rejected")
    if approve:
        await replica.desk.undo(ONE, kept.id)
    assert world.house.key == KEY


async def test_rejecting_what_a_replica_died_of_puts_back_what_was_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.see()
    replica = world.replicas[0]
    made = await replica.desk.propose(ONE, world.violation.id, "disable_key")
    assert replica.store.change_remedy(replace(made, state="deciding"), made)
    world.now[0] += 200
    with monkeypatch.context() as disk:
        unwritable(world, disk, "rejected")
        with pytest.raises(Unavailable):
            await replica.desk.decide(OTHER, made.id, approve=False)
    kept = replica.store.find_remedy(made.id)
    assert kept is not None
    assert (kept.state, kept.before) == ("proposed", made.before)
    assert (await replica.desk.decide(OTHER, made.id, approve=False)).state == "rejected"
    assert world.house.key == KEY


async def test_what_was_never_begun_is_rejected_without_touching_a_key(world: World) -> None:
    world.see()
    desk = world.replicas[0].desk
    asked = await desk.propose(ONE, world.violation.id, "revoke_key")
    assert (await desk.decide(OTHER, asked.id, approve=False)).state == "rejected"
    assert world.house.done == []


async def test_a_key_that_is_gone_keeps_nobody_from_rejecting(world: World) -> None:
    world.see()
    desk = world.replicas[0].desk
    made = await desk.propose(ONE, world.violation.id, "disable_key")
    assert world.replicas[0].store.change_remedy(replace(made, state="deciding"), made)
    world.now[0] += 200
    world.house.fails = NotFound("There is no such key.")
    assert (await desk.decide(OTHER, made.id, approve=False)).state == "rejected"


async def test_a_key_that_is_revoked_cannot_be_said_to_be_spared(world: World) -> None:
    world.see()
    desk = world.replicas[0].desk
    asked = await desk.propose(ONE, world.violation.id, "revoke_key")
    world.house.key = replace(KEY, revoked_ms=5)
    with pytest.raises(InvalidRequest, match="approve the remedy"):
        await desk.decide(OTHER, asked.id, approve=False)
    assert (await desk.decide(OTHER, asked.id, approve=True)).state == "done"


async def test_a_rule_whose_action_does_not_fit_writes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.see(6)
    written: list[Remedy] = []
    add = SqlViolations.add_remedy

    def counted(self: SqlViolations, remedy: Remedy, *more: Any) -> bool:
        written.append(remedy)
        return add(self, remedy, *more)

    monkeypatch.setattr(SqlViolations, "add_remedy", counted)
    desk = world.replicas[0].desk
    assert await desk.look(Remedying(("open_approval",), 10)) == 0
    assert written == []
    with pytest.raises(InvalidRequest, match="No approval"):
        await desk.propose(ONE, world.violation.id, "open_approval")
    assert written == []
    with pytest.raises(InvalidRequest, match="no such policy"):
        await desk.propose(ONE, world.violation.id, "enforce_policy", "eu")
    assert world.house.done == ["change checked"]
