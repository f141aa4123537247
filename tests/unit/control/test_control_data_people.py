"""People by pseudonym, and of before their erasure: found, held and erased, all of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sealing_world import Clock, World

from federation.control import custody as custody_room
from federation.control.custody_parts import KeyGone
from federation.control.data_desk import DataDesk
from federation.control.pseudonyms import PseudonymDesk
from federation.domain.access import Role, VirtualKey
from federation.errors import NotFound
from federation.evidence.sealing import key_named, pseudonym
from federation.schema.link import NamesAsk, NamesKey, NamesSeen
from federation.storage.pseudonyms import SqlPseudonyms

OWNER = VirtualKey("key_o", b"", "owner", "acme", Role.OWNER, 0)
ANNA = "anna@example.org"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data")
    yield made
    made.close()


def desk(world: World, age: Callable[[], float] | None = None) -> DataDesk:
    ledger: Any = None
    return DataDesk(
        world.retention,
        world.spool_keys,
        world.payloads,
        world.intake,
        world.notebook,
        ledger,
        lambda: True,
        lambda: True,
        lambda *_: None,
        world.clock,
        age or world.clock,
    )


def names_desk(world: World) -> PseudonymDesk:
    store = SqlPseudonyms(world.engine)
    return PseudonymDesk(world.retention, world.keys, store, lambda: True, world.clock)


def before_chains(world: World, monkeypatch: pytest.MonkeyPatch, *, hold: bool) -> None:
    """Anna was erased, and kept again under the same pseudonym, as it once was."""
    with monkeypatch.context() as patched:
        patched.setattr(custody_room, "pseudonym_now", lambda key, who, _: pseudonym(key, who))
        world.retention.erase("acme", world.name(ANNA), "key_a")
        world.say("c1", ANNA)
        world.intake.run()
        if hold:
            world.retention.hold("acme", world.name(ANNA), "case", "key_a")


async def test_a_pseudonym_finds_holds_and_erases_its_person(world: World) -> None:
    told = desk(world)
    world.say("c1", ANNA)
    subject = world.name(ANNA)
    assert len(await told.page(OWNER, None, subject, 10, None)) == 1
    hold, _ = await told.hold(OWNER, None, subject, "case")
    assert world.retention.held_by("acme", world.name(ANNA)) == [hold]
    assert (await told.erase(OWNER, None, subject))[1] == [hold]
    await told.release(OWNER, hold.id)
    with pytest.raises(NotFound):
        await told.read(OWNER, "c1")
    with pytest.raises(NotFound, match="nothing is left"):
        await told.hold(OWNER, None, subject, "case")
    (wish,) = world.retention.erasures()
    by_name, erased = await told.hold(OWNER, None, ANNA, "case")
    assert (by_name.subject, erased) == (world.name(ANNA), [wish.id])
    assert by_name.subject != subject


async def test_what_was_kept_after_an_erasure_of_before_is_in_reach(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_chains(world, monkeypatch, hold=False)
    told = desk(world)
    world.say("c2", ANNA)
    assert len(await told.page(OWNER, None, ANNA, 10, None)) == 2
    done, _ = await told.erase(OWNER, None, ANNA)
    assert (done.done_ms is not None, done.keys) == (True, 2)
    assert await told.page(OWNER, None, ANNA, 10, None) == []


async def test_a_hold_of_before_covers_what_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_chains(world, monkeypatch, hold=True)
    told = desk(world)
    world.say("c2", ANNA)
    (hold,) = world.retention.held_by("acme", world.name(ANNA))
    done, holds = await told.erase(OWNER, None, ANNA)
    assert (done.done_ms, holds) == (None, [hold])
    assert len(await told.page(OWNER, None, ANNA, 10, None)) == 2
    changes = world.keys.erased_changes()
    await told.release(OWNER, hold.id)
    assert await told.page(OWNER, None, ANNA, 10, None) == []
    assert world.keys.erased_changes() > changes


async def test_a_replica_that_has_not_heard_of_an_erasure_keeps_nothing_under_it(
    world: World,
) -> None:
    other = World(world.data)
    erased = other.name(ANNA)
    world.retention.erase("acme", world.name(ANNA), "key_a")
    other.say("c1", ANNA)
    other.intake.run()
    entry = other.payloads.find("c1", None)
    assert entry is not None
    assert entry.subject not in (erased, ANNA)
    assert (await desk(world).erase(OWNER, None, ANNA))[0].keys >= 1
    with pytest.raises(KeyGone):
        other.custody.key(key_named(entry.sealed))
    other.close()


@pytest.mark.parametrize("held", [False, True])
def test_what_waits_at_a_replica_while_its_person_is_erased_goes_with_the_erasure(
    world: World, *, held: bool
) -> None:
    world.name(ANNA)
    other = World(world.data, Clock())
    world.clock.days(1)
    world.retention.erase("acme", world.name(ANNA), "key_a")
    if held:
        world.retention.hold("acme", world.name(ANNA), "case", "key_a")
    other.say("before", ANNA)  # a day ago, in a spool that nobody could read yet
    other.clock.days(2)
    other.say("after", ANNA)

    other.intake.run()

    assert (other.payloads.find("before", None) is not None) is held
    assert b"after" in other.read("after")
    other.close()


async def test_what_is_heard_at_the_end_is_kept(world: World) -> None:
    made = names_desk(world)
    users = {world.name(f"u{n}"): f"u{n}" for n in range(1100)}
    made.hear(NamesSeen("acme", users))
    await asyncio.wait_for(made.close(), 60)
    assert made._seen == {}


async def test_a_tenant_with_a_bad_key_stops_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = world.name("ben", "zeta")
    world.name(ANNA)
    with sqlite3.connect(world.keys_directory / "keys.db") as connection:
        bad = "UPDATE sealing_keys SET wrapped = zeroblob(60) WHERE kind = ? AND tenant = ?"
        connection.execute(bad, ("names", "acme"))
    world.close()
    world.open()
    made, told = names_desk(world), list[NamesKey]()
    made.publish = told.append
    for tenant in ("acme", "zeta"):
        made.hear(NamesAsk(tenant))
    made.hear(NamesSeen("acme", {"p_" + "0" * 32: "x"}))
    made.hear(NamesSeen("zeta", {theirs: "ben"}))
    for _ in range(2):
        assert await made._try(made._answer)
        assert await made._try(made._keep)
    assert [key.tenant for key in told] == ["zeta"]
    assert await made.shown(VirtualKey("k", b"", "o", "zeta", Role.OWNER, 0), None, [theirs])
    assert caplog.text.count("a tenant's names wait") == 1
    await asyncio.wait_for(made.close(), 60)


def test_a_clock_that_has_leapt_ahead_deletes_nothing_until_it_is_believed(world: World) -> None:
    world.say("call_1", ANNA, days=1)
    world.intake.run()
    believed = world.clock.now
    plane = desk(world, lambda: believed)
    world.clock.days(2)
    plane._round()
    assert world.read("call_1")
    believed = world.clock.now
    plane._round()
    assert world.payloads.find("call_1", None) is None
