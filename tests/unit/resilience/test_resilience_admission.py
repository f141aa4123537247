"""Room, queues and shedding, without a clock: what is decided and who is let in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.resilience.admission import Gate, Lobby, Waiter, share


def lobby(*, queue: int = 10, calls: int = 1000, **limits: int | None) -> Lobby:
    made = Lobby()
    made.set(limits, queue, calls)
    return made


def full(made: Lobby, name: str = "acme") -> Gate:
    gate = made.gates[name]
    while gate.free:
        gate.take(0)
    return gate


def joined(made: Lobby, gate: Gate, priority: int = 3, tenant: str = "t") -> Waiter:
    waiter = made.join((gate,), tenant, priority)
    assert waiter is not None
    return waiter


@given(limit=st.integers(1, 500), workers=st.integers(1, 64))
def test_workers_divide_a_limit_and_never_exceed_it(limit: int, workers: int) -> None:
    parts = [share(limit, workers, slot) for slot in range(workers)]
    assert min(parts) >= 1
    assert sum(parts) == max(limit, workers)


def test_the_more_important_goes_first_and_among_equals_who_came_first() -> None:
    made = lobby(acme=1)
    gate = full(made)
    waiters = [joined(made, gate, priority) for priority in (3, 5, 1, 3, 1)]
    order = []
    for _ in waiters:
        gate.give(0)
        came = next(w for w in waiters if w.gate is gate and w not in order)
        order.append(came)
        gate.promised -= 1
        gate.take(0)
    assert [waiters.index(w) for w in order] == [2, 4, 0, 3, 1]
    assert (gate.used, gate.waiting, made.waiting) == (1, 0, 0)


def test_a_promised_place_is_not_free_for_a_newcomer() -> None:
    made = lobby(acme=1)
    gate = full(made)
    waiter = joined(made, gate)
    gate.give(0)
    assert waiter.gate is gate
    assert not gate.free


def test_who_waits_at_two_gates_is_let_in_at_one() -> None:
    made = lobby(acme=1, beta=1)
    acme, beta = full(made), full(made, "beta")
    waiter = made.join((acme, beta), "t", 3)
    assert waiter is not None
    beta.give(0)
    assert waiter.gate is beta
    assert (acme.waiting, beta.waiting) == (0, 0)
    acme.give(0)
    assert (acme.promised, beta.promised) == (0, 1)
    assert acme.free


def test_who_leaves_is_passed_over_and_leaving_twice_is_leaving_once() -> None:
    made = lobby(acme=1)
    gate = full(made)
    gone, stays = joined(made, gate), joined(made, gate)
    gone.end()
    gone.end()
    assert gate.waiting == made.waiting == 1
    gate.give(0)
    assert (gone.gate, stays.gate) == (None, gate)


def test_a_full_queue_turns_away_unless_somebody_less_important_can_make_room() -> None:
    made = lobby(queue=2, acme=1)
    gate = full(made)
    first, second = joined(made, gate, 3, "a"), joined(made, gate, 4, "b")
    woken: list[str] = []
    second.wake = lambda: woken.append("second")
    assert made.join((gate,), "c", 4) is None
    assert made.join((gate,), "c", 5) is None
    third = joined(made, gate, 1, "c")
    assert woken == ["second"]
    assert second.over
    assert second.gate is None
    assert not first.over
    gate.give(0)
    assert third.gate is gate


def test_a_tenant_has_a_bound_over_all_providers() -> None:
    made = lobby(queue=2, acme=1, beta=1)
    acme, beta = full(made), full(made, "beta")
    joined(made, acme, 3, "greedy")
    last = joined(made, beta, 3, "greedy")
    assert made.join((acme,), "greedy", 3) is None
    joined(made, acme, 3, "modest")
    assert made.join((beta,), "greedy", 2) is not None, "its own less important call makes room"
    assert last.over


def test_no_queue_means_that_nobody_waits() -> None:
    made = lobby(queue=0, acme=1)
    assert made.join((full(made),), "t", 1) is None


def test_a_raised_limit_lets_in_at_once_and_a_lifted_one_everybody() -> None:
    made = lobby(acme=1)
    gate = full(made)
    waiters = [joined(made, gate) for _ in range(4)]
    made.set({"acme": 2}, 10, 1000)
    assert [w.gate is gate for w in waiters] == [True, False, False, False]
    made.set({}, 10, 1000)
    assert all(w.gate is gate for w in waiters)
    assert gate.promised == 4


def test_a_lowered_limit_takes_nothing_away_and_lets_nobody_in() -> None:
    made = lobby(acme=3)
    gate = full(made)
    made.set({"acme": 1}, 10, 1000)
    gate.give(0)
    gate.give(0)
    assert gate.used == 1
    assert not gate.free
    gate.give(0)
    assert gate.free


@pytest.mark.parametrize(
    ("busy", "shed"),
    [(7, []), (8, [5]), (9, [5, 4]), (10, [5, 4, 3]), (11, [5, 4, 3, 2]), (10**6, [5, 4, 3, 2])],
)
def test_the_least_important_are_shed_first_and_the_critical_never(
    busy: int, shed: list[int]
) -> None:
    made = lobby(calls=10)
    made.busy = busy
    assert [priority for priority in (5, 4, 3, 2, 1) if made.sheds(priority)] == shed


def test_over_any_sequence_no_place_is_lost_or_given_twice() -> None:
    rng = random.Random(3)
    made = lobby(queue=6, acme=3, beta=2)
    gates = tuple(made.gates.values())
    running: list[Gate] = []
    waiting: list[Waiter] = []
    for _ in range(20_000):
        step = rng.random()
        if step < 0.45:
            free = next((gate for gate in gates if gate.free), None)
            if free is not None:
                free.take(1)
                running.append(free)
            else:
                some = gates if rng.random() < 0.5 else (rng.choice(gates),)
                waiter = made.join(some, rng.choice("ab"), rng.randint(1, 5))
                if waiter is not None:
                    waiting.append(waiter)
        elif step < 0.85 and running:
            running.pop(rng.randrange(len(running))).give(1)
        elif waiting:
            waiting[rng.randrange(len(waiting))].end()
        while (waiter := next((each for each in waiting if each.over), None)) is not None:
            waiting.remove(waiter)
            if waiter.gate is not None:
                waiter.gate.promised -= 1
                if rng.random() < 0.2:
                    waiter.gate.admit()
                else:
                    waiter.gate.take(1)
                    running.append(waiter.gate)
        for gate in gates:
            assert gate.used + gate.promised <= gate.limit
            assert gate.used == gate.tokens == running.count(gate)
            assert gate.waiting == sum(gate in w.gates for w in waiting) <= 6
            assert not (gate.free and gate.waiting and not gate.promised)
        assert made.waiting == len(waiting)
