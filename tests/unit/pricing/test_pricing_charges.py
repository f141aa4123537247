"""The price book's arithmetic, against fractions."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.catalogue import ContextTier, Price, Rates
from federation.domain.money import usd_to_nano
from federation.pricing.charges import charge, listed
from federation.schema.usage import Usage

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)

tokens = st.integers(min_value=0, max_value=5_000_000)
rate = st.integers(min_value=0, max_value=200_000_000_000)
maybe_rate = st.none() | rate
rates = st.builds(Rates, input=rate, output=rate, cached=maybe_rate, cache_write=maybe_rate)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written = draw(tokens), draw(tokens)
    return Usage(
        input=cached + written + draw(tokens),
        output=draw(tokens),
        cached=cached,
        cache_write=written,
    )


def exact(rates: Rates, usage: Usage, permille: int = 1000) -> Fraction:
    """The charge as a fraction, written the long way."""
    assert rates.input is not None
    assert rates.output is not None
    fresh = usage.input - usage.cached - usage.cache_write
    cached = rates.input if rates.cached is None else rates.cached
    written = rates.input if rates.cache_write is None else rates.cache_write
    total = (
        fresh * rates.input
        + usage.cached * cached
        + usage.cache_write * written
        + usage.output * rates.output
    )
    return Fraction(total * permille, 1_000_000 * 1000)


@given(rates, usages())
@settings(deadline=None)
def test_a_charge_is_the_exact_amount_rounded_half_to_even(r: Rates, usage: Usage) -> None:
    assert charge(Price(r), usage, NOON) == round(exact(r, usage))


@given(rates, usages(), st.integers(min_value=1, max_value=3000))
@settings(deadline=None)
def test_a_place_multiplies_the_charge_before_it_is_rounded(
    r: Rates, usage: Usage, permille: int
) -> None:
    price = Price(r, multipliers={"eu": permille})
    assert charge(price, usage, NOON, region="eu") == round(exact(r, usage, permille))
    assert charge(price, usage, NOON, region="us") == charge(price, usage, NOON)


@given(rates, usages(), st.integers(min_value=0, max_value=1000))
@settings(deadline=None)
def test_more_output_never_costs_less(r: Rates, usage: Usage, more: int) -> None:
    price = Price(r)
    less = charge(price, usage, NOON)
    longer = charge(price, Usage(usage.input, usage.output + more, usage.cached), NOON)
    shorter = charge(price, Usage(usage.input, usage.output, usage.cached), NOON)
    assert less is not None
    assert longer is not None
    assert shorter is not None
    assert longer >= shorter


@given(rates, usages(), usages())
@settings(deadline=None)
def test_two_calls_cost_what_they_would_as_one_within_a_nano_dollar(
    r: Rates, one: Usage, two: Usage
) -> None:
    price = Price(r)
    both = Usage(
        one.input + two.input,
        one.output + two.output,
        one.cached + two.cached,
        one.cache_write + two.cache_write,
    )
    apart = (charge(price, one, NOON) or 0) + (charge(price, two, NOON) or 0)
    assert abs(apart - (charge(price, both, NOON) or 0)) <= 1


@given(rates, usages())
@settings(deadline=None)
def test_a_cached_token_without_a_rate_of_its_own_is_never_cheaper(r: Rates, usage: Usage) -> None:
    plain = Price(Rates(r.input, r.output))
    uncached = Usage(usage.input, usage.output)
    assert charge(plain, usage, NOON) == charge(plain, uncached, NOON)


@pytest.mark.parametrize(
    ("rates_", "usage"),
    [
        (Rates(), Usage(input=1)),
        (Rates(output=1), Usage(input=1, output=1)),
        (Rates(input=1), Usage(input=1, output=1)),
        (Rates(output=1), Usage(input=1, cached=1)),
        (Rates(cached=1), Usage(input=2, cached=1)),
        (Rates(cached=1), Usage(input=1, cache_write=1)),
    ],
)
def test_an_unknown_rate_makes_the_charge_unknown(rates_: Rates, usage: Usage) -> None:
    assert charge(Price(rates_), usage, NOON) is None


def test_an_unknown_rate_of_a_kind_that_was_not_used_does_not_matter() -> None:
    assert charge(Price(Rates(input=2_000_000)), Usage(input=3), NOON) == 6
    assert charge(Price(Rates(output=2_000_000)), Usage(output=3), NOON) == 6
    assert charge(Price(Rates(cached=2_000_000)), Usage(input=3, cached=3), NOON) == 6
    assert charge(Price(), Usage(), NOON) == 0


def test_a_price_of_zero_is_a_price() -> None:
    assert charge(Price(Rates(0, 0)), Usage(input=10, output=10, cached=5), NOON) == 0


def test_what_the_provider_reports_wins_and_the_list_price_stays_known() -> None:
    price = Price(Rates(1_000_000, 1_000_000))
    usage = Usage(input=10, output=10, reported_nano=7)
    assert charge(price, usage, NOON) == 7
    assert listed(price, usage, NOON) == 20
    assert charge(Price(), usage, NOON) == 7


@pytest.mark.parametrize(("tokens_", "nano"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3)])
def test_half_a_nano_dollar_rounds_to_even(tokens_: int, nano: int) -> None:
    assert charge(Price(Rates(input=500_000)), Usage(input=tokens_), NOON) == nano


def test_a_fee_for_the_request_is_added_whatever_its_size() -> None:
    price = Price(Rates(1_000_000, 1_000_000), units={"request": 5_000_000, "image": 9})
    assert charge(price, Usage(input=1, output=1), NOON) == 5_000_002


def test_cached_tokens_counted_outside_the_input_earn_nobody_money() -> None:
    price = Price(Rates(1_000_000, 1_000_000, 500_000))
    assert charge(price, Usage(input=10, cached=20), NOON) == 10


def test_a_context_tier_prices_the_whole_call_once_its_threshold_is_exceeded() -> None:
    price = Price(
        Rates(2_000_000, 10_000_000, 200_000),
        tiers=(
            ContextTier(200_000, Rates(8_000_000, 20_000_000)),
            ContextTier(100_000, Rates(4_000_000, 15_000_000, 400_000)),
        ),
    )
    assert charge(price, Usage(input=100_000, output=10), NOON) == 200_100
    assert charge(price, Usage(input=100_001, output=10), NOON) == 400_154
    assert charge(price, Usage(input=200_000, output=0), NOON) == 800_000
    assert charge(price, Usage(input=200_001, output=1), NOON) == 1_600_028
    assert charge(price, Usage(input=100_002, cached=100_000), NOON) == 40_008


def test_a_decimal_price_survives_to_the_nano_dollar() -> None:
    price = Price(Rates(usd_to_nano("0.044")))
    assert charge(price, Usage(input=1_000_000), NOON) == 44_000_000
    assert charge(price, Usage(input=1_000), NOON) == 44_000
    assert charge(price, Usage(input=1), NOON) == 44


LONG = Rates(1_000_000, 1_000_000, cache_write=1_250_000, cache_write_long=2_000_000)


def test_what_is_kept_longer_in_the_cache_costs_its_own_rate() -> None:
    usage = Usage(input=1100, cache_write=1000, cache_write_long=600)
    assert charge(Price(LONG), usage, NOON) == 100 + 500 + 1200


def test_a_long_write_without_a_rate_is_unknown_where_short_ones_have_theirs() -> None:
    rates = Rates(1_000_000, 1_000_000, cache_write=1_250_000)
    usage = Usage(input=10, cache_write=4, cache_write_long=1)
    assert charge(Price(rates), usage, NOON) is None
    assert charge(Price(Rates(1_000_000)), usage, NOON) == 10, "nothing is charged for writing"


def test_sound_costs_its_own_rate_and_as_text_where_the_row_has_none() -> None:
    usage = Usage(input=10, output=10, audio_input=4, audio_output=3)
    rates = Rates(1_000_000, 2_000_000, audio_input=5_000_000, audio_output=7_000_000)
    assert charge(Price(rates), usage, NOON) == 6 + 20 + 14 + 21
    assert charge(Price(Rates(1_000_000, 2_000_000)), usage, NOON) == 10 + 20
    only_sound = Rates(audio_output=7_000_000)
    assert charge(Price(only_sound), Usage(output=3, audio_output=3), NOON) == 21
    assert charge(Price(only_sound), Usage(output=4, audio_output=3), NOON) is None


def test_cached_sound_is_not_counted_twice() -> None:
    rates = Rates(1_000_000, cached=100_000, audio_input=5_000_000)
    usage = Usage(input=10, cached=8, audio_input=10)
    assert charge(Price(rates), usage, NOON) == 2 * 5 + 1


def test_pieces_are_charged_on_top_of_tokens() -> None:
    price = Price(Rates(1_000_000, 1_000_000), units={"web_search": 10_000_000, "web_fetch": 0})
    usage = Usage(input=1, output=1, units={"web_search": 3, "web_fetch": 9})
    assert charge(price, usage, NOON) == 30_000_002


def test_a_piece_without_a_price_makes_the_charge_unknown() -> None:
    price = Price(Rates(1_000_000, 1_000_000), units={"image": 5})
    assert charge(price, Usage(input=1, units={"web_search": 1}), NOON) is None
    assert charge(price, Usage(input=1, units={"web_search": 0}), NOON) == 1
    assert charge(Price(), Usage(units={"search": 1}), NOON) is None


def test_tokens_stand_for_the_pieces_that_they_measure() -> None:
    price = Price(Rates(1_000_000, 1_000_000))
    assert charge(price, Usage(input=7, output=3, units={"image": 1}), NOON) == 10
    assert charge(price, Usage(units={"image": 1}), NOON) is None
    assert charge(Price(units={"image": 4}), Usage(units={"image": 2}), NOON) == 8


def test_requests_that_are_counted_replace_the_one_that_is_not() -> None:
    price = Price(Rates(1_000_000), units={"request": 5})
    assert charge(price, Usage(input=1), NOON) == 6
    assert charge(price, Usage(input=1, units={"request": 2}), NOON) == 11


def test_a_class_of_service_has_its_own_factor_and_none_is_never_the_usual_one() -> None:
    price = Price(
        Rates(1_000_000, 2_000_000),
        multipliers={"eu": 1100},
        units={"web_search": 7},
        batch_permille=500,
        service_tiers={"fast": 2000, "flex": 600},
    )

    def cost(tier: str, region: str | None = None, **units: int) -> int | None:
        usage = Usage(input=1000, output=1000, units=units, service_tier=tier)
        return charge(price, usage, NOON, region=region)

    assert cost("") == 3_000
    assert cost("fast") == 6_000
    assert cost("fast", "eu", web_search=10) == 6_677
    assert cost("flex") == 1_800
    assert cost("batch") == 1_500
    assert cost("priority") is None
    assert charge(price, Usage(service_tier="priority"), NOON) == 0
    free = Price(Rates(0, 0))
    assert charge(free, Usage(input=5, output=5, service_tier="scale"), NOON) == 0
    told = Usage(input=5, output=5, service_tier="scale", reported_nano=9)
    assert charge(price, told, NOON) == 9
