"""Undoing remedies: what was before comes back, and what others changed since stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from remedies_world import KEY, NOW_S, ONE, OTHER, World, opened_world, unwritable
from sql_stores import KINDS

from federation.domain.violations import Remedy
from federation.errors import InvalidRequest, Unavailable
from federation.storage.entries import Override

NOW_MS = int(NOW_S * 1000)
BY_HAND = [
    None,
    Override("us1", enabled=False, changed_ms=5, changed_by="operator"),
    Override("us1", enabled=True, changed_ms=5, changed_by="operator"),
]


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with opened_world(request.param, tmp_path) as opened:
        yield opened


async def provider_off(world: World) -> Remedy:
    world.now[0] += 1
    desk = world.replicas[0].desk
    asked = await desk.propose(ONE, world.violation.id, "disable_provider", "us1")
    return await desk.decide(OTHER, asked.id, approve=True)


async def key_off(world: World) -> Remedy:
    world.now[0] += 1
    return await world.replicas[0].desk.propose(ONE, world.violation.id, "disable_key")


async def undo(world: World, made: Remedy) -> Remedy:
    return await world.replicas[1].desk.undo(ONE, made.id)


async def refused(world: World, made: Remedy) -> str:
    with pytest.raises(InvalidRequest) as told:
        await undo(world, made)
    assert (told.value.status, told.value.code) == (409, "not_undoable")
    kept = world.replicas[0].store.find_remedy(made.id)
    assert kept is not None
    assert kept.state == "done"
    return str(told.value)


@pytest.mark.parametrize("before", BY_HAND)
async def test_what_was_decided_about_a_provider_before_is_what_comes_back(
    world: World, before: Override | None
) -> None:
    world.see()
    world.house.override = before
    made = await provider_off(world)
    assert world.house.override == Override("us1", False, NOW_MS + 1000, "other")
    assert (await undo(world, made)).state == "undone"
    assert world.house.override == before


@pytest.mark.parametrize("since", BY_HAND)
async def test_what_somebody_decided_about_a_provider_since_stays(
    world: World, since: Override | None
) -> None:
    world.see()
    world.house.override = Override("us1", enabled=True, changed_ms=1, changed_by="x")
    made = await provider_off(world)
    world.house.override = since
    assert "changed by somebody else since" in await refused(world, made)
    assert world.house.override == since


async def test_of_two_remedies_on_one_provider_the_later_is_undone_first(world: World) -> None:
    world.see()
    first, second = await provider_off(world), await provider_off(world)
    await refused(world, first)
    assert world.house.override is not None
    assert (await undo(world, second)).state == "undone"
    assert not world.house.override.enabled
    assert (await undo(world, first)).state == "undone"
    assert world.house.override is None


async def test_of_two_remedies_on_one_key_the_later_is_undone_first(world: World) -> None:
    world.see()
    first, second = await key_off(world), await key_off(world)
    await refused(world, first)
    await undo(world, second)
    await undo(world, first)
    assert world.house.key == KEY


async def test_a_key_that_has_ended_lives_no_longer_for_a_remedy(world: World) -> None:
    world.see()
    ended = world.house.key = replace(KEY, expires_ms=77)
    made = await key_off(world)
    assert world.house.key.expires_ms == 78, "a mark of its own, and past"
    await undo(world, made)
    assert world.house.key == ended


async def test_another_end_that_somebody_gave_a_key_since_stays(world: World) -> None:
    world.see()
    world.house.key = replace(KEY, expires_ms=None)
    made = await key_off(world)
    world.house.key = replace(world.house.key, expires_ms=NOW_MS + 5)
    await refused(world, made)
    assert world.house.key.expires_ms == NOW_MS + 5


async def test_a_key_that_was_revoked_since_is_not_said_to_be_back(world: World) -> None:
    world.see()
    made = await key_off(world)
    world.house.key = replace(world.house.key, revoked_ms=NOW_MS)
    assert "revoked, for good" in await refused(world, made)


async def test_other_changes_of_a_key_are_kept_when_its_end_is_taken_back(world: World) -> None:
    world.see()
    made = await key_off(world)
    world.house.key = replace(world.house.key, models=("small",))
    await undo(world, made)
    assert world.house.key == replace(KEY, models=("small",))


async def test_who_takes_over_goes_by_what_is_there_now(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One died after it had disabled the provider; an operator switched it on and off since."""
    world.see()
    with monkeypatch.context() as disk:
        unwritable(world, disk, "done")
        with pytest.raises(Unavailable):
            await provider_off(world)
    (kept,) = world.replicas[0].store.remedies(world.violation.id)
    by_hand = world.house.override = BY_HAND[1]
    world.now[0] += 1
    made = await world.replicas[1].desk.decide(OTHER, kept.id, approve=True)
    assert world.house.override != by_hand
    await undo(world, made)
    assert world.house.override == by_hand


async def test_rejecting_leaves_what_somebody_else_did_since(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.see()
    with monkeypatch.context() as disk:
        unwritable(world, disk, "done")
        with pytest.raises(Unavailable):
            await provider_off(world)
    (kept,) = world.replicas[0].store.remedies(world.violation.id)
    by_hand = world.house.override = BY_HAND[1]
    rejected = await world.replicas[1].desk.decide(OTHER, kept.id, approve=False)
    assert rejected.state == "rejected"
    assert world.house.override == by_hand


async def test_somebody_who_came_in_between_is_not_overrun(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.see()
    house: Any = world.house
    swap = house.swap

    async def after_somebody(*given: Any) -> bool:
        house.override = BY_HAND[2]
        return bool(await swap(*given))

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(house, "swap", after_somebody)
        with pytest.raises(InvalidRequest, match="just now"):
            await provider_off(world)
    assert house.override == BY_HAND[2]
    (kept,) = world.replicas[0].store.remedies(world.violation.id)
    assert kept.state == "proposed"
    made = await world.replicas[0].desk.decide(OTHER, kept.id, approve=True)
    await undo(world, made)
    assert house.override == BY_HAND[2]


async def test_what_an_earlier_version_kept_is_not_taken_for_what_was(world: World) -> None:
    world.see()
    made, store = await key_off(world), world.replicas[0].store
    assert store.change_remedy(replace(made, before='{"expires_ms":null,"enabled":true}'), made)
    assert "was not kept" in await refused(world, made)
