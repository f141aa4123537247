"""A worker's part of shared allowances."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.control.provider_limits import Allowances
from federation.gateway.provider_limits import (
    ASK_AGAIN_S,
    SLICE,
    WAIT_S,
    ProviderLeases,
    take_all,
    wait_for_all,
)
from federation.schema.link import LeaseAsk, LeaseGrant

NAME = "rpm/acme"


@dataclass
class Desk:
    """A book, the clock that it reads, and what it asked for."""

    now: float = 1_000.0
    asks: list[LeaseAsk] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.book = ProviderLeases(self.asks.append, lambda: self.now)

    def grant(self, amount: int, expires_s: float = 1_060.0) -> None:
        self.book.granted(LeaseGrant(NAME, amount, int(expires_s * 1000)))

    def spend(self, tries: int = 100) -> int:
        return sum(self.book.take(NAME) for _ in range(tries))


def test_what_is_not_leased_is_not_allowed_and_is_asked_for_once() -> None:
    desk = Desk()
    assert desk.spend() == 0
    assert desk.asks == [LeaseAsk(NAME, SLICE)]


def test_a_slice_is_spent_to_its_end_and_no_further() -> None:
    desk = Desk()
    desk.grant(5)
    assert desk.spend() == 5


def test_the_next_slice_is_asked_for_before_the_last_is_used_up() -> None:
    desk = Desk()
    desk.grant(SLICE)
    for _ in range(SLICE // 2):
        assert desk.book.take(NAME)
    assert desk.asks == []
    assert desk.book.take(NAME)
    assert desk.asks == [LeaseAsk(NAME, SLICE)]
    assert desk.book.take(NAME)
    assert len(desk.asks) == 1


def test_an_ask_that_is_not_answered_is_repeated_after_a_while() -> None:
    desk = Desk()
    desk.book.take(NAME)
    desk.now += ASK_AGAIN_S / 2
    desk.book.take(NAME)
    assert len(desk.asks) == 1
    desk.now += ASK_AGAIN_S
    desk.book.take(NAME)
    assert len(desk.asks) == 2


def test_after_a_grant_of_nothing_control_is_not_asked_at_every_call() -> None:
    desk = Desk()
    desk.book.take(NAME)
    desk.grant(0)
    assert desk.spend() == 0
    assert len(desk.asks) == 1


def test_where_the_clock_was_set_back_what_was_refused_is_asked_for_again() -> None:
    desk = Desk()
    desk.book.take(NAME)
    desk.grant(0)
    desk.now -= 3600.0
    desk.book.take(NAME)
    assert len(desk.asks) == 2
    desk.grant(2, expires_s=desk.now + 60.0)
    assert desk.spend() == 2


def test_slices_of_one_window_add_up() -> None:
    desk = Desk()
    desk.grant(3)
    desk.grant(4)
    assert desk.spend() == 7


def test_a_window_that_is_over_takes_its_slice_along() -> None:
    desk = Desk()
    desk.grant(8, expires_s=1_060.0)
    desk.now = 1_060.0
    assert desk.spend() == 0
    desk.grant(2, expires_s=1_120.0)
    assert desk.spend() == 2


def test_a_grant_of_the_next_window_replaces_what_was_left() -> None:
    desk = Desk()
    desk.grant(8, expires_s=1_060.0)
    desk.grant(2, expires_s=1_120.0)
    assert desk.spend() == 2


def test_a_grant_that_comes_too_late_is_worth_nothing() -> None:
    desk = Desk(now=1_061.0)
    desk.grant(8, expires_s=1_060.0)
    assert desk.spend() == 0


def test_several_are_taken_together_or_not_at_all() -> None:
    desk = Desk()
    desk.grant(5)
    assert not desk.book.take(NAME, 6)
    assert desk.asks == [LeaseAsk(NAME, SLICE)], "what is held does not suffice"
    assert desk.book.take(NAME, 5)
    assert not desk.book.take(NAME, 20)
    assert desk.asks[-1] == LeaseAsk(NAME, SLICE)


def test_names_are_apart() -> None:
    desk = Desk()
    desk.grant(1)
    assert not desk.book.take("rpm/other")
    assert desk.book.take(NAME)


async def test_a_call_waits_for_the_first_slice() -> None:
    desk = Desk()
    assert not desk.book.take(NAME)
    asyncio.get_running_loop().call_later(0.01, desk.grant, 3)
    assert await desk.book.more(NAME)
    assert desk.spend() == 2


async def test_a_crowd_is_served_slice_by_slice() -> None:
    desk = Desk()
    loop = asyncio.get_running_loop()
    control = Allowances()
    control.limit({NAME: 30})

    def ask(wanted: LeaseAsk) -> None:
        desk.asks.append(wanted)
        grant = control.grant(wanted, 1, int(desk.now * 1000))
        loop.call_later(0.001, desk.book.granted, grant)

    desk.book = ProviderLeases(ask, lambda: desk.now)

    async def call() -> bool:
        return desk.book.take(NAME) or await desk.book.more(NAME)

    assert sum(await asyncio.gather(*(call() for _ in range(50)))) == 30
    assert len(desk.asks) < 12


async def test_nobody_waits_where_all_is_granted() -> None:
    desk = Desk()
    desk.book.take(NAME)
    desk.grant(0)
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert not await desk.book.more(NAME)
    assert loop.time() - before < WAIT_S / 2
    desk.now = 1_060.0
    assert not desk.book.take(NAME)
    loop.call_soon(desk.grant, 1, 1_120.0)
    assert await desk.book.more(NAME)


async def test_a_control_that_is_away_is_not_waited_for_long() -> None:
    desk = Desk()
    assert not desk.book.take(NAME)
    async with asyncio.timeout(WAIT_S * 8):
        assert not await desk.book.more(NAME)


async def test_a_call_that_is_canceled_while_it_waits_spends_nothing() -> None:
    desk = Desk()
    assert not desk.book.take(NAME)
    first = asyncio.ensure_future(desk.book.more(NAME))
    second = asyncio.ensure_future(desk.book.more(NAME))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    desk.grant(1)
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first


@given(
    limit=st.integers(0, 60),
    steps=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 20)), max_size=200),
)
def test_workers_together_never_exceed_a_limit(limit: int, steps: list[tuple[int, float]]) -> None:
    control = Allowances()
    control.limit({NAME: limit})
    now = 6_000.0
    spent: dict[int, int] = {}
    books: list[ProviderLeases] = []

    def asker(place: int) -> ProviderLeases:
        def ask(wanted: LeaseAsk) -> None:
            books[place].granted(control.grant(wanted, 4, int(now * 1000)))

        return ProviderLeases(ask, lambda: now)

    books += [asker(place) for place in range(4)]
    for place, pause in steps:
        now += pause
        if books[place].take(NAME):
            window = int(now // 60)
            spent[window] = spent.get(window, 0) + 1
    assert all(count <= limit for count in spent.values())


async def test_a_call_of_many_tokens_gets_them_at_once_or_not_at_all() -> None:
    desk = Desk()
    loop = asyncio.get_running_loop()
    control = Allowances()
    control.limit({NAME: 10_000})

    def ask(wanted: LeaseAsk) -> None:
        desk.asks.append(wanted)
        grant = control.grant(wanted, 4, int(desk.now * 1000))
        loop.call_soon(desk.book.granted, grant)

    desk.book = ProviderLeases(ask, lambda: desk.now)
    assert not desk.book.take(NAME, 6_000)
    assert await desk.book.more(NAME, 6_000)
    assert not desk.book.take(NAME, 6_000)
    assert not await desk.book.more(NAME, 6_000)
    assert [each.least for each in desk.asks] == [6_000, 6_000]
    assert not desk.book.take(NAME, 4_000), "for less than was refused control is asked"
    assert await desk.book.more(NAME, 4_000)


TOKENS = "tpm/acme"


@dataclass
class Office:
    """Workers that share limits through one control, which answers a moment later."""

    limits: dict[str, int]
    workers: int = 2
    now: float = 6_000.0

    def __post_init__(self) -> None:
        self.control = Allowances()
        self.control.limit(self.limits)
        self.books = [self._book(place) for place in range(self.workers)]

    def wall(self) -> float:
        return self.now

    def _book(self, place: int) -> ProviderLeases:
        def ask(wanted: LeaseAsk) -> None:
            grant = self.control.grant(wanted, self.workers, int(self.now * 1000))
            asyncio.get_running_loop().call_soon(lambda: self.books[place].granted(grant))

        return ProviderLeases(ask, self.wall)

    async def call(self, place: int, tokens: int, requests: int = 1) -> bool:
        wanted = [(NAME, requests)] if NAME in self.limits else []
        return await wait_for_all(self.books[place], [*wanted, (TOKENS, tokens)], self.wall)


async def test_a_worker_that_stood_still_takes_the_answer_that_came_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, now = asyncio.get_running_loop(), itertools.count()
    monkeypatch.setattr(loop, "time", lambda: next(now) * WAIT_S * 2)
    assert await Office({TOKENS: 30_000}).call(0, 20_000)


async def test_of_two_workers_that_need_all_tokens_of_a_minute_one_gets_them() -> None:
    office = Office({TOKENS: 30_000})
    for _ in range(3):
        allowed = await asyncio.gather(office.call(0, 30_000), office.call(1, 30_000))
        assert sorted(allowed) == [False, True]
        office.now += 60


async def test_a_worker_that_gets_too_little_leaves_it_to_the_others() -> None:
    office = Office({TOKENS: 30_000})
    assert await office.call(0, 20_000)
    assert not await office.call(0, 20_000)
    assert await office.call(1, 10_000), "nothing of what was left is held by the other"
    assert not await office.call(1, 10)


async def test_of_calls_at_one_worker_the_small_one_goes_where_the_large_one_cannot() -> None:
    office = Office({TOKENS: 30_000})
    assert await office.call(1, 20_000)
    allowed = await asyncio.gather(office.call(0, 25_000), office.call(0, 9_000))
    assert list(allowed) == [False, True]


@settings(deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 40_000)), min_size=1, max_size=20)
)
@example(sizes=[(0, 7), (1, 7)])
def test_calls_are_refused_only_where_the_tokens_do_not_suffice(
    sizes: list[tuple[int, int]],
) -> None:
    async def run() -> None:
        office, spent = Office({TOKENS: 30_000}), 0
        for place, size in sizes:
            allowed = await office.call(place, size)
            spent += size if allowed else 0
            held = sum(book._slices[TOKENS].left for book in office.books if book._slices)
            assert spent <= 30_000
            # The next slice is asked for while less than half of one is left.
            assert held < office.workers * (SLICE + SLICE // 2)
            assert allowed or spent + size + held > 30_000

    asyncio.run(run())


async def test_what_one_limit_gave_is_put_back_where_the_other_says_no() -> None:
    office = Office({NAME: 4, TOKENS: 1_000}, workers=1)
    assert await office.call(0, 1_000)
    for _ in range(10):
        assert not await office.call(0, 500)
    book = office.books[0]
    assert not take_all(book, [(NAME, 1), (TOKENS, 500)], office.wall)
    assert [book.take(NAME) for _ in range(4)] == [True, True, True, False]
    office.now += 60
    await office.call(0, 10)
    assert take_all(book, [(NAME, 1)], office.wall)


async def test_a_call_that_is_canceled_while_it_waits_puts_back_what_it_has() -> None:
    desk = Desk()
    desk.grant(SLICE)
    wanted = [(NAME, SLICE), (TOKENS, 10)]
    call = asyncio.ensure_future(wait_for_all(desk.book, wanted, lambda: desk.now))
    await asyncio.sleep(0)
    assert not desk.book.take(NAME)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert desk.spend() == SLICE


def test_what_was_taken_of_a_window_that_is_over_is_not_put_back() -> None:
    desk = Desk()
    desk.grant(2)
    assert desk.book.take(NAME)
    taken_s, desk.now = desk.now, 1_060.0
    desk.grant(2, expires_s=1_120.0)
    desk.book.put_back(NAME, 1, taken_s)
    assert desk.spend() == 2
