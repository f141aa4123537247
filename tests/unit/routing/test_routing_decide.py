"""The decision as a whole: what it records, what it skips, how it explains itself."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from routing_world import NOON_MS, call, deployment, fleet, glance, key, live, memory, route

from federation.domain.catalogue import Ability, Price, Quality, Rates
from federation.domain.routes import Deadlines, Settings
from federation.routing.decide import RECORDED, decide
from federation.routing.explain import explain
from federation.routing.intents import Intent
from federation.routing.request import Memory, RoutingRequest, Verdict, expected_input
from federation.schema.glance import Constraints, Glance

PRICED = Price(Rates(0, 1_000_000))
"""A nano-dollar for each token of the answer."""


def never(_text: str = "") -> Intent:
    raise AssertionError("the prompt was read although nothing needed it")


def unread() -> str:
    raise AssertionError("the prompt was read although nothing needed it")


def told_of(verdict: Verdict, intent: Intent | None = None) -> dict[str, Any]:
    return explain(verdict, memory(intent).classify)


@pytest.mark.parametrize(
    "strategy", ["priority", "round_robin", "weighted_random", "least_latency", "consistent_hash"]
)
def test_a_route_that_needs_no_scores_neither_reads_nor_scores(strategy: str) -> None:
    made = fleet([deployment("a/x"), deployment("b/y")], [route("r", strategy, "a/x", "b/y")])
    request = RoutingRequest(glance("r"), unread, 100.0, NOON_MS)
    verdict = decide(made, live(made), request, Random(1), Memory(never))
    assert len(verdict.order) == 2
    assert verdict.decision.features.intent == "unknown"
    assert all(candidate.score == 0.0 for candidate in verdict.decision.candidates)
    assert verdict.cost_nano is not None
    assert verdict.latency_ms > 0


def test_a_single_candidate_is_not_scored() -> None:
    made = fleet([deployment("a/x"), deployment("b/y")])
    request = RoutingRequest(glance("a/x"), unread, 100.0, NOON_MS)
    verdict = decide(made, live(made), request, Random(1), Memory(never))
    assert [c.deployment for c in verdict.decision.candidates] == ["a/x"]
    assert verdict.decision.candidates[0].probability == 1.0


def test_the_record_holds_what_replay_needs() -> None:
    each = [deployment(f"p{n}/m", quality={"default": Quality(n / 40, 0.05)}) for n in range(30)]
    made = fleet([*each, deployment("off/m", usable=False)])
    intent = Intent("code_debugging", 0.8, 0.6)
    request = call(
        "auto",
        text_bytes=4_000,
        messages=2,
        tools=1,
        needs=("tools",),
        constraints=Constraints(max_cost=5.0, max_latency_ms=60_000.0),
    )
    verdict = decide(made, live(made), request, Random(1), memory(intent))
    decision = verdict.decision
    assert decision.requested == "auto"
    assert (decision.strategy, decision.snapshot, decision.eligible) == ("quality_first", 7, 30)
    assert decision.removed == {"credential": 1}
    assert len(decision.candidates) == RECORDED
    assert decision.candidates[0].deployment == "p29/m"
    assert decision.candidates[0].probability == 1.0
    assert decision.candidates[1].probability == 0.0
    assert decision.features.intent == "code_debugging"
    assert isinstance(request.glance, Glance)
    assert decision.features.input_tokens == expected_input(request.glance)
    assert decision.features.output_tokens > 100
    assert decision.weights == (0.5, 0.3, 0.1, 0.1)
    assert verdict.router_chose
    assert verdict.target.deadlines == Deadlines()
    assert msgspec.json.decode(msgspec.json.encode(decision), type=type(decision)) == decision


def test_several_choices_cost_their_multiple() -> None:
    made = fleet([deployment("a/x", price=PRICED)])
    once = decide(made, live(made), call("a/x", max_output=100), Random(1), memory())
    thrice = decide(made, live(made), call("a/x", max_output=100, choices=3), Random(1), memory())
    assert (once.cost_nano, thrice.cost_nano) == (100, 300)


def test_the_limit_that_calls_get_by_default_bounds_what_is_predicted() -> None:
    rows, settings = [deployment("a/x", price=PRICED)], Settings(max_tokens_default=50)
    made = fleet(rows, settings=settings)
    usual = decide(made, live(made), call("a/x"), Random(1), memory())
    own = decide(made, live(made), call("a/x", max_output=100), Random(1), memory())
    assert (usual.cost_nano, own.cost_nano) == (50, 100)


def test_an_unknown_price_is_none_and_not_zero() -> None:
    made = fleet([deployment("a/x", price=Price())])
    verdict = decide(made, live(made), call("a/x"), Random(1), memory())
    assert verdict.cost_nano is None
    assert told_of(verdict)["estimated_cost"] is None


def test_a_latency_limit_removes_the_slow_and_is_counted() -> None:
    made = fleet([deployment("a/x"), deployment("b/y")])
    seen = live(made, first_token_ms=[100.0, 90_000.0])
    request = call("auto", constraints=Constraints(max_latency_ms=20_000.0))
    verdict = decide(made, seen, request, Random(1), memory())
    assert verdict.order == [0]
    assert verdict.decision.removed == {"max_latency": 1}


def test_a_limit_that_all_satisfy_changes_nothing() -> None:
    made = fleet([deployment("a/x"), deployment("b/y")])
    request = call("auto", constraints=Constraints(max_cost=100.0))
    verdict = decide(made, live(made), request, Random(1), memory())
    assert len(verdict.order) == 2
    assert verdict.decision.removed == {}


def test_an_explanation_says_why_somebody_better_stands_behind() -> None:
    each = [
        deployment("a/x", quality={"default": Quality(0.9, 0.02)}),
        deployment("b/y", quality={"default": Quality(0.6, 0.02)}),
    ]
    made = fleet(each)
    for until, end in ((200.0, ", which is cooling down."), (0.0, ".")):
        seen = live(made, down_until=[until, 0.0])
        verdict = decide(
            made, seen, call("auto", key=key()), Random(1), memory(Intent("planning", 0.75, 0.4))
        )
        second = told_of(verdict)["candidates"][1]
        said = f"next is {second['deployment']} with {second['score']:.3f}{end}"
        assert said in told_of(verdict)["reasoning"]


def test_an_explanation_names_everyone_with_scores_or_the_rule() -> None:
    each = [
        deployment("a/x", quality={"default": Quality(0.9, 0.02)}),
        deployment("b/y", quality={"default": Quality(0.6, 0.02)}),
        deployment("c/z", usable=False),
        deployment("d/w", abilities=frozenset({Ability.REASONING})),
    ]
    made = fleet(each)
    seen = live(made, down_until=[0.0, 200.0, 0.0, 0.0])
    verdict = decide(
        made,
        seen,
        call("auto", needs=("tools",), key=key()),
        Random(1),
        memory(Intent("planning", 0.75, 0.4)),
    )
    told = msgspec.json.decode(msgspec.json.encode(told_of(verdict)))
    assert (told["provider"], told["model"], told["deployment"]) == ("a", "x", "a/x")
    assert [row["deployment"] for row in told["candidates"]] == ["a/x", "b/y"]
    assert told["candidates"][1]["cooling_down"]
    assert set(told["candidates"][0]["scores"]) == {"quality", "speed", "cost", "reliability"}
    assert told["removed"] == {"c/z": "credential", "d/w": "ability:tools"}
    assert told["removed_by_rule"] == {"credential": 1, "ability:tools": 1}
    assert told["confidence"] == 0.75
    assert told["intent"]["name"] == "planning"
    assert told["snapshot"] == 7
    assert told["estimated_cost"] > 0
    assert told["estimated_latency_ms"] > 0
    assert "planning" in told["reasoning"]
    assert "1 by credential" in told["reasoning"]


@pytest.mark.parametrize(
    ("nano", "shown"),
    [(1, b"0.000000001"), (1_234_567_890, b"1.23456789"), (5 * 10**10, b"50")],
)
def test_an_estimated_cost_is_told_to_the_nano_dollar(nano: int, shown: bytes) -> None:
    made = fleet([deployment("a/x", price=Price(Rates(0, nano * 1_000_000)))])
    verdict = decide(made, live(made), call("a/x", max_output=1), Random(1), memory())
    assert verdict.cost_nano == nano
    assert b'"estimated_cost":' + shown + b"," in msgspec.json.encode(told_of(verdict))


def test_an_explanation_of_an_order_without_scores_tells_them_and_what_decided() -> None:
    each = [
        deployment("a/x", quality={"default": Quality(0.9, 0.02)}),
        deployment("b/y", quality={"default": Quality(0.6, 0.02)}),
    ]
    made = fleet(each, [route("r", "priority", "b/y", "a/x")])
    verdict = decide(made, live(made), call("r"), Random(1), memory())
    told = told_of(verdict, Intent("planning", 0.75, 0.4))
    assert told["confidence"] == 1.0
    assert told["intent"] == {
        "name": "planning",
        "confidence": 0.75,
        "difficulty": 0.4,
        "classified": False,
    }
    assert "priority put b/y first of 2" in told["reasoning"]
    first, second = told["candidates"]
    assert (first["deployment"], second["deployment"]) == ("b/y", "a/x")
    assert second["scores"]["quality"] > first["scores"]["quality"] > 0
    assert second["score"] > first["score"] > 0
    assert verdict.decision.ranked is not None
    assert verdict.decision.ranked.score == []


def test_an_explanation_of_the_only_candidate_tells_its_scores() -> None:
    made = fleet([deployment("a/x"), deployment("b/y")])
    alone = told_of(decide(made, live(made), call("a/x"), Random(1), memory()))
    assert "only deployment" in alone["reasoning"]
    assert set(alone["candidates"][0]["scores"]) == {"quality", "speed", "cost", "reliability"}


def test_an_explanation_of_a_long_chain_covers_more_than_the_record() -> None:
    made = fleet([deployment(f"p{n}/m") for n in range(40)])
    told = told_of(decide(made, live(made), call("auto"), Random(1), memory()))
    assert len(told["candidates"]) == 40
