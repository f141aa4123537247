"""Scores: bounded, monotone, and the same in both places where they are computed."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import NOON_MS, deployment, fleet, live

from federation.domain.catalogue import (
    CATEGORIES,
    ContextTier,
    Price,
    Quality,
    Rates,
    Speed,
    Window,
)
from federation.domain.routes import Weights
from federation.pricing.charges import listed
from federation.routing.intents import INTENTS, UNKNOWN, Intent, category_of, expected_output
from federation.routing.prices import PriceTable
from federation.routing.quality import combine, quality_columns
from federation.routing.score import Terms, parts, predicted_nano, shares_of, totals
from federation.schema.usage import Usage

unit = st.floats(0.0, 1.0)
tokens = st.integers(1, 200_000)
rates = st.none() | st.integers(0, 100_000_000_000)
weights = st.builds(Weights, unit, unit, unit, unit)
members = st.builds(
    lambda read, write, good, first, rate: {
        "price": Price(Rates(read, write)),
        "quality": {"default": Quality(good, 0.05)},
        "speed": Speed(first, rate),
    },
    rates,
    rates,
    unit,
    st.floats(1.0, 1e6),
    st.floats(0.1, 1e5),
)


def scored(
    each: list[dict[str, Any]], terms: Terms, success: list[float] | None = None
) -> tuple[list[float], list[tuple[float, float, float, float]]]:
    made = fleet([deployment(f"p{n}/m", **facts) for n, facts in enumerate(each)])
    seen = live(made, **({"success": success} if success else {}))
    slate, prices = made.slate(made.everything), made.prices.columns(terms.input_tokens, NOON_MS)
    sheet = made.sheet(slate, terms.category, seen, prices)
    found = parts(sheet, range(len(sheet.rows)), terms)
    return sheet.spread(totals(sheet, terms)), [found[row] for row in sheet.row_of.values()]


@settings(deadline=None, max_examples=150)
@given(st.lists(members, min_size=1, max_size=6), weights, tokens, tokens, unit, unit)
def test_every_part_and_the_total_lie_in_0_to_1_and_agree(
    each: list[dict[str, Any]],
    wanted: Weights,
    given_tokens: int,
    made_tokens: int,
    difficulty: float,
    certainty: float,
) -> None:
    terms = Terms.of(
        wanted, "code", given_tokens, made_tokens, difficulty=difficulty, certainty=certainty
    )
    total, rows = scored(each, terms)
    shares = shares_of(wanted)
    for value, row in zip(total, rows, strict=True):
        assert all(0.0 <= part <= 1.0 for part in row)
        assert 0.0 <= value <= 1.0 + 1e-9
        assert math.isclose(
            value, sum(s * p for s, p in zip(shares, row, strict=True)), abs_tol=1e-9
        )


def changed(**facts: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    plain = {
        "price": Price(Rates(1_000_000_000, 4_000_000_000)),
        "quality": {"default": Quality(0.6, 0.05)},
        "speed": Speed(500.0, 80.0),
    }
    return plain, plain | facts


@pytest.mark.parametrize(
    ("facts", "part"),
    [
        ({"quality": {"default": Quality(0.61, 0.05)}}, 0),
        ({"speed": Speed(499.0, 80.0)}, 1),
        ({"speed": Speed(500.0, 81.0)}, 1),
        ({"price": Price(Rates(990_000_000, 4_000_000_000))}, 2),
        ({"price": Price(Rates(1_000_000_000, 3_990_000_000))}, 2),
    ],
)
@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_a_better_fact_always_scores_better(
    facts: dict[str, Any], part: int, difficulty: float
) -> None:
    terms = Terms.of(Weights(), "default", 900, 400, difficulty=difficulty, certainty=0.8)
    total, rows = scored(list(changed(**facts)), terms)
    assert rows[1][part] > rows[0][part]
    assert total[1] > total[0]


def test_reliability_is_the_success_rate() -> None:
    terms = Terms.of(Weights(), "default", 900, 400)
    total, rows = scored([*changed()], terms, success=[0.8, 0.9])
    assert [row[3] for row in rows] == [0.8, 0.9]
    assert total[1] > total[0]


def test_an_unknown_price_scores_zero_for_cost_and_a_free_one_scores_one() -> None:
    terms = Terms.of(Weights(), "default", 900, 400)
    unknown = {"price": Price(Rates(None, 5))}
    free = {"price": Price(Rates(0, 0))}
    _, rows = scored([unknown, free], terms)
    assert [row[2] for row in rows] == [0.0, 1.0]


def test_difficulty_draws_candidates_together_when_easy_and_apart_when_hard() -> None:
    def gap(difficulty: float, certainty: float = 1.0) -> float:
        terms = Terms.of(Weights(), "default", 900, 400, difficulty=difficulty, certainty=certainty)
        _, rows = scored([{"quality": {"default": Quality(q, 0.01)}} for q in (0.7, 0.9)], terms)
        return rows[1][0] - rows[0][0]

    assert gap(0.0) < gap(0.5) < gap(1.0)
    assert gap(1.0, certainty=0.0) == pytest.approx(gap(0.5))


def test_weights_are_shares_and_nonsense_means_equal_shares() -> None:
    assert shares_of(Weights(2, 1, 1, 0)) == (0.5, 0.25, 0.25, 0.0)
    assert shares_of(Weights(0, 0, 0, 0)) == (0.25,) * 4
    assert shares_of(Weights(-1, 1, 0, 0)) == (0.0, 1.0, 0.0, 0.0)


def test_thin_evidence_is_drawn_to_the_family_and_firm_evidence_is_not() -> None:
    family = [
        deployment(f"p{n}/m{n}", family="f", quality={"default": Quality(0.8, 0.05)})
        for n in range(4)
    ]
    silent = deployment("p/new", family="f", quality={})
    vague = deployment("p/vague", family="f", quality={"default": Quality(0.2, 0.5)})
    firm = deployment("p/firm", family="f", quality={"default": Quality(0.2, 0.01)})
    alone = deployment("p/alone", quality={})
    column = quality_columns((*family, silent, vague, firm, alone))["default"]
    assert column[4] > 0.65
    assert 0.5 < column[5] < column[4]
    assert column[6] == pytest.approx(0.2, abs=0.02)
    assert column[7] == 0.5


def test_a_category_without_a_score_takes_the_models_default() -> None:
    each = deployment("p/m", quality={"default": Quality(0.7, 0.05), "code": Quality(0.9, 0.05)})
    columns = quality_columns((each,))
    assert columns["math"] == columns["default"]
    assert 0.7 < columns["default"][0] + 0.05 < columns["code"][0] + 0.05 < 0.95
    assert set(columns) == set(CATEGORIES)


def test_one_model_at_many_hosts_is_one_piece_of_evidence_for_its_family() -> None:
    same = [
        deployment(f"p{n}/same", family="f", quality={"default": Quality(0.9, 0.05)})
        for n in range(9)
    ]
    new = deployment("p/new", family="f", quality={})
    once, often = quality_columns((same[0], new)), quality_columns((*same, new))
    assert often["default"][-1] == pytest.approx(once["default"][-1])


@given(unit, st.floats(0.01, 0.5), unit, st.floats(0.01, 0.5))
def test_a_posterior_lies_between_what_it_combines_and_is_surer(
    a: float, da: float, b: float, db: float
) -> None:
    both = combine(Quality(a, da), Quality(b, db))
    assert min(a, b) - 1e-9 <= both.mean <= max(a, b) + 1e-9
    assert both.deviation <= min(da, db)


_WINDOWED = Price(
    Rates(1_000_000, 2_000_000),
    windows=(
        Window((1, 2, 3, 4, 5), 8 * 60, 18 * 60, Rates(3_000_000, 6_000_000)),
        Window((6,), 0, 1440, Rates(500_000, 500_000)),
    ),
)
_TIERED = Price(
    Rates(1_000_000, 2_000_000),
    tiers=(
        ContextTier(128_000, Rates(2_000_000, 4_000_000)),
        ContextTier(256_000, Rates(4_000_000, 8_000_000)),
    ),
    units={"request": 5_000_000},
)
_PLACED = Price(Rates(1_000_000, 2_000_000), multipliers={"eu": 1100})


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from([1, 1_000, 127_999, 128_000, 128_001, 256_000, 256_001, 900_000]),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.integers(0, 60 * 24 * 21), min_size=1, max_size=8),
    st.integers(1, 9_000),
)
def test_columns_predict_what_the_price_book_predicts(
    sizes: list[int], minutes: list[int], made: int
) -> None:
    each = (
        deployment("a/windowed", price=_WINDOWED),
        deployment("b/tiered", price=_TIERED),
        deployment("c/placed", price=_PLACED, p_regions=("eu",)),
        deployment("d/spread", price=_PLACED, p_regions=("eu", "us")),
    )
    table = PriceTable(each)
    for size in sizes:
        for minute in minutes:
            wall_ms = NOON_MS + minute * 60_000
            columns = table.columns(size, wall_ms)
            at = datetime.fromtimestamp(wall_ms / 1000).astimezone()
            for index, one in enumerate(each):
                places = one.provider.regions
                region = places[0] if len(places) == 1 else None
                exact = listed(one.model.price, Usage(size, made), at, region=region)
                assert exact is not None
                assert predicted_nano(columns, index, size, made) == pytest.approx(exact, abs=1)


def test_price_columns_are_kept_and_bounded() -> None:
    table = PriceTable((deployment("a/windowed", price=_WINDOWED),))
    assert table.columns(10, NOON_MS) is table.columns(20_000, NOON_MS + 60_000)
    many = Price(
        Rates(1, 1), windows=tuple(Window((1,), m, m + 5, Rates(2, 2)) for m in range(0, 1440, 10))
    )
    table = PriceTable((deployment("a/m", price=many),))
    for minute in range(0, 60 * 24 * 7, 5):
        table.columns(10, NOON_MS + minute * 60_000)
    assert len(table._memo) <= 64


def test_an_answer_is_never_expected_to_be_longer_than_allowed() -> None:
    for name in INTENTS:
        intent = Intent(name, 0.9, 0.5)
        assert 1 <= expected_output(intent, 0, None) <= 4_000
        assert expected_output(intent, 10_000_000, None) <= 4_000
        assert expected_output(intent, 100, 7) <= 7
        assert category_of(intent, 100, 0) in CATEGORIES
    assert expected_output(UNKNOWN, 100, 0) == 1


def test_length_and_tools_change_the_category() -> None:
    code = Intent("code_debugging", 0.9, 0.5)
    assert category_of(code, 100, 0) == "code"
    assert category_of(code, 100, 3) == "agentic_code"
    assert category_of(code, 100_000, 3) == "long_context"
    assert category_of(UNKNOWN, 100, 3) == "default"
