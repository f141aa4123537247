from __future__ import annotations

from collections.abc import Mapping

from federation.control.budgets_alerts import Alarm, Alarms
from federation.control.budgets_queue import POLL_S, MoneyQueue
from federation.control.money_reaper import DEAD_S, Reaper
from federation.control.money_watch import MoneyWatch, Workers
from federation.control.threads import Errands
from federation.domain.budgets import Budget, BudgetBook, Pot, Scope, Standing
from federation.gateway.purse import HOLD_S
from federation.pricing.pots import Answer, Ask, Gone, Note, Played, Short, Turn, Want
from federation.schema.money import MoneyBeat, ToPurse
from federation.storage.budgets_memory import MemoryPots

POT = Pot("acme/b1/-/0", 1000)
SOON = Short(POT.id, 0, hopeless=False)
NEVER = Short(POT.id, 0, hopeless=True)


def ask(writer: str = "w1", n: int = 1) -> Ask:
    return Ask(writer, n, (Want(POT, 10, 10),))


class Answers:
    def __init__(self) -> None:
        self.queue = MoneyQueue()
        self.said: list[tuple[int, Answer | None]] = []

    def ask(self, writer: str, n: int, until_s: float) -> None:
        self.queue.ask(ask(writer, n), until_s, lambda answer: self.said.append((n, answer)))


def test_nothing_is_due_until_something_comes() -> None:
    desk = Answers()
    assert desk.queue.due_s(0.0) is None
    desk.queue.note([Note("w1", POT.id, 1)])
    assert desk.queue.due_s(0.0) == 0.0
    assert desk.queue.next(0.0, 1).notes == (Note("w1", POT.id, 1),)
    desk.queue.played(Played((), {}))
    assert desk.queue.due_s(0.0) is None


def test_what_comes_in_meanwhile_goes_into_one_turn() -> None:
    desk = Answers()
    for spent in (5, 9, 7):
        desk.queue.note([Note("w1", POT.id, spent, returned_nano=10 - spent)])
    desk.ask("w1", 1, 0.0)
    desk.ask("w2", 2, 0.0)
    turn = desk.queue.next(0.0, 3)
    assert turn == Turn((Note("w1", POT.id, 9, 5),), (), (ask("w1", 1), ask("w2", 2)), 3)


def test_who_can_wait_is_tried_again_before_those_who_came_later() -> None:
    desk = Answers()
    desk.ask("w1", 1, 5.0)
    assert desk.queue.next(0.0, 1).asks[0].waits
    desk.ask("w2", 2, 5.0)
    assert desk.queue.played(Played((SOON,), {})) == {POT.id}
    assert desk.queue.due_s(0.0) == 0.0
    assert [each.n for each in desk.queue.next(0.0, 1).asks] == [1, 2]
    desk.queue.played(Played((SOON, SOON), {}))
    assert desk.queue.due_s(0.0) == POLL_S
    turn = desk.queue.next(5.0, 1)
    assert [each.waits for each in turn.asks] == [False, False]
    desk.queue.played(Played((SOON, SOON), {}))
    assert desk.said == [(1, SOON), (2, SOON)]
    assert desk.queue.due_s(5.0) is None


def test_who_waits_in_vain_is_told_at_once() -> None:
    desk = Answers()
    desk.ask("w1", 1, 5.0)
    desk.queue.next(0.0, 1)
    assert desk.queue.played(Played((NEVER,), {})) == set()
    assert desk.said == [(1, NEVER)]


def test_asks_of_a_dead_worker_are_dropped_wherever_they_are() -> None:
    desk = Answers()
    desk.ask("w1", 1, 5.0)
    desk.queue.next(0.0, 1)
    desk.ask("w1", 2, 5.0)
    desk.queue.close("w1")
    desk.queue.played(Played((SOON,), {}))
    assert desk.queue.next(0.0, 1) == Turn(closes=("w1",), sharers=1)


def test_a_turn_that_the_store_did_not_take_comes_again() -> None:
    desk = Answers()
    desk.ask("w1", 1, 0.0)
    desk.ask("w2", 2, 9.0)
    desk.queue.note([Note("w1", POT.id, 5)])
    desk.queue.close("w3")
    desk.queue.next(1.0, 1)
    desk.queue.note([Note("w1", POT.id, 8)])
    for reply in desk.queue.failed(1.0):
        reply(None)
    assert desk.said == [(1, None)]
    turn = desk.queue.next(1.0, 1)
    assert (turn.notes, turn.closes) == ((Note("w1", POT.id, 8),), ("w3",))
    assert [each.n for each in turn.asks] == [2]
    desk.queue.played(Played((Gone(),), {}))
    assert desk.said[-1] == (2, Gone())


def test_a_close_that_the_store_did_not_take_is_due_again_by_itself() -> None:
    queue = MoneyQueue()
    queue.close("w1")
    queue.next(0.0, 1)
    assert queue.due_s(0.0) is None
    queue.failed(0.0)
    assert queue.due_s(0.0) == 0.0
    assert queue.next(0.0, 1).closes == ("w1",)


def test_a_worker_is_dead_when_its_beats_stand_still_by_our_own_clock() -> None:
    reaper = Reaper(dead_s=60.0)
    assert reaper.dead({"w1": ("r1", 4), "w2": ("r2", 1)}, 1000.0) == []
    assert reaper.dead({"w1": ("r1", 5), "w2": ("r2", 1)}, 1059.0) == []
    assert reaper.dead({"w1": ("r1", 5), "w2": ("r2", 1)}, 1060.0) == ["w2"]
    assert reaper.dead({"w1": ("r1", 5)}, 1119.0) == ["w1"]
    assert reaper.dead({}, 9999.0) == []


def test_nobody_is_taken_for_dead_while_it_may_still_spend() -> None:
    assert DEAD_S > 2 * HOLD_S


async def test_the_leases_of_workers_that_are_gone_are_closed_and_no_others() -> None:
    store, errands, now = MemoryPots(), Errands("money"), [0.0]
    told: list[ToPurse] = []
    closed: dict[str, Mapping[str, int]] = {}

    async def close(writer: str, totals: Mapping[str, int]) -> None:
        closed[writer] = totals
        store.turn(Turn(closes=(writer,)))

    async def journal(writer: str) -> Mapping[str, int]:
        return {POT.id: len(writer)}

    watch = MoneyWatch(
        "r1",
        store,
        errands,
        Reaper(dead_s=60.0),
        Workers(live=lambda: ["w1"], tell=told.append, journal=journal, close=close),
        lambda: now[0],
    )
    store.beat("r1", ["w1", "w-old"])
    store.beat("r2", ["w3", "w4"])
    await watch.beat()
    assert told == [MoneyBeat()]
    assert store.beats()["w1"] == ("r1", 2)
    assert await watch.bury() == ["w-old"]
    now[0] = 61.0
    store.beat("r2", ["w3"])
    assert await watch.bury() == ["w4"]
    assert closed == {"w-old": {POT.id: 5}, "w4": {}}
    assert sorted(store.beats()) == ["w1", "w3"]
    errands.close()


BOOK = BudgetBook([Budget("b1", "acme", Scope.KEY, "k1", 1000)])


def standing(spent: int, overrun: int = 0, cap: int = 1000) -> Standing:
    return Standing(POT.id, cap, True, spent, 0, overrun)


def test_each_threshold_is_told_once_and_only_the_highest() -> None:
    alarms = Alarms()
    told = [alarms.due(BOOK, [standing(spent)]) for spent in (499, 500, 510, 960, 1000)]
    assert [[alarm.percent for alarm in each] for each in told] == [[], [50], [], [95], []]


def test_an_overrun_is_told_with_its_amount() -> None:
    alarms = Alarms()
    alarms.due(BOOK, [standing(960)])
    (alarm,) = alarms.due(BOOK, [standing(1200, overrun=200)])
    assert alarm == Alarm("b1", POT.id, 0, 1000, 1200, 200, 200)
    (alarm,) = alarms.due(BOOK, [standing(1250, overrun=250)])
    assert (alarm.overrun_nano, alarm.overruns_nano) == (50, 250)
    alarms.again(alarm)
    assert alarms.due(BOOK, [standing(1250, overrun=250)]) == [alarm]


def test_an_alarm_that_could_not_be_noted_is_due_again() -> None:
    alarms = Alarms()
    (alarm,) = alarms.due(BOOK, [standing(500)])
    alarms.again(alarm)
    assert alarms.due(BOOK, [standing(500)]) == [alarm]


def test_a_budget_that_ended_and_one_of_nothing_tell_nothing() -> None:
    assert Alarms().due(BudgetBook([]), [standing(1000)]) == []
    assert Alarms().due(BOOK, [standing(0, cap=0)]) == []
