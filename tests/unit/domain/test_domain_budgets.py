from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.budgets import (
    EACH,
    Budget,
    BudgetBook,
    Lease,
    Period,
    Scope,
    Spender,
    Standing,
    checked,
    pot_budget,
    pot_tenant,
    span,
)
from federation.errors import InvalidRequest

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Havana",  # goes back from one o'clock to midnight
    "Asia/Beirut",  # leaps over midnight
    "Pacific/Apia",  # skipped a whole day in 2011
)
BUDGET = Budget("b1", "acme", Scope.KEY, "k1", 1000, Period.DAILY, "Europe/Berlin")


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000


@settings(deadline=None, max_examples=300)
@given(
    period=st.sampled_from([each for each in Period if each is not Period.TOTAL]),
    zone=st.sampled_from(ZONES),
    moment=st.integers(at("2005-01-01"), at("2035-01-01")),
)
def test_periods_follow_each_other_without_a_gap(period: Period, zone: str, moment: int) -> None:
    start, end = span(period, zone, moment)
    assert end is not None
    assert start <= moment < end
    assert span(period, zone, start) == (start, end)
    assert span(period, zone, end - 1) == (start, end)
    assert span(period, zone, end)[0] == end
    first = datetime.fromtimestamp(start // 1000, UTC).astimezone(ZoneInfo(zone))
    before = datetime.fromtimestamp(start // 1000 - 1, UTC).astimezone(ZoneInfo(zone))
    assert before.date() < first.date()


@pytest.mark.parametrize(
    ("period", "begins", "ends"),
    [
        (Period.DAILY, "2024-02-29", "2024-03-01"),
        (Period.WEEKLY, "2024-02-26", "2024-03-04"),
        (Period.MONTHLY, "2024-02-01", "2024-03-01"),
        (Period.YEARLY, "2024-01-01", "2025-01-01"),
    ],
)
def test_a_period_begins_at_midnight_of_its_place(period: Period, begins: str, ends: str) -> None:
    zone = "Asia/Tokyo"
    found = span(period, zone, at("2024-02-29T23:59:59", zone))
    assert found == (at(begins, zone), at(ends, zone))


def test_a_total_budget_has_one_period() -> None:
    assert span(Period.TOTAL, "UTC", at("2024-01-01")) == (0, None)


def test_a_day_has_as_many_hours_as_its_clocks_show() -> None:
    for text, hours in (("2024-03-31T12:00", 23), ("2024-10-27T12:00", 25)):
        start, end = span(Period.DAILY, "Europe/Berlin", at(text))
        assert end is not None
        assert (end - start) // 3_600_000 == hours


def test_a_new_period_is_another_pot_and_a_clock_set_back_finds_the_old_one() -> None:
    book = BudgetBook([BUDGET])
    spender = Spender("acme", "k1")
    (monday,) = book.pots(spender, at("2024-05-06T21:59:59"))
    (tuesday,) = book.pots(spender, at("2024-05-06T22:00:00"))
    assert monday.id != tuesday.id
    assert monday.end_ms == at("2024-05-06T22:00:00")
    assert book.pots(spender, at("2024-05-06T21:00:00")) == (monday,)
    assert (pot_tenant(monday.id), pot_budget(monday.id)) == ("acme", ("acme", "b1"))


def test_a_call_is_charged_to_every_budget_that_it_falls_under() -> None:
    named = {
        Scope.TENANT: "acme",
        Scope.TEAM: "red",
        Scope.USER: "ann",
        Scope.KEY: "k1",
        Scope.SESSION: "s1",
        Scope.TAG: "job=night",
    }
    budgets = [
        replace(BUDGET, id=f"b{n}", scope=scope, subject=subject)
        for n, (scope, subject) in enumerate(named.items())
    ]
    book = BudgetBook([*budgets, replace(BUDGET, id="other", tenant="other")])
    whole = Spender("acme", "k1", "red", "ann", "s1", ("job=day", "job=night"))
    pots = book.pots(whole, 0)
    assert [pot_budget(pot.id)[1] for pot in pots] == [f"b{n}" for n in range(6)]
    assert [pot_budget(pot.id) for pot in book.pots(Spender("acme", "k2"), 0)] == [("acme", "b0")]
    assert book.pots(Spender("third", "k1", "red", "ann", "s1"), 0) == ()


def test_a_budget_for_each_has_a_pot_for_each() -> None:
    book = BudgetBook([replace(BUDGET, scope=Scope.SESSION, subject=EACH)])
    first = book.pots(Spender("acme", session="one"), 0)
    second = book.pots(Spender("acme", session="two / */" + "x" * 9000), 0)
    assert first != second
    assert len(second[0].id) < 100
    assert pot_tenant(second[0].id) == "acme"
    assert book.pots(Spender("acme"), 0) == ()


def test_what_clients_name_does_not_grow_the_book_for_ever() -> None:
    book = BudgetBook([replace(BUDGET, scope=Scope.SESSION, subject=EACH)])
    for n in range(5000):
        book.pots(Spender("acme", session=str(n)), 0)
    assert len(book._found) <= 4096


def test_a_book_without_budgets_finds_nothing() -> None:
    assert BudgetBook([]).pots(Spender("acme"), 0) == ()


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"limit_nano": -1}, "limit_usd"),
        ({"limit_nano": 1 << 62}, "limit_usd"),
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 257}, "subject"),
        *(
            ({"scope": Scope.TAG, "subject": tag}, "subject")
            for tag in ("job=*", "*=x", "j*=x", "**")
        ),
        ({"alerts": (50, 101)}, "alerts"),
        ({"alerts": (0,)}, "alerts"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused(change: dict[str, object], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked(replace(BUDGET, **change))  # type: ignore[arg-type]
    assert caught.value.param == param


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"scope": Scope.TAG, "subject": EACH},
        {"scope": Scope.TAG, "subject": "job=nightly"},
        {"scope": Scope.SESSION, "subject": "a*b"},
    ],
)
def test_a_good_budget_is_kept(change: dict[str, object]) -> None:
    good = replace(BUDGET, **change)  # type: ignore[arg-type]
    assert checked(good) is good


def test_what_is_left_and_what_is_held_are_differences() -> None:
    assert Standing("p", 100, True, 30, 50).left_nano == 20
    lease = Lease("w", "p", granted_nano=100, spent_nano=30, returned_nano=20, overrun_nano=5)
    assert lease.reserved_nano == 55
    assert replace(lease, closed=True).reserved_nano == 0
