"""Remedies over replicas: two control processes on one store, and each remedy is done once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from remedies_world import ENDS_MS, KEY, NOW_S, ONE, OTHER, World, opened_world, unwritable
from sql_stores import KINDS

from federation.config.settings import Remedying
from federation.domain.violations import Kind, Remedy, Sighting
from federation.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from federation.storage.violations import SqlViolations


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with opened_world(request.param, tmp_path) as opened:
        yield opened


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
    assert world.house.done[1:] == [f"expires {ENDS_MS}"]


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
    deeds = world.replicas[0].desk._actions
    with pytest.raises(InvalidRequest, match="enforce_policy"):
        await deeds.do(ONE, "enforce_policy", "openai", "")
    before = await deeds.before("one", "disable_provider", "openai")
    await deeds.do(ONE, "disable_provider", "openai", before)
    await deeds.do(ONE, "disable_provider", "openai", before)
    assert world.house.done == ["openai disabled"], "once, though it was told twice"


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
