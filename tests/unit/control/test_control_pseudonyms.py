"""Whom pseudonyms stand for: kept sealed, told to who may know, and never again once erased."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sealing_world import World

from federation.control import pseudonyms as room
from federation.control.pseudonyms import PseudonymDesk
from federation.domain.access import Role, VirtualKey
from federation.errors import InvalidRequest, NotFound, Unavailable
from federation.schema.link import NamesAsk, NamesKey, NamesSeen
from federation.storage.pseudonyms import SqlPseudonyms

ADMIN = VirtualKey("key_a", b"", "admin", "default", Role.ADMIN, 0)
OWNER = VirtualKey("key_o", b"", "owner", "acme", Role.OWNER, 0)
DEVELOPER = VirtualKey("key_d", b"", "dev", "acme", Role.DEVELOPER, 0)
ANNA, BEN = "anna@example.org", "ben"


class Desk:
    """A desk over one data directory, and what it told workers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.store = SqlPseudonyms(world.engine)
        self.begun = True
        self.desk = PseudonymDesk(
            world.retention, world.keys, self.store, lambda: self.begun, world.clock
        )
        self.told: list[NamesKey] = []
        self.desk.publish = self.told.append
        self.task = asyncio.create_task(self.desk.follow())

    async def seen(self, *users: str, tenant: str = "acme") -> dict[str, str]:
        """A worker has named them; their pseudonyms."""
        named = {user: self.world.custody.name(tenant, user) for user in users}
        self.desk.hear(NamesSeen(tenant, {name: user for user, name in named.items()}))
        await until(lambda: not self.desk._seen)
        return named

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.desk.close()


async def until(check: Callable[[], object]) -> None:
    for _ in range(1500):
        if check():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(check)


@pytest.fixture
async def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(room, "LOOK_S", 0.05)
    monkeypatch.setattr(room, "AGAIN_S", 0.02)
    world = World(tmp_path / "data")
    made = Desk(world)
    yield made
    await made.close()
    world.close()


def erase(world: World, user: str) -> None:
    world.retention.erase("acme", world.name(user), "key_admin")


async def test_a_name_is_kept_sealed_and_shown_to_who_may_see_people(one: Desk) -> None:
    named = await one.seen(ANNA, BEN)
    await one.seen(ANNA)
    wanted = [*named.values(), "plain", "p_" + "0" * 32]

    assert await one.desk.shown(OWNER, None, wanted) == {name: who for who, name in named.items()}
    assert await one.desk.shown(ADMIN, "acme", [named[BEN]]) == {named[BEN]: BEN}
    assert await one.desk.shown(DEVELOPER, None, wanted) == {}
    other = replace(OWNER, tenant="other")
    assert await one.desk.shown(other, None, wanted) == {}
    with pytest.raises(NotFound):
        await one.desk.shown(OWNER, "other", wanted)
    one.world.engine.dispose()
    for path in one.world.data.rglob("*"):
        assert not path.is_file() or ANNA.encode() not in path.read_bytes(), path


async def test_a_user_is_looked_for_by_pseudonym_and_by_the_name_of_old_records(one: Desk) -> None:
    named = await one.seen(ANNA)
    assert await one.desk.subjects("acme", ANNA) == (named[ANNA], ANNA)
    assert await one.desk.subjects("acme", named[ANNA]) == (named[ANNA],)
    assert await one.desk.subjects("acme", "") == ("",)
    assert await one.desk.subjects("nobody-named", ANNA) == (ANNA,)
    theirs = await one.seen(ANNA, tenant="other")
    assert theirs[ANNA] != named[ANNA]
    both = await one.desk.subjects(None, ANNA)
    assert both == (*sorted((named[ANNA], theirs[ANNA])), ANNA)
    one.begun = False
    assert await one.desk.subjects("acme", ANNA) == (ANNA,)
    assert await one.desk.shown(OWNER, None, named.values()) == {}


async def test_too_many_tenants_are_not_looked_through(
    one: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_TENANTS", 1)
    await one.seen(ANNA)
    await one.seen(ANNA, tenant="other")
    with pytest.raises(InvalidRequest, match="say which one"):
        await one.desk.subjects(None, ANNA)


async def test_an_erased_name_is_gone_and_workers_hear_of_it(one: Desk) -> None:
    one.desk.hear(NamesAsk("acme"))
    await until(lambda: one.told)
    named = await one.seen(ANNA, BEN)
    assert one.told[0].erased == []

    erase(one.world, ANNA)
    await until(lambda: one.told[-1].erased)

    assert one.told[-1] == NamesKey("acme", one.told[0].key, [named[ANNA]])
    assert await one.desk.shown(OWNER, None, named.values()) == {named[BEN]: BEN}
    # What a worker says late of the erased is dropped; who comes back is somebody else.
    one.desk.hear(NamesSeen("acme", {named[ANNA]: ANNA}))
    again = (await one.seen(ANNA))[ANNA]
    assert again != named[ANNA]
    assert await one.desk.shown(OWNER, None, [again, named[ANNA]]) == {again: ANNA}
    erase(one.world, ANNA)
    assert one.world.name(ANNA) not in (again, named[ANNA])
    assert await one.desk.shown(OWNER, None, [again, named[ANNA]]) == {}


async def test_a_hold_keeps_a_name_until_it_is_released(one: Desk) -> None:
    named = await one.seen(ANNA)
    retention = one.world.retention
    hold = retention.hold("acme", named[ANNA], "case 7", "key_admin")
    erase(one.world, ANNA)
    assert await one.desk.shown(OWNER, None, named.values()) == {named[ANNA]: ANNA}
    assert one.world.name(ANNA) == named[ANNA]
    retention.release(hold, "key_admin")
    retention.sweep(one.world.notebook.now_ms())
    assert await one.desk.shown(OWNER, None, named.values()) == {}


async def test_names_outlast_contents_rotations_and_a_backup_of_the_data(one: Desk) -> None:
    named = await one.seen(ANNA)
    row = one.store.find("acme", named.values())
    one.world.custody.rotate("acme", begin=True)
    one.world.clock.days(4000)
    one.world.retention.sweep(one.world.notebook.now_ms())
    assert await one.desk.shown(OWNER, None, named.values()) == {named[ANNA]: ANNA}

    erase(one.world, ANNA)
    one.store.add("acme", {row[0][0]: row[0][2]}, 0)  # as a restored backup has it
    assert await one.desk.shown(OWNER, None, named.values()) == {}
    one.store.add("acme", {"p_" + "1" * 32: b"\x02\x05other" + bytes(40)}, 0)
    assert await one.desk.shown(OWNER, None, ["p_" + "1" * 32]) == {}


async def test_two_replicas_name_alike_and_an_erasure_reaches_both(one: Desk) -> None:
    other = Desk(World(one.world.data))
    try:
        for each in (one, other):
            each.desk.hear(NamesAsk("acme"))
        await until(lambda: one.told and other.told)
        assert one.told[0] == other.told[0]
        named = await one.seen(ANNA)
        assert await other.seen(ANNA) == named

        erase(other.world, ANNA)
        await until(lambda: one.told[-1].erased and other.told[-1].erased)

        assert one.told[-1] == other.told[-1]
        assert await one.desk.shown(OWNER, None, named.values()) == {}
        assert one.world.name(ANNA) == other.world.name(ANNA) != named[ANNA]
    finally:
        await other.close()
        other.world.close()


async def test_what_was_kept_while_another_replica_erased_is_destroyed(
    one: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = await one.seen(BEN)
    subject = one.world.name(ANNA)
    add = one.store.add

    def erased_meanwhile(tenant: str, sealed: dict[str, bytes], at_ms: int) -> None:
        add(tenant, sealed, at_ms)
        with sqlite3.connect(one.world.keys_directory / "keys.db") as connection:
            connection.execute(
                "INSERT INTO erasures VALUES ('e1', 'acme', ?, 'key_b', 1, 2, 0)", (subject,)
            )

    monkeypatch.setattr(one.store, "add", erased_meanwhile)
    await one.seen(ANNA)
    await until(lambda: not one.store.known("acme", [subject]))
    assert one.world.custody.keys_of("acme", subject) == []
    assert await one.desk.shown(OWNER, None, [subject, named[BEN]]) == {named[BEN]: BEN}


async def test_while_the_keys_are_away_workers_wait_and_names_are_kept_later(
    one: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    subject = one.world.name(ANNA)
    ensure = one.world.retention.ensure

    def away() -> None:
        raise Unavailable("The Vault is away.")

    monkeypatch.setattr(one.world.retention, "ensure", away)
    one.desk.hear(NamesAsk("acme"))
    one.desk.hear(NamesSeen("acme", {subject: ANNA}))
    await until(lambda: "names wait" in caplog.text)
    assert one.told == []
    monkeypatch.setattr(one.world.retention, "ensure", ensure)
    await until(lambda: one.told and one.store.known("acme", [subject]))
    assert caplog.text.count("names wait") < 5
    assert ANNA not in caplog.text


async def test_many_names_are_kept_a_part_at_a_time_and_no_more_than_there_is_room_for(
    one: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "AT_ONCE", 10)
    monkeypatch.setattr(room, "WAITING", 25)
    users = [f"u{n}" for n in range(25)]
    named = {one.world.name(user): user for user in users}
    one.desk.hear(NamesSeen("acme", named))
    one.desk.hear(NamesSeen("acme", {one.world.name("late"): "late"}))
    await until(lambda: not one.desk._seen)
    assert await one.desk.shown(OWNER, None, named) == named
    assert one.store.known("acme", [one.world.name("late")]) == set()
