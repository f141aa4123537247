"""What every store of budgets, pots and leases promises, asked of each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from money_stores import KINDS, MoneyWorld, money_world

from federation.control.budgets_ports import PotStore
from federation.domain.budgets import Budget, Lease, Period, Pot, Scope, Standing, pot_budget
from federation.pricing.pots import Ask, Gone, Granted, Note, Short, Turn, Want

DAY = Pot("acme/b1/-/0", 1000)
OTHER = Pot("acme/b2/-/0", 500)
SOFT = Pot("acme/b3/-/0", 100, hard=False)


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MoneyWorld]:
    with money_world(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def pots(world: MoneyWorld) -> PotStore:
    return world.replica()


class Given(NamedTuple):
    totals: tuple[int, ...]
    tight: bool


def ask(
    store: PotStore,
    *wants: tuple[Pot, int],
    writer: str = "w1",
    wish: int = 0,
    ahead: bool = False,
    sharers: int = 1,
) -> Given | Short | Gone:
    made = tuple(Want(pot, least, max(least, wish)) for pot, least in wants)
    turn = Turn(asks=(Ask(writer, 1, made, ahead),), sharers=sharers)
    return told(store.turn(turn).answers[0])


def told(answer: Granted | Short | Gone) -> Given | Short | Gone:
    """An answer by what it grants in all."""
    if isinstance(answer, Granted):
        return Given(tuple(lease.granted_nano for lease in answer.leases), answer.tight)
    return answer


def note(
    store: PotStore, pot: Pot, spent: int, returned: int = 0, overrun: int = 0, writer: str = "w1"
) -> None:
    store.turn(Turn(notes=(Note(writer, pot.id, spent, returned, overrun),)))


def standing(store: PotStore, pot: Pot) -> Standing:
    return next(each for each in store.standings(*pot_budget(pot.id)) if each.pot == pot.id)


def test_what_is_granted_is_reserved_until_it_is_spent_or_returned(pots: PotStore) -> None:
    assert ask(pots, (DAY, 300)) == Given((300,), tight=True)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 0, 300)
    note(pots, DAY, spent=120, returned=80)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 120, 100)
    note(pots, DAY, spent=120, returned=180)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 120, 0)


def test_grants_add_up_in_one_total(pots: PotStore) -> None:
    assert ask(pots, (DAY, 300)) == Given((300,), tight=True)
    assert ask(pots, (DAY, 20)) == Given((320,), tight=False)
    assert ask(pots, (DAY, 5), writer="w2") == Given((5,), tight=False)
    assert pots.leases() == [Lease("w1", DAY.id, 320), Lease("w2", DAY.id, 5)]
    assert pots.leases("w2") == [Lease("w2", DAY.id, 5)]


def test_a_hard_pot_gives_its_last_nano_and_not_one_more(pots: PotStore) -> None:
    assert isinstance(ask(pots, (DAY, 1000)), Given)
    assert ask(pots, (DAY, 1)) == Short(DAY.id, 0, hopeless=False)
    note(pots, DAY, spent=1000)
    assert ask(pots, (DAY, 1)) == Short(DAY.id, 0, hopeless=True)
    assert isinstance(ask(pots, (DAY, 0)), Given)


def test_an_ask_is_met_in_all_of_its_pots_or_in_none(pots: PotStore) -> None:
    assert isinstance(ask(pots, (OTHER, 450)), Given)
    assert ask(pots, (DAY, 100), (OTHER, 100)) == Short(OTHER.id, 50, hopeless=False)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 0, 0)
    assert ask(pots, (DAY, 50), (OTHER, 50)) == Given((50, 500), tight=True)


def test_a_soft_pot_counts_and_never_refuses(pots: PotStore) -> None:
    assert isinstance(ask(pots, (SOFT, 5000)), Given)
    note(pots, SOFT, spent=5000)
    assert isinstance(ask(pots, (SOFT, 1)), Given)
    assert standing(pots, SOFT) == Standing(SOFT.id, 100, False, 5000, 1)


def test_notes_may_come_twice_and_out_of_order(pots: PotStore) -> None:
    ask(pots, (DAY, 100))
    for spent, returned in ((10, 0), (40, 30), (20, 10), (40, 30), (10, 0)):
        note(pots, DAY, spent, returned)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 40, 30)


def test_a_bill_above_its_reservation_is_charged_and_told(pots: PotStore) -> None:
    ask(pots, (DAY, 100))
    note(pots, DAY, spent=150, overrun=50)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 150, 0, 50)


def test_an_overrun_takes_nothing_from_the_worker_s_other_calls(pots: PotStore) -> None:
    ask(pots, (DAY, 100))  # two calls of 50, and the first one costs 80
    note(pots, DAY, spent=80, overrun=30)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 80, 50, 30)


def test_an_overrun_that_only_the_journal_tells_is_found(pots: PotStore) -> None:
    ask(pots, (DAY, 100))
    note(pots, DAY, spent=170)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 170, 0, 70)


def test_what_a_store_that_is_gone_had_granted_is_no_overrun(pots: PotStore) -> None:
    note(pots, DAY, spent=170)
    assert standing(pots, DAY) == Standing(DAY.id, 0, True, 170, 0, 0)
    pots.turn(Turn(closes=("w1",)))
    note(pots, OTHER, spent=80, returned=10, overrun=30, writer="w2")
    assert standing(pots, OTHER) == Standing(OTHER.id, 0, True, 80, 0, 30)
    note(pots, OTHER, spent=90, returned=10, overrun=40, writer="w2")
    assert standing(pots, OTHER) == Standing(OTHER.id, 0, True, 90, 0, 40)


def test_an_overrun_over_the_cap_stops_the_next_call(pots: PotStore) -> None:
    ask(pots, (DAY, 1000))
    note(pots, DAY, spent=1300, overrun=300)
    assert ask(pots, (DAY, 1)) == Short(DAY.id, -300, hopeless=True)


def test_what_a_dead_worker_held_comes_back(pots: PotStore) -> None:
    ask(pots, (DAY, 300), (OTHER, 200))
    ask(pots, (DAY, 50), writer="w2")
    pots.beat("r1", ["w1", "w2"])
    pots.turn(Turn(notes=(Note("w1", DAY.id, 120),), closes=("w1",)))
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 120, 50)
    assert standing(pots, OTHER) == Standing(OTHER.id, 500, True, 0, 0)
    assert pots.leases() == [Lease("w2", DAY.id, 50)]
    assert pots.beats() == {"w2": ("r1", 1)}
    pots.turn(Turn(closes=("w1", "nobody")))
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 120, 50)


def test_a_bill_that_comes_after_the_close_is_charged_as_an_overrun(pots: PotStore) -> None:
    ask(pots, (DAY, 300))
    pots.turn(Turn(closes=("w1",)))
    note(pots, DAY, spent=120, returned=180)
    note(pots, DAY, spent=120, returned=180)
    assert standing(pots, DAY) == Standing(DAY.id, 1000, True, 120, 0, 120)


def test_a_worker_that_was_taken_for_dead_gets_nothing(pots: PotStore) -> None:
    ask(pots, (DAY, 300))
    pots.turn(Turn(closes=("w1",)))
    assert ask(pots, (DAY, 10)) == Gone()
    assert ask(pots, (OTHER, 10)) == Gone()
    assert isinstance(ask(pots, (OTHER, 10), writer="w2"), Given)


def test_leases_shrink_as_the_cap_comes_near(pots: PotStore) -> None:
    sizes, total = [], 0
    while isinstance(given := ask(pots, (DAY, 10), wish=160, sharers=2), Given):
        sizes.append(given.totals[0] - total)
        total = given.totals[0]
        assert given.tight == (sizes[-1] == 10)
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (160, 10)
    assert total > 990


def test_what_is_only_wished_is_not_given_where_little_is_left(pots: PotStore) -> None:
    assert ask(pots, (DAY, 10), wish=160, ahead=True) == Given((160,), tight=False)
    assert isinstance(ask(pots, (DAY, 800)), Given)
    assert ask(pots, (DAY, 10), wish=160, ahead=True) == Given((960,), tight=True)
    assert ask(pots, (DAY, 1000), wish=160, ahead=True) == Given((960,), tight=True)


def test_who_waits_is_not_overtaken_in_the_same_pots(pots: PotStore) -> None:
    ask(pots, (DAY, 900))
    big = Ask("w2", 1, (Want(DAY, 200, 200), Want(OTHER, 200, 200)), waits=True)
    small = Ask("w3", 2, (Want(OTHER, 10, 10),))
    wish = Ask("w3", 3, (Want(OTHER, 10, 10),), ahead=True)
    aside = Ask("w3", 4, (Want(SOFT, 10, 10),))
    turn = Turn(asks=(big, small, wish, aside))
    assert tuple(map(told, pots.turn(turn).answers)) == (
        Short(DAY.id, 100, hopeless=False),
        Short(OTHER.id, 500, hopeless=False),
        Given((0,), tight=True),
        Given((10,), tight=False),
    )
    hurried = replace(big, waits=False)
    answers = pots.turn(Turn(asks=(hurried, small))).answers
    assert told(answers[1]) == Given((10,), tight=False)


def test_notes_come_before_asks_in_a_turn(pots: PotStore) -> None:
    ask(pots, (DAY, 1000))
    turn = Turn(notes=(Note("w1", DAY.id, 100, 900),), asks=(Ask("w1", 2, (Want(DAY, 900, 900),)),))
    assert told(pots.turn(turn).answers[0]) == Given((1900,), tight=True)


def test_a_changed_limit_holds_from_the_next_ask(pots: PotStore) -> None:
    ask(pots, (DAY, 600))
    lowered = replace(DAY, cap_nano=500)
    assert ask(pots, (lowered, 1)) == Short(DAY.id, -100, hopeless=False)
    assert isinstance(ask(pots, (replace(DAY, hard=False, cap_nano=1), 1)), Given)
    assert isinstance(ask(pots, (replace(DAY, cap_nano=2000), 1399)), Given)
    assert isinstance(ask(pots, (replace(DAY, cap_nano=2000), 1)), Short)


def test_amounts_of_billions_of_dollars_are_exact(pots: PotStore) -> None:
    vast = Pot("acme/b4/-/0", (1 << 62) - 1)
    assert ask(pots, (vast, (1 << 62) - 2)) == Given(((1 << 62) - 2,), tight=True)
    assert ask(pots, (vast, 2)) == Short(vast.id, 1, hopeless=False)
    note(pots, vast, spent=(1 << 61) + 1, returned=(1 << 61) - 3)
    assert standing(pots, vast) == Standing(vast.id, (1 << 62) - 1, True, (1 << 61) + 1, 0)
    assert ask(pots, (vast, (1 << 61) - 2)) == Given(((1 << 62) + (1 << 61) - 4,), tight=True)
    assert isinstance(ask(pots, (vast, 1)), Short)


def test_what_a_turn_touches_is_told_as_it_stands_after(pots: PotStore) -> None:
    ask(pots, (DAY, 10))
    played = pots.turn(Turn(notes=(Note("w1", DAY.id, 4, 1),)))
    assert played.standings == {DAY.id: Standing(DAY.id, 1000, True, 4, 5)}


def test_another_replica_sees_the_same(world: MoneyWorld) -> None:
    here, there = world.replica(), world.replica()
    assert isinstance(ask(here, (DAY, 600)), Given)
    assert isinstance(ask(there, (DAY, 600), writer="w2"), Short)
    assert isinstance(ask(there, (DAY, 400), writer="w2"), Given)
    note(here, DAY, spent=100, returned=500)
    assert standing(there, DAY) == Standing(DAY.id, 1000, True, 100, 400)
    assert len(here.leases()) == 2
    assert not world.overspent()


def test_an_alert_is_due_once_over_all_replicas(world: MoneyWorld) -> None:
    here, there = world.replica(), world.replica()
    ask(here, (DAY, 10))
    assert here.alerted(DAY.id, 50)
    assert not there.alerted(DAY.id, 50)
    assert there.alerted(DAY.id, 95)
    assert not here.alerted(DAY.id, 80)


def test_beats_are_counted(pots: PotStore) -> None:
    pots.beat("r1", ["w1", "w2"])
    pots.beat("r1", ["w1"])
    pots.beat("r1", [])
    assert pots.beats() == {"w1": ("r1", 2), "w2": ("r1", 1)}


def test_pots_are_listed_by_their_budget(pots: PotStore) -> None:
    tomorrow = replace(DAY, id="acme/b1/-/86400000")
    ask(pots, (DAY, 1), (OTHER, 1), (tomorrow, 2))
    assert [each.pot for each in pots.standings("acme", "b1")] == [DAY.id, tomorrow.id]
    assert pots.standings("acme", "none") == []
    assert pots.standings("other", "b1") == [], "another tenant's of the same id"


BUDGET = Budget("b1", "acme", Scope.TEAM, "red", 5, Period.MONTHLY, "Asia/Tokyo", False, (1, 99), 7)


def test_a_budget_is_kept_as_it_was_given(world: MoneyWorld) -> None:
    store = world.budgets
    store.save(BUDGET)
    assert store.find("acme", "b1") == BUDGET
    changed = replace(BUDGET, limit_nano=6, alerts=())
    store.save(changed)
    assert store.list("acme") == [changed]


def test_a_budget_is_its_own_tenant_s_alone(world: MoneyWorld) -> None:
    store = world.budgets
    store.save(BUDGET)
    store.save(replace(BUDGET, id="b0", tenant="other", created_ms=1))
    assert store.find("other", "b1") is None
    assert not store.remove("other", "b1")
    assert [each.id for each in store.list("acme")] == ["b1"]
    assert [each.id for each in store.list(None)] == ["b0", "b1"]
    assert store.remove("acme", "b1")
    assert not store.remove("acme", "b1")


def test_tenants_may_give_the_same_id_to_budgets_of_theirs(world: MoneyWorld) -> None:
    store, other = world.budgets, replace(BUDGET, tenant="other", limit_nano=8)
    store.save(BUDGET)
    store.save(other)
    assert store.list(None) == [BUDGET, other]
    store.save(replace(other, limit_nano=9))
    assert store.find("acme", "b1") == BUDGET
    assert store.remove("other", "b1")
    assert store.list(None) == [BUDGET]


def test_pots_that_are_long_over_are_forgotten_unless_somebody_holds_money_of_them(
    pots: PotStore,
) -> None:
    held, old, new = (Pot(f"acme/b1/-/{n}", 1000) for n in (1, 2, 3))
    for pot, writer in ((held, "w1"), (old, "w2"), (new, "w2")):
        ask(pots, (pot, 10), writer=writer)
    pots.turn(Turn(closes=("w2",)))
    assert pots.prune(lambda pot: pot in (held.id, old.id)) == 1
    assert [each.pot for each in pots.leases()] == [held.id]
    assert {each.pot for each in pots.standings("acme", "b1")} == {held.id, new.id}
    assert pots.prune(lambda _: False) == 0
