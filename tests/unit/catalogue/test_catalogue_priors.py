"""Priors of quality and speed: what they promise about order and doubt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.catalogue.quality import (
    Benchmark,
    Evidence,
    Predecessor,
    PriceClass,
    common,
    estimate,
)
from federation.catalogue.speed import Hardware, SpeedClass, SpeedClasses, assumed_speed
from federation.domain.catalogue import Model, Price, Rates, Speed

ELO = Benchmark(title="Ratings", deviation=0.03, reference=1300.0)
TEST = Benchmark(title="Test", deviation=0.05, scales={"all": (0.3, 0.9), "code": (0.1, 0.9)})

EVIDENCE = Evidence(
    as_of="2026-11-20",
    benchmarks={"elo": ELO, "test": TEST},
    categories={
        "default": {"elo": ["chat"], "test": ["all"]},
        "code": {"test": ["code"]},
        "knowledge": {"elo": ["law", "medicine"]},
    },
    price_classes=[PriceClass(below=1.0, mean=0.4), PriceClass(below=10.0, mean=0.6)],
    unpriced=0.45,
    guess_deviation=0.15,
    narrow={"tiny": 0.2},
    predecessors={
        "new": Predecessor(family="old", steps=1),
        "newer": Predecessor(family="new", steps=1),
        "small": Predecessor(family="old", steps=-1),
        "measured": Predecessor(family="old", steps=1),
        "left": Predecessor(family="right", steps=1),
        "right": Predecessor(family="left", steps=1),
    },
    scores={
        "old": {"elo": {"chat": 1300.0, "law": 1300.0, "medicine": 1400.0}},
        "measured": {"elo": {"chat": 1500.0}},
        "agreed": {"elo": {"chat": 1300.0}, "test": {"all": 33.3}},
        "torn": {"elo": {"chat": 1300.0}, "test": {"all": 100.0}},
        "coder": {"test": {"code": 100.0}},
    },
)


def of(family: str, output: int | None = None, operations: tuple[str, ...] = ("chat",)) -> Model:
    return Model(id=family, family=family, operations=operations, price=Price(Rates(1, output)))


def test_the_reference_model_is_preferred_half_of_the_time() -> None:
    assert common(ELO, "chat", 1300.0) == pytest.approx(0.5)
    assert common(ELO, "chat", 1700.0) == pytest.approx(10 / 11)


@given(st.floats(min_value=0, max_value=3000), st.floats(min_value=0, max_value=3000))
@settings(deadline=None)
def test_a_better_score_is_never_a_worse_estimate(one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert common(ELO, "chat", low) <= common(ELO, "chat", high)
    low, high = low / 30, high / 30
    assert common(TEST, "all", low) <= common(TEST, "all", high)
    assert 0 < common(TEST, "all", low) < 1


def test_sources_that_agree_leave_less_doubt_than_sources_that_do_not() -> None:
    agreed = estimate(EVIDENCE, of("agreed"))["default"]
    torn = estimate(EVIDENCE, of("torn"))["default"]
    assert agreed.mean == pytest.approx(0.5, abs=0.001)
    assert 0.5 < torn.mean < 0.9
    assert agreed.deviation < torn.deviation
    assert agreed.source == "Ratings + Test"


def test_several_tasks_of_one_benchmark_are_averaged() -> None:
    knowledge = estimate(EVIDENCE, of("old"))["knowledge"]
    assert knowledge.mean == pytest.approx((0.5 + 0.640) / 2, abs=0.001)


def test_a_new_model_stands_a_little_above_its_predecessor_with_more_doubt() -> None:
    old, new, newer, small = (
        estimate(EVIDENCE, of(name))["default"] for name in ("old", "new", "newer", "small")
    )
    assert small.mean < old.mean < new.mean < newer.mean < 0.6
    assert old.deviation < new.deviation < newer.deviation
    assert newer.source == "family prior (old)"


def test_own_scores_outweigh_the_predecessor() -> None:
    found = estimate(EVIDENCE, of("measured"))
    assert found["default"].mean > 0.65
    assert "Ratings + family prior (old)" in found["default"].source
    assert found["knowledge"].source == "family prior (old)"


def test_a_model_without_scores_is_guessed_from_its_price_with_wide_doubt() -> None:
    assert estimate(EVIDENCE, of("x", 500_000_000))["default"].mean == 0.4
    assert estimate(EVIDENCE, of("x", 5_000_000_000))["default"].mean == 0.6
    dear = estimate(EVIDENCE, of("x", 500_000_000_000))["default"]
    assert (dear.mean, dear.deviation, dear.source) == (0.6, 0.15, "price class")


def test_a_model_with_neither_scores_nor_price_says_so() -> None:
    found = estimate(EVIDENCE, of("x"))["default"]
    assert (found.mean, found.deviation, found.source) == (0.45, 0.15, "no evidence")


def test_skill_at_one_task_says_little_about_all_the_others() -> None:
    found = estimate(EVIDENCE, of("coder", 5_000_000_000))
    assert found["code"].mean == 0.9
    assert 0.6 < found["default"].mean < 0.85
    assert found["default"].deviation > found["code"].deviation
    assert found["default"].source == "Test + price class"


def test_a_model_made_for_one_task_is_not_taken_for_a_general_one() -> None:
    assert estimate(EVIDENCE, of("tiny", 5_000_000_000))["default"].mean == 0.2


def test_a_model_that_does_not_chat_has_no_estimate() -> None:
    assert estimate(EVIDENCE, of("old", operations=("embeddings",))) == {}


def test_a_circle_of_predecessors_is_refused() -> None:
    with pytest.raises(ValueError, match="left -> right -> left is a circle"):
        estimate(EVIDENCE, of("left"))


SPEEDS = SpeedClasses(
    classes=[
        SpeedClass(below=1.0, first_token_ms=400.0, tokens_per_s=120.0),
        SpeedClass(below=10.0, first_token_ms=900.0, tokens_per_s=60.0),
    ],
    hardware={"fast": Hardware(first_token_ms=200.0, tokens_per_s=900.0)},
)


@pytest.mark.parametrize(
    ("provider", "output", "speed"),
    [
        ("any", 500_000_000, Speed(400.0, 120.0)),
        ("any", 1_000_000_000, Speed(900.0, 60.0)),
        ("any", 99_000_000_000, Speed(900.0, 60.0)),
        ("fast", 99_000_000_000, Speed(200.0, 900.0)),
        ("fast", None, Speed(200.0, 900.0)),
        ("any", None, None),
        ("any", 0, None),
    ],
)
def test_a_speed_is_assumed_from_the_host_or_the_price(
    provider: str, output: int | None, speed: Speed | None
) -> None:
    assert assumed_speed(SPEEDS, provider, of("x", output)) == speed


def test_no_speed_is_assumed_for_what_does_not_chat() -> None:
    model = replace(of("x", 1), operations=("embeddings",))
    assert assumed_speed(SPEEDS, "fast", model) is None
