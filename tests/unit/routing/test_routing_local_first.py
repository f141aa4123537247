"""`local_first`: our own hosts while they keep up, then those that calls may spill to, in turn."""

from __future__ import annotations

from itertools import count
from random import Random

from federation.domain.live import Live
from federation.routing.fleet import Slate
from federation.routing.ring import Ring
from federation.routing.strategies import LOCAL_FIRST, STRATEGIES, Choice

HOME, SHED, ALPHA, BETA, GAMMA = range(5)
IDS = ("home/m", "shed/m", "alpha/m", "beta/m", "gamma/m")
LOCAL = 1 << HOME | 1 << SHED


def columns(inflight: list[int] | None = None) -> Live:
    busy = inflight or [0] * 5
    return Live([900.0] * 5, [50.0] * 5, [1.0] * 5, [1.0] * 5, busy, [0.0] * 5, [0.0] * 5)


def order(
    *,
    crowded: set[int] | None = None,
    overflow: tuple[int, ...] = (),
    turn: int = 0,
    inflight: list[int] | None = None,
) -> list[int]:
    slate = Slate((1 << 5) - 1, IDS)
    live = columns(inflight)
    live.crowded = frozenset(crowded or ())
    turns = count(turn)
    choice = Choice(
        slate=slate,
        live=live,
        order=(),
        shares={},
        key=str,
        turns=lambda: next(turns),
        rng=Random(1),
        ring=lambda slate: Ring(slate.ids),
        totals=[],
        local=LOCAL,
        overflow=tuple(1 << index for index in overflow),
    )
    found, odds = STRATEGIES[LOCAL_FIRST].order(choice)
    assert sorted(found) == list(range(5)), "nobody is dropped"
    assert odds == ()
    return found


def test_hosts_of_our_own_go_first_and_the_least_busy_of_them() -> None:
    assert order(inflight=[3, 1, 0, 0, 0])[:2] == [SHED, HOME]


def test_a_crowded_host_is_asked_after_those_that_calls_may_spill_to() -> None:
    assert order(crowded={HOME}, overflow=(BETA,)) == [SHED, BETA, HOME, ALPHA, GAMMA]


def test_calls_spill_in_turn_over_the_list_in_its_order() -> None:
    both = {HOME, SHED}
    firsts = [order(crowded=both, overflow=(GAMMA, ALPHA), turn=turn)[0] for turn in range(4)]
    assert firsts == [GAMMA, ALPHA, GAMMA, ALPHA]


def test_without_a_list_calls_spill_to_every_other_in_turn() -> None:
    both = {HOME, SHED}
    firsts = [order(crowded=both, turn=turn)[0] for turn in range(4)]
    assert firsts == [ALPHA, BETA, GAMMA, ALPHA]


def test_a_turn_is_taken_only_by_who_spills() -> None:
    def never() -> int:
        raise AssertionError("no call spills")

    slate = Slate((1 << 5) - 1, IDS)
    choice = Choice(slate, columns(), (), {}, str, never, Random(1), lambda s: Ring(s.ids), [])
    choice.local = LOCAL
    assert STRATEGIES[LOCAL_FIRST].order(choice)[0][0] == HOME
