from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from federation.domain.catalogue import ContextTier, Model, Price, Rates, Window
from federation.pricing.bounds import (
    CallFacts,
    input_bound,
    longest_output,
    output_bound,
    worst,
)
from federation.pricing.charges import listed
from federation.schema.usage import Usage

PRICE = Price(Rates(input=3_000_000_000, output=15_000_000_000))
MODEL = Model("m", context=200_000, max_output=8_000, price=PRICE)
FACTS = CallFacts(input_bytes=1000, messages=2, max_output=100)

rate = st.integers(0, 100_000_000_000)
maybe = st.none() | rate
lists = st.builds(Rates, rate, rate, maybe, maybe, maybe, maybe, maybe)
prices = st.builds(
    Price,
    lists,
    st.lists(st.builds(ContextTier, st.integers(0, 3000), lists), max_size=2).map(tuple),
    st.lists(
        st.builds(Window, st.just((1, 2, 3)), st.integers(0, 700), st.integers(701, 1440), lists),
        max_size=2,
    ).map(tuple),
    st.dictionaries(st.sampled_from(["us", "eu"]), st.integers(500, 3000), max_size=2),
    st.dictionaries(st.sampled_from(["request", "web_search"]), rate, max_size=2),
)


@settings(deadline=None, max_examples=400)
@given(
    price=prices,
    text=st.integers(0, 5000),
    most=st.integers(0, 500),
    answers=st.integers(1, 4),
    searches=st.integers(0, 5),
    region=st.sampled_from([None, "us", "eu", "uk"]),
    hours=st.integers(0, 200),
    data=st.data(),
)
def test_no_bill_within_the_facts_is_above_the_bound(
    price: Price,
    text: int,
    most: int,
    answers: int,
    searches: int,
    region: str | None,
    hours: int,
    data: st.DataObject,
) -> None:
    model = replace(MODEL, price=price)
    facts = CallFacts(
        text, max_output=most, answers=answers, sound=True, units={"web_search": searches}
    )
    bound = worst(facts, model, region=region)
    given_most, made_most = input_bound(facts, model), output_bound(facts, model)
    assert given_most is not None
    assert made_most is not None
    tokens = data.draw(st.integers(0, given_most))
    written = data.draw(st.integers(0, tokens))
    made = data.draw(st.integers(0, made_most))
    usage = Usage(
        input=tokens,
        output=made,
        cached=data.draw(st.integers(0, tokens - written)),
        cache_write=written,
        cache_write_long=data.draw(st.integers(0, written)),
        audio_input=data.draw(st.integers(0, tokens)),
        audio_output=data.draw(st.integers(0, made)),
        units={"web_search": data.draw(st.integers(0, searches))},
    )
    at = datetime(2024, 5, 6, tzinfo=UTC) + timedelta(hours=hours)
    bill = listed(price, usage, at, region=data.draw(st.sampled_from([region or "eu", region])))
    assume(bill is not None)
    if bound is None:
        assert searches
        assert "web_search" not in price.units
    else:
        assert bill is not None
        assert bill <= bound


@settings(deadline=None, max_examples=300)
@given(price=prices, most=st.integers(0, 10**12), least=st.integers(1, 50))
def test_the_longest_output_fits_and_one_more_token_would_not(
    price: Price, most: int, least: int
) -> None:
    model = replace(MODEL, price=price)
    found = longest_output(FACTS, model, most, least=least)
    cost = {n: worst(structs.replace(FACTS, max_output=n), model) for n in (least, found or 0)}
    if found is None:
        assert (cost[least] or 0) > most
        return
    assert least <= found <= 100
    assert (cost[found] or 0) <= most
    if found < 100:
        assert (worst(structs.replace(FACTS, max_output=found + 1), model) or 0) > most


def test_a_call_is_bounded_by_its_bytes_and_its_own_limit() -> None:
    assert worst(FACTS, MODEL) == (1000 + 32 + 2 * 16) * 3000 + 100 * 15_000


def test_tools_and_answers_are_allowed_for() -> None:
    assert input_bound(structs.replace(FACTS, tools=2), MODEL) == 1064 + 1024 + 128
    assert output_bound(structs.replace(FACTS, answers=3), MODEL) == 300


def test_a_call_without_a_limit_is_bounded_by_the_model_s() -> None:
    assert output_bound(structs.replace(FACTS, max_output=None), MODEL) == 8_000
    assert output_bound(structs.replace(FACTS, max_output=10**9), MODEL) == 8_000
    assert (
        output_bound(structs.replace(FACTS, max_output=None), replace(MODEL, max_output=None))
        == 200_000
    )


def test_nobody_bills_more_input_than_the_context_takes() -> None:
    assert input_bound(structs.replace(FACTS, input_bytes=10**7), MODEL) == 200_000
    assert input_bound(FACTS, replace(MODEL, max_input=50)) == 50


def test_pictures_are_bounded_by_their_tokens_or_the_context() -> None:
    assert input_bound(structs.replace(FACTS, media=1), MODEL) == 200_000
    assert input_bound(structs.replace(FACTS, media=1, input_tokens=1500), MODEL) == 2564
    assert input_bound(structs.replace(FACTS, media=1), replace(MODEL, context=None)) is None


@pytest.mark.parametrize(
    ("facts", "model"),
    [
        (FACTS, replace(MODEL, price=Price())),
        (FACTS, replace(MODEL, price=Price(Rates(input=1)))),
        (structs.replace(FACTS, max_output=None), replace(MODEL, context=None, max_output=None)),
        (structs.replace(FACTS, units={"web_search": 1}), MODEL),
        (
            structs.replace(FACTS, units={"web_search": None}),
            replace(MODEL, price=replace(PRICE, units={"web_search": 10})),
        ),
    ],
    ids=["no price", "no output price", "no limit", "unpriced search", "unlimited searches"],
)
def test_what_cannot_be_bounded_has_no_bound(facts: CallFacts, model: Model) -> None:
    assert worst(facts, model) is None
    assert longest_output(facts, model, 10**18) is None


def test_a_list_by_the_piece_needs_no_tokens() -> None:
    model = Model("paint", price=Price(units={"image": 40_000_000, "request": 7}))
    assert worst(CallFacts(units={"image": 3}), model) == 120_000_007
    assert worst(CallFacts(units={"image": None}), model) is None


def test_a_list_by_tokens_takes_a_picture_as_its_tokens() -> None:
    assert worst(structs.replace(FACTS, units={"image": 2}), MODEL) == worst(FACTS, MODEL)


def test_the_dearest_region_counts_where_the_place_is_not_known() -> None:
    model = replace(MODEL, price=replace(PRICE, multipliers={"us": 1100, "eu": 900}))
    plain = worst(FACTS, MODEL)
    assert plain is not None
    assert worst(FACTS, model) == plain * 11 // 10
    assert worst(FACTS, model, region="eu") == plain * 9 // 10
    assert worst(FACTS, model, region="uk") == plain


def test_a_part_of_a_nano_dollar_is_rounded_up() -> None:
    model = Model("m", context=10, price=Price(Rates(input=1, output=1)))
    assert worst(CallFacts(max_output=1), model) == 1
