"""Operations other than chat: who may serve them, at what price, and whose vectors fit."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from routing_world import NOON_MS, TODAY, deployment, fleet, key, live, route

from federation.domain.catalogue import Ability, Deployment, Price, Rates
from federation.domain.routes import Route, Settings
from federation.errors import InvalidRequest, NotEligible
from federation.routing.decide import decide
from federation.routing.fleet import Fleet
from federation.routing.operations import admit_passage
from federation.routing.request import Memory, RoutingRequest, Verdict
from federation.schema.glance import Ask, Constraints
from federation.schema.operations import EMBEDDINGS, IMAGE, SPEECH, TRANSCRIPTION, OperationGlance
from federation.schema.usage import Usage

DIALECTS = frozenset({"openai", "voyage"})
TEXT = Usage(input=1_000, estimated=True)


def unread(_: str) -> Any:
    raise AssertionError("nothing is classified here")


def embedder(name: str, family: str = "e", dimensions: int | None = 8, **facts: Any) -> Deployment:
    known: dict[str, Any] = {
        "operations": (EMBEDDINGS,),
        "family": family,
        "dimensions": dimensions,
        "abilities": frozenset(),
        "price": Price(Rates(input=100_000_000)),
        "context": 512,
    }
    return deployment(name, **(known | facts))


def offering(
    deployments: Iterable[Deployment],
    routes: Iterable[Route] = (),
    operation: str = EMBEDDINGS,
    **facts: Any,
) -> Fleet:
    return fleet(deployments, routes, **facts).offering(operation, DIALECTS, TODAY)


def ask(
    made: Fleet,
    model: str | None,
    usage: Usage = TEXT,
    *,
    holder: Any = None,
    strategy: str | None = None,
    constraints: Constraints | None = None,
    seen: Any = None,
    **facts: Any,
) -> Verdict:
    glance = OperationGlance(
        made.operation,
        "openai",
        model,
        Ask(strategy=strategy, constraints=constraints or Constraints()),
        **facts,
    )
    request = RoutingRequest(glance, str, 100.0, NOON_MS, holder, usage=usage)
    return decide(made, seen or live(made), request, Random(1), Memory(unread))


def asked(made: Fleet, verdict: Verdict) -> list[str]:
    return [made.ids[index] for index in verdict.order]


def test_only_who_offers_the_operation_in_a_language_that_is_spoken_may_serve_it() -> None:
    made = offering(
        [
            deployment("acme/large"),
            embedder("acme/e"),
            embedder("voyage/e", p_dialect="voyage"),
            embedder("oracle/e", p_dialect="oci"),
        ],
        [route("r", "priority", "acme/large", "acme/e", "voyage/e", "oracle/e")],
    )
    verdict = ask(made, "r")
    assert asked(made, verdict) == ["acme/e", "voyage/e"]
    assert verdict.decision.removed == {"operation": 1, "dialect": 1}
    with pytest.raises(NotEligible) as caught:
        ask(made, "acme/large")
    assert caught.value.status == 400
    assert "does not offer this operation" in caught.value.message


def test_a_chat_still_finds_only_chats() -> None:
    made = fleet([deployment("acme/large"), embedder("acme/e")])
    assert [made.ids[i] for i in range(2) if made.resolve("auto").ready >> i & 1] == ["acme/large"]
    assert offering([embedder("acme/e")]).resolve("auto").ready == 1


def test_the_default_model_is_one_for_chats() -> None:
    made = offering([embedder("acme/e")], settings=Settings(default_model="acme/large"))
    assert asked(made, ask(made, None)) == ["acme/e"]


def test_the_expected_usage_is_priced_by_tokens_and_by_the_piece() -> None:
    pictures = Price(units={"image": 40_000_000})
    made = offering([deployment("acme/draw", operations=(IMAGE,), price=pictures)], (), IMAGE)
    drawn = Usage(input=12, units={"image": 3}, estimated=True)
    assert ask(made, "acme/draw", drawn).cost_nano == 120_000_000
    unknown = offering([deployment("acme/draw", operations=(IMAGE,), price=Price())], (), IMAGE)
    assert ask(unknown, "acme/draw", drawn).cost_nano is None
    by_token = offering([embedder("acme/e")])
    assert ask(by_token, "acme/e").cost_nano == 100_000


def test_a_limit_on_the_cost_removes_the_dear_and_the_unpriced() -> None:
    made = offering(
        [
            deployment("a/x", operations=(SPEECH,), price=Price(units={"character": 15_000})),
            deployment("b/x", operations=(SPEECH,), price=Price(units={"character": 80_000})),
            deployment("c/x", operations=(SPEECH,), price=Price()),
        ],
        [route("r", "priority", "c/x", "b/x", "a/x")],
        SPEECH,
    )
    spoken = Usage(units={"character": 1_000}, estimated=True)
    verdict = ask(made, "r", spoken, constraints=Constraints(max_cost=0.02))
    assert asked(made, verdict) == ["a/x"]
    assert verdict.decision.removed == {"max_cost": 2}


def test_price_and_speed_and_reliability_decide_among_those_who_can() -> None:
    made = offering(
        [
            deployment(
                "dear/x", operations=(TRANSCRIPTION,), price=Price(units={"second": 400_000})
            ),
            deployment(
                "fair/x", operations=(TRANSCRIPTION,), price=Price(units={"second": 10_000})
            ),
        ],
        (),
        TRANSCRIPTION,
    )
    heard = Usage(units={"second": 600}, estimated=True)
    assert asked(made, ask(made, "auto", heard, strategy="cost_optimized"))[0] == "fair/x"
    slow = live(made)
    slow.first_token_ms[1] = 60_000.0
    assert asked(made, ask(made, "auto", heard, strategy="speed", seen=slow))[0] == "dear/x"
    scores = ask(made, "auto", heard).decision.candidates
    assert all(0.0 < part < 1.0 for row in scores for part in (row.score, row.cost, row.speed))


def test_a_key_and_a_place_govern_as_for_a_chat() -> None:
    made = offering(
        [embedder("acme/e"), embedder("other/e", p_regions=("eu",))],
        [route("r", "priority", "acme/e", "other/e")],
    )
    assert asked(made, ask(made, "r", holder=key(providers=("other",)))) == ["other/e"]
    with pytest.raises(NotEligible) as caught:
        ask(made, "acme/e", holder=key(models=("other/e",)))
    assert caught.value.status == 403
    verdict = ask(made, "r", constraints=Constraints(data_residency=("eu",)))
    assert asked(made, verdict) == ["other/e"]


def test_pictures_need_a_model_that_reads_them() -> None:
    made = offering(
        [
            embedder("a/e", input_modalities=("text",), abilities=frozenset({Ability.TOOLS})),
            embedder("b/e", input_modalities=("text", "image")),
        ],
        [route("r", "priority", "a/e", "b/e")],
    )
    assert asked(made, ask(made, "r", needs=("image_input", "dimensions"))) == ["b/e"]


class TestVectors:
    def test_a_route_falls_back_to_the_same_model_and_dimensions_only(self) -> None:
        made = offering(
            [embedder("a/e"), embedder("b/e"), embedder("c/f", "f"), embedder("d/e", "e", 16)],
            [route("r", "priority", "a/e", "c/f", "d/e", "b/e")],
        )
        verdict = ask(made, "r")
        assert asked(made, verdict) == ["a/e", "b/e"]
        assert verdict.decision.removed == {"vectors": 2}

    @pytest.mark.parametrize("strategy", ["round_robin", "speed", "weighted_random"])
    def test_whatever_the_strategy_and_whoever_is_ill(self, strategy: str) -> None:
        made = offering(
            [embedder("a/e"), embedder("b/f", "f")], [route("r", strategy, "a/e", "b/f")]
        )
        ill = live(made)
        ill.down_until[0] = 1_000.0
        ill.first_token_ms[0] = 60_000.0
        assert {tuple(asked(made, ask(made, "r", seen=ill))) for _ in range(4)} == {("a/e",)}

    def test_a_route_whose_first_is_not_ready_does_not_change_its_vectors(self) -> None:
        made = offering(
            [embedder("a/e", usable=False), embedder("b/f", "f"), embedder("c/e")],
            [route("r", "priority", "a/e", "b/f", "c/e"), route("s", "priority", "a/e", "b/f")],
        )
        assert asked(made, ask(made, "r")) == ["c/e"]

    def test_dimensions_that_are_asked_for_make_them_equal(self) -> None:
        made = offering(
            [embedder("a/e", "e", None), embedder("b/e", "e", None), embedder("c/e", "e", 16)],
            [route("r", "priority", "a/e", "b/e", "c/e")],
        )
        assert asked(made, ask(made, "r")) == ["a/e"]
        assert asked(made, ask(made, "r", dimensions=8)) == ["a/e", "b/e", "c/e"]

    def test_nobody_is_chosen_for_a_caller_who_leaves_several_kinds_open(self) -> None:
        made = offering([embedder("a/e"), embedder("b/f", "f")])
        for name in (None, "auto"):
            with pytest.raises(InvalidRequest) as caught:
                ask(made, name)
            assert caught.value.code == "model_required"
            assert caught.value.param == "model"
            assert "a/e, b/f" in caught.value.message
        assert asked(made, ask(made, None, holder=key(providers=("b",)))) == ["b/f"]

    def test_one_kind_needs_no_name(self) -> None:
        made = offering([embedder("a/e"), embedder("b/e")])
        assert sorted(asked(made, ask(made, None))) == ["a/e", "b/e"]

    def test_a_plain_name_for_two_kinds_stands_for_the_first(self) -> None:
        made = offering([embedder("a/e"), embedder("b/e", "e", 16)])
        assert asked(made, ask(made, "e")) == ["a/e"]


class TestPassages:
    def test_a_provider_is_judged_by_its_place_its_evidence_and_the_price(self) -> None:
        made = fleet([deployment("acme/large", p_regions=("us",), p_certifications=frozenset())])
        judge(made, key())
        judge(made, key(), Constraints(data_residency=("us",), max_cost=0.01))
        for limits, rule in (
            (Constraints(data_residency=("eu",)), "residency"),
            (Constraints(hipaa_required=True), "certification:hipaa"),
            (Constraints(max_cost=0.0001), "max_cost"),
            (Constraints(max_latency_ms=100.0), "max_latency"),
        ):
            with pytest.raises(NotEligible) as caught:
                judge(made, key(), limits)
            assert caught.value.removed == {"acme": rule}

    def test_a_key_reaches_its_providers_and_models(self) -> None:
        made = fleet([deployment("acme/large"), deployment("acme/small"), deployment("b/x")])
        judge(made, key(providers=("acme",)))
        judge(made, key(models=("acme/large",)), model="large")
        for holder, model in (
            (key(providers=("b",)), None),
            (key(models=("acme/large",)), None),
            (key(models=("acme/large",)), "small"),
            (key(models=("b/x",)), "large"),
        ):
            with pytest.raises(NotEligible):
                judge(made, holder, model=model)


def judge(
    made: Fleet, holder: Any, constraints: Constraints | None = None, model: str | None = None
) -> None:
    asked_for = Ask(constraints=constraints or Constraints())
    glance = OperationGlance("passthrough", "openai", model, asked_for)
    admit_passage(made, made.of_providers(("acme",)), glance, holder, 1_000_000)
