from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from federation.domain.budgets import Pot
from federation.errors import BudgetExceeded, Unavailable
from federation.gateway import purse as purse_module
from federation.gateway.purse import HOLD_S, Purse
from federation.gateway.purse_lease import FORGET_S, IDLE_S
from federation.ports import Budgets
from federation.schema.money import (
    FromPurse,
    MoneyAck,
    MoneyAsk,
    MoneyBeat,
    MoneyGrant,
    MoneyReport,
    MoneyShort,
    MoneyTight,
    PotTotals,
)

KEY = Pot("acme/bkey/-/0", 1000, end_ms=86_400_000)
TENANT = Pot("acme/btenant/-/0", 5000)
ENDLESS = Pot("acme/bkey/-/0", 1000)
SOFT = Pot("acme/bsoft/-/0", 10, hard=False)


class Control:
    """The other end of the link: keeps what it is sent, and answers when told to."""

    def __init__(self) -> None:
        self.there = True
        self.sent: list[FromPurse] = []
        self.now = 0.0
        self.purse = Purse(self.send, lambda: self.now)
        self.purse.accept(MoneyBeat())
        self.granted: dict[str, int] = {}

    def send(self, message: FromPurse) -> bool:
        if self.there:
            self.sent.append(message)
        return self.there

    def asks(self) -> list[MoneyAsk]:
        return [message for message in self.sent if isinstance(message, MoneyAsk)]

    def grant(self, ask: MoneyAsk, *amounts: int, tight: bool = False) -> None:
        leases = []
        for want, amount in zip(ask.wants, amounts, strict=True):
            self.granted[want.pot] = self.granted.get(want.pot, 0) + amount
            leases.append(PotTotals(want.pot, self.granted[want.pot], 0, 0, 0))
        self.purse.accept(MoneyGrant(ask.n, leases, tight))

    def reported(self) -> dict[str, PotTotals]:
        """The last report's totals."""
        reports = [message for message in self.sent if isinstance(message, MoneyReport)]
        return {each.pot: each for each in reports[-1].held} if reports else {}


async def asked(control: Control, hold: str, *pots: Pot, amount: int = 10) -> asyncio.Task[None]:
    task = asyncio.create_task(control.purse.reserve(hold, pots, amount))
    await asyncio.sleep(0)
    return task


async def leased(*pots: Pot, amount: int = 100) -> Control:
    """A control whose purse holds so much of each pot."""
    control = Control()
    task = await asked(control, "first", *pots, amount=1)
    control.grant(control.asks()[-1], *(amount for _ in pots))
    await task
    control.purse.settle("first", 0)
    return control


def test_a_purse_is_what_the_gateway_asks_for() -> None:
    budgets: Budgets = Control().purse
    assert budgets


async def test_a_lease_serves_calls_without_asking_anybody() -> None:
    control = await leased(KEY, TENANT)
    asked_before = len(control.asks())
    for n in range(5):
        assert control.purse.take(f"c{n}", (KEY, TENANT), 10)
    assert len(control.asks()) == asked_before or control.asks()[-1].ahead
    assert control.purse.settle("c0", 7).totals == {KEY.id: 7, TENANT.id: 7}
    assert control.purse.settle("c1", 3).totals == {KEY.id: 10, TENANT.id: 10}
    control.purse.tick()
    assert control.reported()[KEY.id] == PotTotals(KEY.id, 100, 10, 0, 0)


async def test_a_pot_that_has_plenty_lends_no_more_because_another_is_new() -> None:
    control = await leased(TENANT, amount=4000)
    for n in range(30):
        mine = replace(KEY, id=f"acme/bkey/k{n}/0")
        task = await asked(control, f"c{n}", mine, TENANT)
        ask = control.asks()[-1]
        assert {want.pot: want.wish_nano for want in ask.wants}[TENANT.id] == 10
        control.grant(ask, 160, 10)
        await task
        control.purse.settle(f"c{n}", 1)


async def test_no_pots_cost_nothing() -> None:
    control = Control()
    await control.purse.reserve("c", (), 10)
    assert control.sent == []


async def test_what_is_not_held_in_each_pot_is_taken_from_none() -> None:
    control = await leased(KEY)
    assert not control.purse.take("c", (KEY, TENANT), 10)
    assert control.purse.take("d", (KEY,), 100)
    assert not control.purse.take("e", (KEY,), 1)


async def test_a_reservation_and_its_settlement_count_once() -> None:
    control = await leased(KEY)
    assert control.purse.take("c", (KEY,), 60)
    assert control.purse.take("c", (KEY,), 60)
    assert control.purse.settle("c", 50).charged_nano == 50
    again = control.purse.settle("c", 50)
    assert (again.charged_nano, again.totals) == (0, {})
    control.purse.release("c")
    control.purse.release("never")
    assert control.purse.take("d", (KEY,), 50)
    assert not control.purse.take("e", (KEY,), 1)


async def test_a_call_that_waits_owns_what_comes_for_it() -> None:
    control = Control()
    task = await asked(control, "c", KEY, TENANT, amount=10)
    (ask,) = control.asks()
    assert [want.least_nano for want in ask.wants] == [10, 10]
    assert all(want.wish_nano > 10 for want in ask.wants)
    control.grant(ask, 10, 10)
    assert not control.purse.take("thief", (KEY,), 1)
    await task
    assert control.purse.settle("c", 10).charged_nano == 10


async def test_while_more_is_on_its_way_calls_ask_for_no_more_than_they_need() -> None:
    control = Control()
    tasks = [await asked(control, f"c{n}", KEY) for n in range(3)]
    assert [ask.wants[0].wish_nano > 10 for ask in control.asks()] == [True, False, False]
    for ask in control.asks():
        control.grant(ask, ask.wants[0].wish_nano)
    await asyncio.gather(*tasks)


async def test_a_spent_budget_is_refused_with_what_is_left_and_when_it_resets() -> None:
    control = Control()
    task = await asked(control, "c", KEY, TENANT)
    short = MoneyShort(KEY.id, 3)
    control.purse.accept(MoneyGrant(control.asks()[0].n, short=short))
    with pytest.raises(BudgetExceeded) as caught:
        await task
    error = caught.value
    assert (error.status, error.code) == (402, "budget_exceeded")
    assert (error.budget, error.left_nano, error.resets_ms) == ("bkey", 3, KEY.end_ms)
    assert "0.000000003 USD left" in error.message


@pytest.mark.parametrize(
    ("left_nano", "pot", "words"),
    [
        (3, KEY, "has 0.000000003 USD left, and this call may cost 0.00000001 USD. Ask for less "),
        (3, KEY, "output, have the budget raised, or wait until 1970-01-02T00:00:00Z."),
        (3, ENDLESS, "USD. Ask for less output or have the budget raised."),
        (0, ENDLESS, "has 0 USD left, and this call may cost 0.00000001 USD. Have the budget "),
        (-70_000_000, ENDLESS, "'bkey' is overdrawn by 0.07 USD, and this call may cost "),
        (-70_000_000, ENDLESS, "0.00000001 USD. Have the budget raised."),
        (-1, KEY, "Have the budget raised or wait until 1970-01-02T00:00:00Z."),
    ],
)
async def test_a_refusal_says_how_the_budget_stands_and_what_helps(
    left_nano: int, pot: Pot, words: str
) -> None:
    control = Control()
    task = await asked(control, "c", pot)
    control.purse.accept(MoneyGrant(control.asks()[0].n, short=MoneyShort(pot.id, left_nano)))
    with pytest.raises(BudgetExceeded) as caught:
        await task
    assert words in caught.value.message
    assert caught.value.left_nano == max(0, left_nano)


async def test_more_is_asked_for_ahead_of_need_and_once_at_a_time() -> None:
    control = await leased(KEY, amount=160)
    for n in range(14):
        assert control.purse.take(f"c{n}", (KEY,), 10)
    ahead = [ask for ask in control.asks() if ask.ahead]
    assert len(ahead) == 1
    control.grant(ahead[0], 500)
    assert control.purse.take("big", (KEY,), 500)


async def test_where_money_is_tight_what_is_left_over_goes_back_at_once() -> None:
    control = Control()
    task = await asked(control, "c", KEY, amount=100)
    control.grant(control.asks()[0], 100, tight=True)
    await task
    control.purse.settle("c", 30)
    assert control.reported()[KEY.id] == PotTotals(KEY.id, 100, 30, 70, 0)
    assert not control.purse.take("d", (KEY,), 1)


async def test_a_call_for_money_brings_back_what_no_call_holds() -> None:
    control = await leased(KEY)
    assert control.purse.take("c", (KEY,), 40)
    control.purse.accept(MoneyTight([KEY.id, "acme/unknown/-/0"]))
    assert control.reported()[KEY.id] == PotTotals(KEY.id, 100, 0, 60, 0)
    control.purse.settle("c", 40)
    assert control.reported()[KEY.id] == PotTotals(KEY.id, 100, 40, 60, 0)


async def test_an_overrun_takes_from_what_is_free_and_then_from_nobody() -> None:
    control = await leased(KEY)
    assert control.purse.take("c", (KEY,), 40)
    assert control.purse.take("d", (KEY,), 40)
    settled = control.purse.settle("c", 75)
    assert (settled.charged_nano, settled.overrun_nano) == (75, 35)
    assert control.reported()[KEY.id] == PotTotals(KEY.id, 100, 75, 0, 15)
    control.purse.settle("d", 40)
    control.purse.tick()
    assert control.reported()[KEY.id] == PotTotals(KEY.id, 100, 115, 0, 15)


async def test_a_grant_for_a_call_that_went_away_is_not_lost() -> None:
    control = Control()
    task = await asked(control, "c", KEY)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    control.grant(control.asks()[0], 100)
    assert control.purse.take("d", (KEY,), 100)


async def test_a_call_that_is_cancelled_as_its_grant_comes_holds_nothing() -> None:
    control = Control()
    task = await asked(control, "c", KEY)
    control.grant(control.asks()[0], 100)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert control.purse.take("d", (KEY,), 100)


async def test_an_answer_that_does_not_come_is_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(purse_module, "ANSWER_S", 0.01)
    control = Control()
    with pytest.raises(Unavailable, match="budgets cannot be asked"):
        await control.purse.reserve("c", (KEY,), 10)
    control.grant(control.asks()[0], 100)
    assert control.purse.take("d", (KEY,), 100)


async def test_without_control_hard_budgets_stop_calls_and_soft_ones_do_not() -> None:
    control = Control()
    control.there = False
    with pytest.raises(Unavailable):
        await control.purse.reserve("c", (KEY, SOFT), 10)
    await control.purse.reserve("d", (SOFT,), 10)
    control.purse.settle("d", 25)
    control.there = True
    control.purse.tick()
    ask = control.asks()[-1]
    assert (ask.ahead, ask.wants[0].wish_nano) == (True, 0)
    control.grant(ask, 0)
    control.purse.tick()
    assert control.reported()[SOFT.id] == PotTotals(SOFT.id, 0, 25, 0, 25)


async def test_a_store_that_fails_and_a_death_that_was_assumed_are_no_verdict_on_money() -> None:
    control = Control()
    for grant in (MoneyGrant(1, failed=True), MoneyGrant(2, gone=True)):
        task = await asked(control, f"c{grant.n}", KEY)
        control.purse.accept(grant)
        with pytest.raises(Unavailable):
            await task
    assert control.purse.gone
    with pytest.raises(Unavailable):
        await control.purse.reserve("d", (KEY,), 1)


async def test_a_lease_is_not_spent_from_when_control_was_silent_for_long() -> None:
    control = await leased(KEY)
    control.now = HOLD_S - 1
    assert control.purse.take("c", (KEY,), 1)
    control.now = HOLD_S
    assert not control.purse.take("d", (KEY,), 1)
    control.purse.accept(MoneyBeat())
    assert control.purse.take("d", (KEY,), 1)


async def test_after_the_link_was_cut_everything_is_said_again() -> None:
    control = await leased(KEY)
    control.purse.take("c", (KEY,), 10)
    control.purse.settle("c", 10)
    control.purse.tick()
    waiting = await asked(control, "d", TENANT)
    control.sent.clear()
    control.purse.reconnected()
    assert control.reported()[KEY.id].spent_nano == 10
    (ask,) = [ask for ask in control.asks() if not ask.ahead]
    control.grant(ask, 10)
    await waiting


async def test_a_grant_whose_answer_was_lost_comes_with_the_next() -> None:
    control = Control()
    task = await asked(control, "c", KEY)
    control.granted[KEY.id] = 40  # an earlier answer that never arrived
    control.grant(control.asks()[0], 10)
    await task
    assert control.purse.take("d", (KEY,), 40)


async def test_what_lies_idle_goes_back() -> None:
    control = await leased(KEY)
    control.now = IDLE_S + 1
    control.purse.tick()
    assert control.reported()[KEY.id] == PotTotals(KEY.id, 100, 0, 100, 0)


async def test_a_pot_is_forgotten_when_all_is_told_and_goes_on_where_it_stood() -> None:
    control = await leased(KEY)
    control.purse.take("c", (KEY,), 60)
    control.purse.settle("c", 60)
    control.grant(control.asks()[-1], 0)
    control.now = IDLE_S + 1
    control.purse.tick()
    report = next(m for m in reversed(control.sent) if isinstance(m, MoneyReport))
    control.now = FORGET_S + 1
    control.purse.tick()
    assert KEY.id in control.purse._held, "not before control has it in its store"
    control.purse.accept(MoneyAck(report.n))
    control.purse.tick()
    assert KEY.id not in control.purse._held
    control.purse.accept(MoneyBeat())
    task = await asked(control, "d", KEY, amount=5)
    ask = control.asks()[-1]
    control.purse.accept(MoneyGrant(ask.n, [PotTotals(KEY.id, 105, 60, 40, 0)]))
    await task
    assert control.purse.settle("d", 5).totals == {KEY.id: 65}
    control.purse.tick()
    assert control.reported()[KEY.id] == PotTotals(KEY.id, 105, 65, 40, 0)


async def test_what_control_read_in_the_journal_is_not_added_to_what_it_tells_of() -> None:
    control = Control()
    control.there = False
    await control.purse.reserve("c", (SOFT,), 10)
    assert control.purse.settle("c", 25).totals == {SOFT.id: 25}
    control.there = True
    control.purse.tick()
    ask = control.asks()[-1]
    control.purse.accept(MoneyGrant(ask.n, [PotTotals(SOFT.id, 125, 25, 0, 0)]))
    control.purse.tick()
    assert control.reported()[SOFT.id] == PotTotals(SOFT.id, 125, 25, 0, 0)
    assert control.purse.take("d", (SOFT,), 100)
    assert not control.purse.take("e", (SOFT,), 1)


@pytest.mark.parametrize("names", [1, 0])
async def test_the_totals_of_a_forgotten_pot_are_told_when_they_are_known(
    names: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purse_module, "_FORGOTTEN", names)
    control = await leased(SOFT)
    control.purse.take("c", (SOFT,), 60)
    control.purse.settle("c", 60)
    control.grant(control.asks()[-1], 0)
    control.now = IDLE_S + 1
    control.purse.tick()
    report = next(m for m in reversed(control.sent) if isinstance(m, MoneyReport))
    control.purse.accept(MoneyAck(report.n))
    control.now = FORGET_S + 1
    control.purse.tick()
    control.there = False
    await control.purse.reserve("d", (SOFT,), 10)
    assert control.purse.settle("d", 70).totals == {}
    control.there = True
    control.purse.tick()
    control.purse.accept(MoneyGrant(control.asks()[-1].n, [PotTotals(SOFT.id, 100, 60, 40, 0)]))
    control.purse.tick()
    assert control.reported()[SOFT.id] == PotTotals(SOFT.id, 100, 130, 40, 70)


async def test_a_changed_limit_is_asked_for_under_its_new_value() -> None:
    control = await leased(KEY)
    task = await asked(control, "c", replace(KEY, cap_nano=77), amount=500)
    assert control.asks()[-1].wants[0].cap_nano == 77
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
