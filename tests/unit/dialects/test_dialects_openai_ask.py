"""The `federation` object and its headers say the same things, and may not disagree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.errors import InvalidRequest
from federation.schema.glance import Ask, Constraints


def read(body: Any = None, **headers: str) -> Ask:
    raw = None if body is None else Raw(json.dumps(body).encode())
    names = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return read_ask(
        raw, {b"host": b"h", b"x-stainless-lang": b"python", b"x-request-id": b"1", **names}
    )


def test_nothing_is_asked_by_default() -> None:
    assert read() == Ask()
    assert read_ask(Raw(b"null"), {}) == Ask()


def test_the_object_and_the_headers_say_the_same() -> None:
    by_headers = read(
        x_federation_strategy="speed",
        x_federation_session="s",
        x_federation_user="u",
        x_federation_tags="team=red, cost center = 7",
        x_federation_metadata="yes",
        x_federation_max_cost="0.25",
        x_federation_max_latency_ms="900",
        x_federation_data_residency="eu, us",
        x_federation_gdpr_required="true",
        x_federation_soc2_required="1",
        x_federation_hipaa_required="false",
        x_federation_provider_preference="a,b",
    )
    body = {
        "strategy": "speed",
        "session": "s",
        "user": "u",
        "tags": {"team": "red", "cost center": "7"},
        "metadata": True,
        "constraints": {
            "max_cost": 0.25,
            "max_latency_ms": 900,
            "data_residency": ["eu", "us"],
            "gdpr_required": True,
            "soc2_required": True,
            "provider_preference": ["a", "b"],
        },
    }
    assert by_headers == read(body)
    assert read(body, x_federation_session="s", x_federation_max_cost="0.25") == by_headers


def test_the_older_header_names_mean_the_same() -> None:
    asked = read(x_routing_strategy="speed", x_max_budget="1")
    assert asked == Ask(strategy="speed", constraints=Constraints(max_cost=1.0))


def test_a_single_name_stands_for_a_list_of_one() -> None:
    asked = read(
        {"session": "s", "constraints": {"data_residency": "eu", "provider_preference": "a"}}
    )
    constraints = Constraints(data_residency=("eu",), provider_preference=("a",))
    assert asked == Ask(session="s", constraints=constraints)
    assert read({"constraints": {"data_residency": ""}}).constraints.data_residency == ("",)


def test_a_wish_for_a_cascade_is_a_wish_for_the_strategy() -> None:
    assert read(x_enable_cascade="true") == Ask(strategy="cascade")
    assert read(x_enable_cascade="false", x_routing_strategy="speed") == Ask(strategy="speed")
    with pytest.raises(InvalidRequest, match="given twice"):
        read(x_enable_cascade="true", x_routing_strategy="speed")
    with pytest.raises(InvalidRequest, match="must be true or false"):
        read(x_enable_cascade="perhaps")


def test_a_header_adds_to_what_the_body_says() -> None:
    asked = read(
        {"tags": {"a": "1"}, "constraints": {"gdpr_required": True}},
        x_federation_tags="b=2,a=1",
        x_federation_data_residency="eu",
    )
    assert asked.tags == {"a": "1", "b": "2"}
    assert asked.constraints == Constraints(gdpr_required=True, data_residency=("eu",))


@pytest.mark.parametrize(
    ("body", "headers", "param"),
    [
        ({"strategy": "cost_optimized"}, {"x_routing_strategy": "speed"}, "strategy"),
        ({"tags": {"a": "1"}}, {"x_federation_tags": "a=2"}, "tags"),
        (
            {"constraints": {"data_residency": ["us"]}},
            {"x_federation_data_residency": "eu"},
            "constraints.data_residency",
        ),
        (
            {"constraints": {"gdpr_required": True}},
            {"x_federation_gdpr_required": "no"},
            "constraints.gdpr_required",
        ),
        (None, {"x_federation_strategy": "a", "x_routing_strategy": "b"}, "strategy"),
    ],
)
def test_two_different_answers_to_one_question_are_refused(
    body: Any, headers: dict[str, str], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body, **headers)
    assert (caught.value.code, caught.value.param) == ("conflicting_ask", f"federation.{param}")


@pytest.mark.parametrize(
    ("body", "headers", "param"),
    [
        ({"constraints": {"max_cost": 0}}, {"x_max_budget": "5"}, "constraints.max_cost"),
        (
            {"constraints": {"max_latency_ms": 0}},
            {"x_federation_max_latency_ms": "900"},
            "constraints.max_latency_ms",
        ),
        ({"timeout_ms": 0}, {"x_timeout_ms": "900"}, "timeout_ms"),
        (
            {"constraints": {"data_residency": []}},
            {"x_federation_data_residency": "eu"},
            "constraints.data_residency",
        ),
    ],
)
def test_a_body_that_allows_nothing_has_spoken(
    body: Any, headers: dict[str, str], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body, **headers)
    assert (caught.value.code, caught.value.param) == ("conflicting_ask", f"federation.{param}")


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"x_federation_data_residence": "eu"}, "Did you mean x-federation-data-residency?"),
        ({"x_federation_zzzzzzz": "eu"}, "x-federation-zzzzzzz is not known."),
        ({"x_federation_metadata": "maybe"}, "must be true or false"),
        ({"x_federation_max_cost": "cheap"}, "must be a number"),
        ({"x_federation_tags": "a"}, "name=value"),
        ({"x_federation_tags": "a=1,a=2"}, "each name once"),
        ({"x_federation_max_cost": "nan"}, "must be a number"),
        ({"x_federation_max_cost": "-1"}, "not negative"),
        ({"x_federation_max_latency_ms": "inf"}, "must be a number"),
        ({"x_federation_session": "x" * 257}, "longer than 256"),
        ({"x_federation_tags": "a=" + "x" * 257}, "longer than 256"),
        ({"x_federation_tags": ",".join(f"t{i}=1" for i in range(51))}, "more than 50"),
    ],
)
def test_a_header_that_cannot_be_meant_is_refused(headers: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**headers)
    assert says in caught.value.message


def test_a_header_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        read_ask(None, {b"x-federation-user": b"\xff"})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], "federation"),
        ({"strategi": "x"}, "federation.strategi"),
        ({"tags": {"a": 1}}, "federation.tags[...]"),
        ({"tags": []}, "federation.tags"),
        ({"constraints": {"max_cost": "x"}}, "federation.constraints.max_cost"),
        ({"constraints": {"hippa_required": True}}, "federation.constraints.hippa_required"),
        ({"constraints": {"max_cost": -1}}, "federation.constraints.max_cost"),
        ({"session": "x" * 300}, "federation.session"),
    ],
)
def test_a_wrong_object_is_refused_by_path(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(body)
    assert caught.value.param == param


def test_privacy_and_classes_of_data_are_asked_for_in_the_body_or_in_headers() -> None:
    by_headers = read(x_federation_privacy="internal", x_federation_data_classes="pii, x-secret")
    assert by_headers == read({"privacy": "internal", "data_classes": ["pii", "x-secret"]})
    assert read().data_classes is None
    assert read({"data_classes": []}).data_classes == ()
    assert read(x_federation_data_classes="none") == read({"data_classes": []})


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"privacy": "Internal"}, {}),
        ({"privacy": ""}, {}),
        ({"data_classes": ["PII"]}, {}),
        ({"data_classes": ["pi"]}, {}),
        ({"data_classes": [f"x-{n}" for n in range(51)]}, {}),
        ({"data_classes": ["x-" + "a" * 300]}, {}),
        ({}, {"x_federation_data_classes": " , "}),
        ({}, {"x_federation_data_classes": "none, pii"}),
        ({"data_classes": ["none"]}, {}),
        ({"data_classes": ["pii"]}, {"x_federation_data_classes": "none"}),
        ({}, {"x_federation_privacy": "secret"}),
        ({"data_classes": []}, {"x_federation_data_classes": "pii"}),
        ({"data_classes": ["pii"]}, {"x_federation_data_classes": "phi"}),
        ({"privacy": "public"}, {"x_federation_privacy": "internal"}),
    ],
)
def test_what_would_protect_nobody_is_refused(body: Any, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        read(body, **headers)
