"""A pot that somebody else forgot: what this control process knew of it must not hold it up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from money_stores import KINDS, MoneyWorld, money_world
from sqlalchemy import delete

from federation.control.budgets_ports import PotStore
from federation.domain.budgets import Lease, Pot, Standing, pot_budget
from federation.pricing.pots import Ask, Granted, Note, Played, Short, Turn, Want
from federation.storage.engine import writing
from federation.storage.pots_rows import locked, save_leases
from federation.storage.tables import money_pots

DAY = Pot("acme/b1/-/0", 1000)
NEXT = Pot("acme/b1/-/1", 1000)
DATABASES = [kind for kind in KINDS if kind != "memory"]


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MoneyWorld]:
    with money_world(request.param, tmp_path) as made:
        yield made


def play(store: PotStore, turn: Turn) -> Played:
    """A turn that ends, or fails where it hangs."""
    told: list[Played | Exception] = []

    def run() -> None:
        try:
            told.append(store.turn(turn))
        except Exception as error:
            told.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert told, "the turn does not end"
    if isinstance(told[0], Exception):
        raise told[0]
    return told[0]


def asking(writer: str, least: int, *pots: Pot) -> Turn:
    wants = tuple(Want(pot, least, least) for pot in pots)
    return Turn(asks=(Ask(writer, 1, wants),))


def sums(store: PotStore, pot: Pot) -> tuple[int, int, int]:
    """What is spent, reserved and overrun of a pot."""
    found = {each.pot: each for each in store.standings(*pot_budget(pot.id))}[pot.id]
    return found.spent_nano, found.reserved_nano, found.overrun_nano


def forgotten(world: MoneyWorld) -> tuple[PotStore, PotStore]:
    """Two replicas; the first knows a pot of which w1 spent 40, and the second forgot it."""
    here, there = world.replica(), world.replica()
    play(here, asking("w1", 100, DAY))
    play(here, Turn(notes=(Note("w1", DAY.id, 40),), closes=("w1",)))
    assert there.prune(lambda _: True) == 1
    return here, there


def test_a_note_on_a_pot_that_another_replica_forgot_is_counted_once(world: MoneyWorld) -> None:
    here, there = forgotten(world)
    note = Turn(notes=(Note("w1", DAY.id, 40),))
    for store in (here, here, there):
        played = play(store, note)
        assert played.standings[DAY.id].spent_nano == 40
        assert sums(store, DAY) == (40, 0, 0)
    assert isinstance(play(here, asking("w2", 961, DAY)).answers[0], Short)
    assert isinstance(play(here, asking("w2", 960, DAY)).answers[0], Granted)
    assert sums(there, DAY) == (40, 960, 0)


def test_an_ask_on_a_pot_that_another_replica_forgot_is_met_within_its_limit(
    world: MoneyWorld,
) -> None:
    here, there = forgotten(world)
    (granted,) = play(here, asking("w2", 900, NEXT, DAY)).answers
    assert isinstance(granted, Granted)
    assert [lease.granted_nano for lease in granted.leases] == [900, 900]
    assert isinstance(play(there, asking("w3", 101, DAY)).answers[0], Short)
    assert there.leases() == [Lease("w2", DAY.id, 900), Lease("w2", NEXT.id, 900)]
    assert {each.pot: each for each in here.standings("acme", "b1")}[DAY.id] == Standing(
        DAY.id, 1000, True, 0, 900
    )


def test_both_that_knew_a_forgotten_pot_count_on_together(world: MoneyWorld) -> None:
    here, there = world.replica(), world.replica()
    for store, writer in ((here, "w1"), (there, "w2")):
        play(store, asking(writer, 100, DAY))
        play(store, Turn(notes=(Note(writer, DAY.id, 30),), closes=(writer,)))
    assert world.replica().prune(lambda _: True) == 1
    play(here, asking("w3", 400, DAY))
    play(there, asking("w4", 500, DAY))
    assert sums(here, DAY) == sums(there, DAY) == (0, 900, 0)
    assert isinstance(play(here, asking("w3", 101, DAY)).answers[0], Short)


@pytest.mark.parametrize("world", DATABASES, indirect=True)
def test_a_writer_that_ends_needs_no_row_of_its_pot(world: MoneyWorld) -> None:
    assert world.engine is not None
    here, there = world.replica(), world.replica()
    play(here, asking("w1", 100, DAY))
    play(here, asking("w2", 50, DAY))
    play(here, Turn(notes=(Note("w1", DAY.id, 40),)))
    with writing(world.engine) as connection:
        connection.execute(delete(money_pots))
    play(there, Turn(closes=("w1",)))
    assert sums(there, DAY) == (40, 50, 0), "a pot is the sum of its leases"
    assert there.leases() == [Lease("w2", DAY.id, 50)]


@pytest.mark.parametrize("world", DATABASES, indirect=True)
def test_a_pot_of_which_somebody_gets_money_just_now_is_not_forgotten(world: MoneyWorld) -> None:
    assert world.engine is not None
    here, there = world.replica(), world.replica()
    play(here, Turn(notes=(Note("w1", DAY.id, 40),), closes=("w1",)))
    gone: list[int] = []
    pruning = threading.Thread(target=lambda: gone.append(there.prune(lambda _: True)), daemon=True)
    with writing(world.engine) as connection:
        assert locked(connection, [DAY.id])
        save_leases(connection, [Lease("w2", DAY.id, 10)])
        pruning.start()
        pruning.join(0.3)
    pruning.join(30)
    assert gone == [0]
    assert sums(here, DAY)[0] == 40
