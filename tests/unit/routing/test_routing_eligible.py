"""Eligibility: every rule against a plain evaluator that looks at one deployment at a time."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_world import call, deployment, fleet, glance, key, live, memory, route

from federation.domain.access import VirtualKey
from federation.domain.catalogue import Ability, DataUse, Deployment, Price, Rates
from federation.errors import NotEligible
from federation.routing.decide import decide
from federation.routing.eligible import ASSUMED_CONTEXT, call_rules, cost_cap, eligible, removed_by
from federation.routing.fleet import Fleet
from federation.routing.masks import indexes_of
from federation.schema.glance import Constraints, Glance

_EU = {"eu", "de", "fr"}


def may_serve(each: Deployment, asked: Glance, holder: VirtualKey | None, *, named: bool) -> bool:
    """The rules, one by one, in the words of the specification."""
    return (
        can_be_asked(each)
        and (named or is_known(each))
        and is_within_reach(each, asked, holder)
        and (is_silent(each, named=named) or is_able(each, asked, named=named))
        and is_large_enough(each, asked, named=named)
        and is_allowed(each, asked.ask.constraints)
    )


def can_be_asked(each: Deployment) -> bool:
    return (
        each.usable
        and each.enabled
        and each.provider.enabled
        and each.provider.dialect == "openai"
        and "chat" in each.model.operations
        and (each.model.retires or "9999") >= "2026-11-21"
    )


def is_known(each: Deployment) -> bool:
    provider = each.provider
    on_purpose = provider.local or provider.simulated or not provider.sources
    return on_purpose or (bool(provider.regions) and provider.data_use is not DataUse.UNKNOWN)


def is_within_reach(each: Deployment, asked: Glance, holder: VirtualKey | None) -> bool:
    if holder is None:
        return True
    names = {each.id, each.model.id, asked.model or "auto"}
    return (not holder.models or bool(names & set(holder.models))) and (
        not holder.providers or each.provider.id in holder.providers
    )


def is_silent(each: Deployment, *, named: bool) -> bool:
    return named and not each.model.abilities and each.model.input_modalities == ("text",)


def is_able(each: Deployment, asked: Glance, *, named: bool) -> bool:
    reads = set(each.model.input_modalities)
    wishes = {"prefill"} if named else set()
    return (
        set(asked.needs) - wishes <= {ability.value for ability in each.model.abilities}
        and (not asked.images or "image" in reads)
        and (not asked.files or bool({"pdf", "file", "document"} & reads))
        and (not asked.audio or "audio" in reads)
    )


def is_large_enough(each: Deployment, asked: Glance, *, named: bool) -> bool:
    model, read, written = each.model, asked.text_bytes // 5, asked.max_output or 0
    if model.max_output is not None and written > model.max_output:
        return False
    if model.context is None:
        return named or read + written <= ASSUMED_CONTEXT
    return read + written <= model.context and read <= (model.max_input or model.context)


def is_allowed(each: Deployment, limits: Constraints) -> bool:
    provider = each.provider
    places = set(provider.regions) or ({"local"} if provider.local else set())
    asked = limits.data_residency or ()
    allowed = set(asked) | (_EU if "eu" in asked else set())
    wanted = {
        "gdpr": limits.gdpr_required,
        "soc2": limits.soc2_required,
        "hipaa": limits.hipaa_required,
    }
    resident = limits.data_residency is None or (bool(places) and places <= allowed)
    return resident and {name for name, wants in wanted.items() if wants} <= provider.certifications


regions = st.lists(
    st.sampled_from(["us", "eu", "de", "fr", "uk", "cn", "local"]), max_size=2, unique=True
)
deployments = st.builds(
    lambda number, m, p, usable, enabled: deployment(
        f"p{number % 4}/m{number}",
        usable=usable,
        enabled=enabled,
        **m,
        **{f"p_{name}": value for name, value in p.items()},
    ),
    st.integers(0, 30),
    st.fixed_dictionaries(
        {
            "abilities": st.frozensets(st.sampled_from(list(Ability)), max_size=4),
            "input_modalities": st.sampled_from(
                [("text",), ("text", "image"), ("text", "pdf", "audio")]
            ),
            "context": st.sampled_from([None, 4_000, 32_000]),
            "max_input": st.sampled_from([None, 3_000, 64_000]),
            "max_output": st.sampled_from([None, 1_000, 8_000]),
            "operations": st.sampled_from([("chat",), ("chat", "embeddings"), ("embeddings",)]),
            "retires": st.sampled_from([None, "2026-01-01", "2027-01-01"]),
            "maker": st.just(True),
        }
    ),
    st.fixed_dictionaries(
        {
            "regions": regions.map(tuple),
            "certifications": st.frozensets(st.sampled_from(["gdpr", "soc2", "hipaa"])),
            "data_use": st.sampled_from(list(DataUse)),
            "local": st.booleans(),
            "sources": st.sampled_from([(), ("docs",)]),
            "dialect": st.sampled_from(["openai", "openai", "klingon"]),
            "enabled": st.sampled_from([True, True, False]),
        }
    ),
    st.sampled_from([True, True, False]),
    st.sampled_from([True, True, False]),
)
fleets = st.lists(deployments, min_size=1, max_size=12, unique_by=lambda each: each.id)
calls = st.builds(
    lambda facts, limits: glance(constraints=Constraints(**limits), **facts),
    st.fixed_dictionaries(
        {
            "needs": st.lists(
                st.sampled_from(["tools", "json_schema", "reasoning", "telepathy", "prefill"]),
                max_size=2,
                unique=True,
            ).map(tuple),
            "images": st.integers(0, 1),
            "audio": st.sampled_from([0, 0, 1]),
            "files": st.sampled_from([0, 0, 1]),
            "text_bytes": st.sampled_from([10, 14_000, 19_000, 50_000, 400_000]),
            "max_output": st.sampled_from([None, 500, 3_000, 9_000]),
        }
    ),
    st.fixed_dictionaries(
        {
            "data_residency": st.sampled_from([(), ("eu",), ("us", "eu"), ("de",), ("local",)]),
            "gdpr_required": st.booleans(),
            "soc2_required": st.booleans(),
            "hipaa_required": st.booleans(),
        }
    ),
)
keys = st.sampled_from(
    [
        None,
        key(),
        key(models=("m1", "p2/m2")),
        key(models=("every", "m3")),
        key(models=("auto",)),
        key(providers=("p0", "p1")),
    ]
)


@settings(deadline=None, max_examples=200)
@given(fleets, calls, keys, st.booleans())
def test_eligible_admits_exactly_what_every_rule_allows(
    each: list[Deployment], asked: Glance, holder: VirtualKey | None, named: bool
) -> None:
    made = fleet(each, [route("every", "priority", *[one.id for one in each])])
    name = "every" if named else "auto"
    asked = glance(name, **{f: getattr(asked, f) for f in asked.__struct_fields__ if f != "model"})
    target = made.resolve(name)
    rules = call_rules(made, target, asked, holder)
    mask, removed = eligible(target, rules)
    allowed = {one.id for one in each if may_serve(one, asked, holder, named=named)}
    assert set(made.slate(mask).ids) == allowed
    assert sum(removed.values()) == len(each) - len(allowed)
    assert set(removed_by(made, target, rules)) == {one.id for one in each} - allowed


def refused(made: Fleet, requested: str = "auto", **facts: Any) -> NotEligible:
    with pytest.raises(NotEligible) as caught:
        decide(made, live(made), call(requested, **facts), Random(1), memory())
    return caught.value


@pytest.mark.parametrize(
    ("facts", "status", "rule"),
    [
        ({"needs": ("json_schema",)}, 400, "ability:json_schema"),
        ({"images": 1}, 400, "modality:image"),
        ({"files": 1}, 400, "modality:file"),
        ({"audio": 2}, 400, "modality:audio"),
        ({"text_bytes": 5_000_000}, 400, "context"),
        ({"max_output": 100_000}, 400, "max_output"),
        ({"constraints": Constraints(data_residency=("eu",))}, 403, "residency"),
        ({"constraints": Constraints(data_residency=())}, 403, "residency"),
        ({"constraints": Constraints(gdpr_required=True)}, 403, "certification:gdpr"),
        ({"constraints": Constraints(soc2_required=True)}, 403, "certification:soc2"),
        ({"constraints": Constraints(hipaa_required=True)}, 403, "certification:hipaa"),
        ({"constraints": Constraints(max_cost=0.0)}, 403, "max_cost"),
        ({"constraints": Constraints(max_latency_ms=1.0)}, 403, "max_latency"),
        ({"key": key(models=("other",))}, 403, "key_models"),
        ({"key": key(providers=("other",))}, 403, "key_providers"),
        ({"key": replace(key(), most_providers=0)}, 403, "tier_providers"),
    ],
)
def test_a_refusal_names_the_rule_and_has_the_status_of_its_kind(
    facts: dict[str, Any], status: int, rule: str
) -> None:
    error = refused(fleet([deployment("acme/large")]), **facts)
    assert error.status == status
    assert error.removed == {"acme/large": rule}
    assert rule in error.message
    assert "acme/large" in error.message


def test_a_tier_leaves_the_first_providers_that_can_be_asked() -> None:
    rows = [
        deployment("one/a", usable=False),
        deployment("two/a"),
        deployment("two/b"),
        deployment("three/a", enabled=False),
        deployment("four/a"),
        deployment("five/a"),
    ]
    known = fleet(rows)
    named = [known.ids[n] for n in indexes_of(known.first(2))]
    assert named == ["two/a", "two/b", "four/a"]
    assert known.first(9) == known.first(3), "there are no more"
    assert known.first(0) == 0


@pytest.mark.parametrize(
    ("facts", "status", "rule"),
    [
        ({"usable": False}, 403, "credential"),
        ({"enabled": False}, 403, "disabled"),
        ({"p_dialect": "klingon"}, 404, "dialect"),
        ({"retires": "2020-01-01"}, 404, "retired"),
    ],
)
def test_deployments_that_nobody_can_ask_are_nothing_to_try_again(
    facts: dict[str, Any], status: int, rule: str
) -> None:
    error = refused(fleet([deployment("acme/large", **facts)]), "acme/large")
    assert (error.status, error.removed) == (status, {"acme/large": rule})


def test_unknown_facts_under_auto_are_a_governing_refusal() -> None:
    error = refused(fleet([deployment("acme/large", p_regions=())]))
    assert (error.status, error.removed) == (403, {"acme/large": "data_unknown"})
    assert "auto.unknown" in error.message, "as federation.yaml has it"


def test_a_key_without_reach_is_told_so_before_anything_about_the_deployment() -> None:
    made = fleet([deployment("acme/large", usable=False)])
    assert refused(made, "acme/large", key=key(models=("x",))).status == 403


def test_a_route_to_nowhere_is_a_404_that_says_so() -> None:
    error = refused(fleet([deployment("acme/large")], [route("r", "speed", "gone/1")]), "r")
    assert error.status == 404
    assert "no deployment behind" in error.message


def test_a_refusal_names_those_first_who_lack_least() -> None:
    made = fleet(
        [
            deployment("a/never", operations=("embeddings",)),
            deployment("b/off", enabled=False),
            deployment("c/keyless", usable=False),
        ]
    )
    error = refused(made)
    assert list(error.removed) == ["c/keyless", "b/off", "a/never"]
    assert error.message.index("c/keyless") < error.message.index("b/off")
    assert error.message.index("b/off") < error.message.index("a/never")


def test_a_refusal_of_hundreds_is_grouped_and_bounded() -> None:
    made = fleet([deployment(f"p{n}/m{n}", usable=n % 2 == 0) for n in range(300)])
    error = refused(made, images=1)
    assert len(error.removed) == 100
    assert "150 others cannot be asked at all" in error.message
    assert "and 145 more (modality:image" in error.message
    assert len(error.message) < 1000


def test_an_unknown_price_is_over_any_limit() -> None:
    cheap = deployment("a/cheap", price=Price(Rates(input=1, output=1)))
    unknown = deployment("b/unknown", price=Price(Rates(input=1)))
    made = fleet([cheap, unknown])
    verdict = decide(
        made, live(made), call(constraints=Constraints(max_cost=1.0)), Random(1), memory()
    )
    assert [made.ids[index] for index in verdict.order] == ["a/cheap"]
    assert verdict.decision.removed == {"max_cost": 1}


def test_a_key_may_use_a_route_without_naming_what_stands_behind_it() -> None:
    made = fleet([deployment("a/x"), deployment("b/y")], [route("r", "priority", "a/x", "b/y")])
    verdict = decide(made, live(made), call("r", key=key(models=("r",))), Random(1), memory())
    assert len(verdict.order) == 2
    assert refused(made, "a/x", key=key(models=("r",))).status == 403


def test_residency_wants_every_place_of_a_provider_to_be_allowed() -> None:
    made = fleet(
        [
            deployment("both/x", p_regions=("eu", "us")),
            deployment("berlin/x", p_regions=("de",)),
            deployment("caps/x", p_regions=("DE",)),
            deployment("odd/x", p_regions=("mars",)),
            deployment("box/x", p_regions=(), p_local=True),
            deployment("hk/x", p_regions=("hk",)),
        ]
    )

    def resident(*places: str) -> set[str]:
        return set(made.slate(made.resident_in(places)).ids)

    assert resident("eu") == {"berlin/x"}
    assert resident("eu", "us") == {"both/x", "berlin/x"}
    assert resident("DE", "local") == {"berlin/x", "box/x"}
    assert resident("apac") == set()
    assert resident("cn") == {"hk/x"}
    assert resident("mars") == set()
    assert resident("other", "unknown") == set()


def test_memos_stay_bounded_whatever_clients_ask() -> None:
    made = fleet([deployment(f"a/x{number}") for number in range(11)])
    for number in range(2_000):
        made.resident_in((f"place-{number}",))
        made.named((f"model-{number}",))
    for number in range(1_200):
        made.slate(number)
    for _ in range(2):
        assert made.resident_in(("us",)) == made.everything
        assert made.named(("a/x3",)) == 1 << 3
    assert max(len(made._resident), len(made._allowed), len(made._slates)) <= 512


def test_a_model_silent_about_itself_is_tried_when_named_and_not_under_auto() -> None:
    made = fleet([deployment("mine/x", abilities=frozenset(), context=None, p_sources=())])
    asked: dict[str, Any] = {"needs": ("tools",), "images": 1, "text_bytes": 200_000}
    verdict = decide(made, live(made), call("mine/x", **asked), Random(1), memory())
    assert verdict.order == [0]
    assert refused(made, "auto", **asked).status == 400
    assert refused(made, "auto", text_bytes=200_000).removed == {"mine/x": "context"}


def test_governing_rules_are_never_taken_on_trust_even_when_named() -> None:
    made = fleet([deployment("mine/x", abilities=frozenset(), p_sources=(), p_regions=())])
    for limits in (Constraints(data_residency=("us",)), Constraints(gdpr_required=True)):
        assert refused(made, "mine/x", constraints=limits).status == 403


def test_a_disabled_provider_is_out_even_when_its_model_is_named() -> None:
    off = deployment("acme/large")
    off = replace(off, provider=replace(off.provider, enabled=False))
    assert refused(fleet([off]), "acme/large").status == 403


def test_the_rules_of_policies_are_the_first_to_remove() -> None:
    made = fleet([deployment("a/x"), deployment("b/y"), deployment("c/z", usable=False)])
    request = call(images=1)
    request.policy = (("policy:data_residency", 0b100),)
    with pytest.raises(NotEligible) as caught:
        decide(made, live(made), request, Random(1), memory())
    assert caught.value.status == 403
    assert caught.value.removed["b/y"] == "policy:data_residency"
    said = "a/x, b/y (policy:data_residency: is kept out by a policy)"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("asked", "demanded", "rule"),
    [
        (None, 5, "policy:max_cost"),
        (1.0, 5, "policy:max_cost"),
        (0.000_000_001, 5, "max_cost"),
        (0.000_000_005, 5, "max_cost"),
        (0.5, None, "max_cost"),
        (None, None, None),
    ],
)
def test_the_lower_cap_is_the_one_that_counts(
    asked: float | None, demanded: int | None, rule: str | None
) -> None:
    cap = cost_cap(Constraints(max_cost=asked), demanded)
    assert (None if cap is None else cap[0]) == rule


@pytest.mark.parametrize(
    ("asked", "nano"), [(0.000_13, 130_000), (0.57, 570_000_000), (1e300, 10**309), (0.0, 0)]
)
def test_a_cap_is_the_amount_that_was_written_and_not_what_a_float_makes_of_it(
    asked: float, nano: int
) -> None:
    assert cost_cap(Constraints(max_cost=asked), None) == ("max_cost", nano)
