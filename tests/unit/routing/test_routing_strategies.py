"""Strategies: each an order of all candidates, and each different from the others."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import call, deployment, fleet, key, live, memory, route

from federation.domain.catalogue import Price, Quality, Rates, Speed
from federation.domain.routes import Settings, Weights
from federation.errors import InvalidRequest
from federation.routing.decide import decide
from federation.routing.fleet import Fleet
from federation.routing.request import Memory, Verdict
from federation.routing.ring import Ring
from federation.routing.strategies import STRATEGIES
from federation.schema.glance import Constraints


def market() -> Fleet:
    """Three that differ in everything: good and slow, fast and dear, cheap and bad."""

    def one(name: str, good: float, cents: int, speed: Speed) -> Any:
        price = Price(Rates(cents * 10_000_000, cents * 40_000_000))
        return deployment(name, quality={"default": Quality(good, 0.02)}, price=price, speed=speed)

    each = [
        one("cheap/c", 0.3, 5, Speed(900.0, 50.0)),
        one("good/g", 0.95, 300, Speed(1200.0, 60.0)),
        one("quick/q", 0.5, 300, Speed(120.0, 900.0)),
    ]
    ids = [d.id for d in each]
    return fleet(each, [route(name, name, *ids) for name in STRATEGIES])


def run(made: Fleet, name: str, *, kept: Memory | None = None, **facts: Any) -> Verdict:
    columns, rng = facts.pop("columns", {}), facts.pop("rng", None) or Random(5)
    return decide(
        made,
        live(made, **columns),
        call(name, **facts),
        rng,
        kept or memory(),
    )


def first(made: Fleet, name: str, **facts: Any) -> str:
    return made.ids[run(made, name, **facts).order[0]]


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(sorted(STRATEGIES)),
    st.lists(st.floats(0, 1), min_size=1, max_size=40),
    st.integers(0, 2**32),
    st.data(),
)
def test_a_strategy_orders_every_candidate_once_whatever_their_health(
    name: str, good: list[float], seed: int, data: st.DataObject
) -> None:
    each = [deployment(f"p{n}/m", quality={"default": Quality(q, 0.1)}) for n, q in enumerate(good)]
    made = fleet(each, [route("r", name, *[d.id for d in each])])
    down = data.draw(
        st.lists(st.sampled_from([0.0, 150.0, 200.0]), min_size=len(good), max_size=len(good))
    )
    seen = live(made, down_until=down)
    for requested in ("r", "auto"):
        verdict = decide(made, seen, call(requested, strategy=name), Random(seed), memory())
        assert sorted(verdict.order) == list(range(len(good)))
        cooling = [down[index] > 100.0 for index in verdict.order]
        assert cooling == sorted(cooling)
        waits = [down[index] for index in verdict.order if down[index] > 100.0]
        assert waits == sorted(waits)


def test_the_strategies_choose_differently_from_one_market() -> None:
    made = market()
    assert first(made, "quality_first") == "good/g"
    assert first(made, "cost_optimized") == "cheap/c"
    assert first(made, "speed") == "quick/q"
    assert first(made, "priority") == "cheap/c"
    busy: dict[str, Any] = {"columns": {"inflight": [4, 4, 1]}}
    assert first(made, "least_connections", **busy) == "quick/q"
    assert first(made, "least_latency", columns={"p95_ms": [9.0, 2.0, 3.0]}) == "good/g"


def test_balanced_weighs_the_four_parts_alike() -> None:
    verdict = run(market(), "balanced")
    assert verdict.decision.weights == (0.25, 0.25, 0.25, 0.25)
    assert verdict.decision.candidates[0].probability == 1.0


def test_a_routes_weights_hold_for_its_strategy_and_the_operators_for_auto() -> None:
    only_cost = Weights(0, 0, 1, 0)
    each = market().deployments
    made = fleet(
        each,
        [route("r", "quality_first", *[d.id for d in each], weights=only_cost)],
        Settings(weights=Weights(0, 1, 0, 0)),
    )
    assert first(made, "r") == "cheap/c"
    assert first(made, "auto") == "quick/q"
    assert first(made, "r", strategy="speed") == "quick/q"
    assert first(made, "r", strategy="quality_first") == "cheap/c"


def test_an_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest) as caught:
        run(market(), "auto", strategy="best_effort")
    assert "quality_first" in caught.value.message
    assert caught.value.param == "federation.strategy"


def test_round_robin_takes_turns_per_name() -> None:
    made, kept = market(), memory()
    chosen = [first(made, "round_robin", kept=kept) for _ in range(6)]
    assert chosen == ["cheap/c", "good/g", "quick/q"] * 2
    assert first(made, "auto", strategy="round_robin", kept=kept) == "cheap/c"
    assert first(made, "round_robin", kept=kept) == "cheap/c"


def test_other_strategies_take_no_turns() -> None:
    made, kept = market(), memory()
    first(made, "priority", kept=kept)
    assert kept.turns == {}


def test_lots_fall_by_the_shares_and_say_their_odds() -> None:
    each = [deployment(f"p{n}/m") for n in range(3)]
    made = fleet(each, [route("r", "weighted_random", ("p0/m", 6.0), ("p1/m", 3.0), ("p2/m", 1.0))])
    rng, counts = Random(11), Counter[str]()
    for _ in range(4_000):
        counts[first(made, "r", rng=rng)] += 1
    assert counts["p0/m"] / 4_000 == pytest.approx(0.6, abs=0.03)
    assert counts["p1/m"] / 4_000 == pytest.approx(0.3, abs=0.03)
    odds = {c.deployment: c.probability for c in run(made, "r").decision.candidates}
    assert odds == pytest.approx({"p0/m": 0.6, "p1/m": 0.3, "p2/m": 0.1})


def test_a_share_of_zero_is_only_a_fallback() -> None:
    each = [deployment(f"p{n}/m") for n in range(2)]
    made = fleet(each, [route("r", "weighted_random", ("p0/m", 0.0), ("p1/m", 0.1))])
    assert {first(made, "r", rng=Random(seed)) for seed in range(50)} == {"p1/m"}
    none = fleet(each, [route("r", "weighted_random", ("p0/m", 0.0), ("p1/m", 0.0))])
    assert len(run(none, "r").order) == 2


def test_odds_of_those_who_are_cooling_down_go_to_the_others() -> None:
    each = [deployment(f"p{n}/m") for n in range(3)]
    made = fleet(each, [route("r", "weighted_random", ("p0/m", 6.0), ("p1/m", 3.0), ("p2/m", 1.0))])
    some = run(made, "r", columns={"down_until": [200.0, 0.0, 0.0]}).decision.candidates
    assert {c.deployment: c.probability for c in some} == pytest.approx(
        {"p1/m": 0.75, "p2/m": 0.25, "p0/m": 0.0}
    )
    everyone = run(made, "r", columns={"down_until": [200.0, 300.0, 400.0]}).decision.candidates
    assert [c.deployment for c in everyone] == ["p0/m", "p1/m", "p2/m"]
    assert everyone[0].probability == 1.0


def test_least_connections_draws_among_equals() -> None:
    made = market()
    seen = {first(made, "least_connections", rng=Random(seed)) for seed in range(40)}
    assert seen == set(made.ids)
    odds = [c.probability for c in run(made, "least_connections").decision.candidates]
    assert odds == pytest.approx([1 / 3] * 3)


def test_a_session_sticks_and_tenants_do_not_share_sessions() -> None:
    each = [deployment(f"p{n}/m") for n in range(8)]
    made, kept = fleet(each, [route("r", "consistent_hash", *[d.id for d in each])]), memory()

    def served(**facts: Any) -> str:
        return first(made, "r", kept=kept, rng=Random(), **facts)

    for facts in ({"session": "s1"}, {"user": "u1"}, {"key": key()}):
        assert len({served(**facts) for _ in range(5)}) == 1
    tenants = {served(session="s", key=key(tenant=f"t{n}")) for n in range(40)}
    assert len(tenants) > 3
    assert len({served(key=key(id=f"k{n}")) for n in range(40)}) > 3
    anonymous = {served() for _ in range(60)}
    assert len(anonymous) > 3
    odds = run(made, "r", kept=kept).decision.candidates[0].probability
    assert odds == pytest.approx(1 / 8)
    assert run(made, "r", kept=kept, session="s").decision.candidates[0].probability == 1.0


@settings(deadline=None, max_examples=15)
@given(st.integers(3, 30), st.data())
def test_one_leaving_the_ring_moves_only_its_own_keys(count: int, data: st.DataObject) -> None:
    names = [f"provider-{n}/model" for n in range(count)]
    gone = data.draw(st.integers(0, count - 1))
    rest = names[:gone] + names[gone + 1 :]
    before, after = Ring(tuple(names)), Ring(tuple(rest))
    moved, total = 0, 600
    for number in range(total):
        chain = [names[place] for place in before.order(f"session-{number}")]
        now = rest[after.order(f"session-{number}")[0]]
        if chain[0] == names[gone]:
            moved += 1
            assert now == chain[1]
        else:
            assert now == chain[0]
    assert moved / total < 2.2 / count + 0.03


def test_a_ring_spreads_keys_evenly_and_is_the_same_everywhere() -> None:
    ring = Ring(tuple(f"p{n}/m" for n in range(10)))
    counts = Counter(ring.order(f"k{n}")[0] for n in range(5_000))
    assert min(counts.values()) > 300
    assert max(counts.values()) < 750
    assert [Ring(("a/x", "b/y", "c/z")).order(k) for k in ("k1", "k2", "k3")] == [
        Ring(("a/x", "b/y", "c/z")).order(k) for k in ("k1", "k2", "k3")
    ]


def test_a_long_ring_still_orders_everyone_once() -> None:
    ring = Ring(tuple(f"p{n}/m" for n in range(100)))
    assert sorted(ring.order("some key \ud800")) == list(range(100))
    assert Ring(()).order("some key") == []


def test_rings_are_kept_for_their_members_and_bounded() -> None:
    kept = memory()
    made = fleet([deployment(f"p{n}/m") for n in range(6)])
    assert kept.ring(made.slate(0b111)) is kept.ring(made.slate(0b111))
    for mask in range(1, 64):
        kept.ring(made.slate(mask))
    assert len(kept.rings) <= 32


def test_a_preferred_provider_decides_among_near_equals_and_no_more() -> None:
    each = [
        deployment("a/m", quality={"default": Quality(0.80, 0.01)}),
        deployment("b/m", quality={"default": Quality(0.79, 0.01)}),
        deployment("c/m", quality={"default": Quality(0.78, 0.01)}),
        deployment("d/m", quality={"default": Quality(0.10, 0.01)}),
    ]
    made = fleet(each)

    def order(*preference: str) -> list[str]:
        limits = Constraints(provider_preference=preference)
        return [made.ids[i] for i in run(made, "auto", constraints=limits).order]

    assert order() == ["a/m", "b/m", "c/m", "d/m"]
    assert order("c", "b") == ["c/m", "b/m", "a/m", "d/m"]
    assert order("d") == ["a/m", "b/m", "c/m", "d/m"]


def test_a_preferred_provider_that_there_is_not_is_passed_over_and_named() -> None:
    made = run(market(), "cheap/c", constraints=Constraints(provider_preference=("good", "gone")))
    assert made.strangers == ("gone",)
    assert run(market(), "cheap/c").strangers == ()


def test_scores_stand_in_descending_order() -> None:
    candidates = run(market(), "quality_first").decision.candidates
    assert all(one.score >= two.score for one, two in pairwise(candidates))
