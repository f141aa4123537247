"""Sheets: what is laid out once says what each deployment's own facts say."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import NOON_MS, deployment, fleet, live

from federation.domain.catalogue import Price, Quality, Rates, Speed
from federation.domain.routes import Weights
from federation.routing.fleet import Fleet
from federation.routing.score import Terms, parts, totals
from federation.routing.sheets import Sheet

# Few values of each fact, so that many deployments share a row, and equal scores come up.
FACTS = st.fixed_dictionaries(
    {
        "price": st.sampled_from([Price(Rates(1_000, 2_000)), Price(), Price(Rates(9**9, 7**9))]),
        "quality": st.sampled_from([{"default": Quality(q, 0.01)} for q in (0.2, 0.8)]),
        "speed": st.sampled_from([Speed(900.0, 50.0), Speed(100.0, 200.0)]),
    }
)
WORLDS = st.lists(FACTS, min_size=1, max_size=12)


def made_of(each: list[dict[str, Any]]) -> Fleet:
    return fleet([deployment(f"p{n}/m", **facts) for n, facts in enumerate(each)])


def sheet_of(made: Fleet, seen: Any, mask: int | None = None) -> Sheet:
    slate = made.slate(made.everything if mask is None else mask)
    return made.sheet(slate, "default", seen, made.prices.columns(100, NOON_MS))


@settings(deadline=None, max_examples=150)
@given(WORLDS, st.integers(1, 4_095), st.integers(1, 90_000), st.integers(1, 4_000))
def test_one_of_many_scores_as_it_would_alone(
    each: list[dict[str, Any]], some: int, read: int, written: int
) -> None:
    made = made_of(each)
    seen = live(made)
    mask = some & made.everything or made.everything
    terms = Terms.of(Weights(), "default", read, written, difficulty=0.7, certainty=0.6)
    whole = sheet_of(made, seen, mask)
    scores = dict(zip(whole.row_of, whole.spread(totals(whole, terms)), strict=True))
    for index, row in whole.row_of.items():
        alone = sheet_of(made, seen, 1 << index)
        assert totals(alone, terms) == [scores[index]]
        assert parts(alone, [0], terms)[0] == parts(whole, [row], terms)[row]
    assert whole.order(totals(whole, terms)) == sorted(scores, key=lambda i: (-scores[i], i))


@given(WORLDS, st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=12, max_size=12))
def test_equals_keep_their_order_whichever_rows_they_are_of(
    each: list[dict[str, Any]], values: list[float]
) -> None:
    made = made_of(each)
    sheet = sheet_of(made, live(made))
    worth = values[: len(sheet.rows)]
    by_index = dict(zip(sheet.row_of, sheet.spread(worth), strict=True))
    assert sheet.order(worth) == sorted(by_index, key=lambda index: (-by_index[index], index))


def test_a_sheet_lasts_until_health_or_prices_are_others() -> None:
    made = made_of([{}, {}])
    seen = live(made)
    first = sheet_of(made, seen)
    assert sheet_of(made, seen) is first
    assert len(first.rows) == 1
    seen.success[1] = 0.5
    seen.version += 1
    second = sheet_of(made, seen)
    assert [row[4] for row in second.rows] == [1.0, 0.5]
    assert sheet_of(made, live(made)) is not second
    slate = made.slate(made.everything)
    columns = made.prices.columns(100, NOON_MS)
    changed = type(columns)([1.0, 2.0], [1.0, 1.0], [0.0, 0.0])
    assert [row[5] for row in made.sheet(slate, "default", seen, changed).rows] == [1.0, 2.0]


def test_only_so_many_sheets_are_kept() -> None:
    made = made_of([{}] * 8)
    seen = live(made)
    for mask in range(1, 200):
        sheet_of(made, seen, mask)
    assert len(made._sheets) <= 32
