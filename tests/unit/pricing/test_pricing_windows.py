"""Prices by the time of day, in particular the off-peak hours that a vendor publishes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from federation.catalogue.reader import load
from federation.domain.catalogue import ContextTier, Price, Rates, Window
from federation.pricing.charges import charge, rates_at
from federation.schema.usage import Usage

PEAK, OFF = Rates(10, 20), Rates(5, 10)
WORKDAYS = (1, 2, 3, 4, 5)
PRICE = Price(
    PEAK,
    windows=(
        Window(WORKDAYS, 0, 60, OFF),
        Window(WORKDAYS, 240, 360, OFF),
        Window(WORKDAYS, 600, 1440, OFF),
        Window((6, 7), 0, 1440, OFF),
    ),
)


@pytest.mark.parametrize(
    ("day", "clock", "expected"),
    [
        (18, "00:00:00", OFF),
        (18, "00:59:59", OFF),
        (18, "01:00:00", PEAK),
        (18, "03:59:59", PEAK),
        (18, "04:00:00", OFF),
        (18, "05:59:59", OFF),
        (18, "06:00:00", PEAK),
        (18, "09:59:59", PEAK),
        (18, "10:00:00", OFF),
        (18, "23:30:00", OFF),
        (18, "23:59:59", OFF),
        (20, "23:59:59", OFF),
        (21, "00:00:00", OFF),
        (21, "02:00:00", OFF),
        (22, "08:00:00", OFF),
        (22, "23:59:59", OFF),
        (23, "00:30:00", OFF),
        (23, "01:00:00", PEAK),
    ],
)
def test_a_window_holds_from_its_first_minute_to_before_its_last(
    day: int, clock: str, expected: Rates
) -> None:
    at = datetime.fromisoformat(f"2026-11-{day}T{clock}+00:00")
    assert rates_at(PRICE, 1, at) == expected


def test_every_minute_of_a_week_has_the_price_of_its_hour() -> None:
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    for minute in range(7 * 24 * 60):
        at = monday + timedelta(minutes=minute)
        off = at.isoweekday() > 5 or at.hour in {0, 4, 5} or at.hour >= 10
        assert rates_at(PRICE, 1, at) is (OFF if off else PEAK)


def test_a_clock_in_another_zone_is_read_in_utc() -> None:
    at_home = datetime(2026, 11, 21, 7, 0, tzinfo=timezone(timedelta(hours=8)))
    assert at_home.isoweekday() == 6
    assert rates_at(PRICE, 1, at_home) == OFF, "Friday 23:00 in UTC"
    monday = datetime(2026, 11, 23, 9, 30, tzinfo=timezone(timedelta(hours=8)))
    assert rates_at(PRICE, 1, monday) == PEAK, "Monday 01:30 in UTC"


def test_a_charge_follows_the_window() -> None:
    million = Usage(input=1_000_000, output=1_000_000)
    assert charge(PRICE, million, datetime(2026, 11, 18, 2, tzinfo=UTC)) == 30
    assert charge(PRICE, million, datetime(2026, 11, 18, 12, tzinfo=UTC)) == 15


def test_a_context_tier_outweighs_a_window() -> None:
    price = Price(PEAK, windows=PRICE.windows, tiers=(ContextTier(100, Rates(7, 7)),))
    assert rates_at(price, 100, datetime(2026, 11, 18, 12, tzinfo=UTC)) == OFF
    assert rates_at(price, 101, datetime(2026, 11, 18, 12, tzinfo=UTC)) == Rates(7, 7)


@pytest.mark.parametrize(
    ("at", "usd_nano"),
    [
        ("2026-11-18T23:30:00+00:00", 660_000_000),
        ("2026-11-18T02:30:00+00:00", 1_320_000_000),
        ("2026-11-18T10:00:00+00:00", 660_000_000),
        ("2026-11-18T09:59:00+00:00", 1_320_000_000),
        ("2026-11-22T02:30:00+00:00", 660_000_000),
    ],
)
def test_the_published_off_peak_hours_halve_the_price(at: str, usd_nano: int) -> None:
    model = next(m for m in load()["deepseek"].models if m.id == "deepseek-v4-pro")
    usage = Usage(input=1_000_000)
    assert charge(model.price, usage, datetime.fromisoformat(at)) == usd_nano


def test_long_calls_cost_twice_the_input_and_half_again_the_output() -> None:
    model = next(m for m in load()["openai"].models if m.id == "gpt-6.1-sol")
    at = datetime(2026, 11, 18, tzinfo=UTC)
    short = Usage(input=272_000, output=1_000)
    long = Usage(input=272_001, output=1_000)
    assert charge(model.price, short, at) == 544_000_000 + 10_000_000
    assert charge(model.price, long, at) == 1_088_004_000 + 15_000_000
    assert charge(model.price, short, at, region="eu") == 609_400_000
