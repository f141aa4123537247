"""What is kept of the rules of calls: never anybody else's."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import call, deployment, fleet, key, live, memory, route

from federation.domain.catalogue import Ability
from federation.errors import NotEligible
from federation.routing.decide import decide
from federation.routing.explain import explain
from federation.routing.fleet import Fleet
from federation.routing.request import RoutingRequest
from federation.schema.glance import Constraints


def made() -> Fleet:
    tools = frozenset((Ability.TOOLS,))
    return fleet(
        [
            deployment("a/x", context=8_000, max_output=500, p_regions=("eu",), abilities=tools),
            deployment(
                "b/y",
                context=64_000,
                abilities=frozenset(),
                p_regions=("us",),
                p_certifications=("gdpr",),
            ),
            deployment("c/z", context=None, input_modalities=("text", "image"), abilities=tools),
            deployment("d/w", usable=False),
        ],
        [
            route("first", "priority", "c/z", "a/x", "b/y", "d/w"),
            route("turns", "round_robin", "a/x", "b/y", "c/z"),
            route("scored", "quality_first", "a/x", "b/y", "c/z"),
        ],
    )


CALLS = st.fixed_dictionaries(
    {"requested": st.sampled_from(["first", "turns", "scored", "a/x", "auto"])},
    optional={
        "needs": st.sampled_from([("tools",), ("prefill",)]),
        "text_bytes": st.sampled_from([10, 50_000, 400_000]),
        "max_output": st.sampled_from([10, 1_000]),
        "images": st.just(1),
        "files": st.just(1),
        "strategy": st.sampled_from(["priority", "least_latency"]),
        "key": st.sampled_from(
            [key(), key(models=("first", "a/x")), key(providers=("b", "c")), key(models=("c/z",))]
        ),
        "constraints": st.sampled_from(
            [
                Constraints(data_residency=("eu",)),
                Constraints(gdpr_required=True),
                Constraints(max_cost=0.000001),
                Constraints(provider_preference=("b",)),
            ]
        ),
        "policy": st.sampled_from([(("policy:x", 0b0110),), (("policy:y", 0b0101),)]),
    },
)


def asked(facts: dict[str, Any]) -> RoutingRequest:
    facts = dict(facts)
    policy = facts.pop("policy", ())
    request = call(facts.pop("requested"), **facts)
    request.policy = policy
    return request


def outcome(of: Fleet, facts: dict[str, Any], down: int) -> object:
    columns = live(of, down_until=[200.0 if down >> index & 1 else 0.0 for index in range(4)])
    try:
        verdict = decide(of, columns, asked(facts), Random(3), memory())
    except NotEligible as error:
        return error.message, error.status, error.removed
    return verdict.order, verdict.decision, verdict.cost_nano, explain(verdict, memory().classify)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(CALLS, st.integers(0, 15)), min_size=2, max_size=8))
def test_a_decision_does_not_depend_on_the_calls_before(
    calls: list[tuple[dict[str, Any], int]],
) -> None:
    used = made()
    for facts, down in calls:
        assert outcome(used, facts, down) == outcome(made(), facts, down)


def test_the_limits_of_one_call_are_not_in_the_record_of_the_next() -> None:
    used = made()
    dear = {"requested": "first", "constraints": Constraints(max_latency_ms=1.0)}
    with pytest.raises(NotEligible):
        decide(used, live(used), asked(dear), Random(1), memory())
    verdict = decide(used, live(used), asked({"requested": "first"}), Random(1), memory())
    assert verdict.decision.removed == {"credential": 1}


def test_what_is_kept_is_bounded() -> None:
    used = made()
    for number in range(2_000):
        holder = key(models=("first", f"m-{number}"))
        decide(used, live(used), call("first", key=holder), Random(1), memory())
    assert len(used._outcomes) <= 512
