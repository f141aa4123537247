"""Every catalogue row of this language is usable as it stands, and each of its quirks counts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from anthropic_vendor import VendorRequests, make_request, make_upstream
from msgspec import structs

from federation.catalogue.reader import load
from federation.dialects.anthropic.client import CLIENT
from federation.dialects.anthropic.upstream import AnthropicUpstream, prepare
from federation.domain.catalogue import Ability, Deployment, Model, Provider
from federation.domain.routes import Settings
from federation.errors import InvalidRequest
from federation.schema.chat import (
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.parts import IMAGE, Media, Text

PLACEHOLDERS = ("location", "project", "resource", "account", "region")


def rows() -> list[Any]:
    found = []
    for provider in load().values():
        if provider.dialect == "anthropic":
            models = provider.models or (Model("any-model"),)
            found += [
                pytest.param(provider, model, id=f"{provider.id}/{model.id}") for model in models
            ]
    return found


def upstream_of(provider: Provider, model: Model) -> AnthropicUpstream:
    address = provider.base_url
    for name in PLACEHOLDERS:
        address = address.replace(f"{{{name}}}", "acme")
    row = replace(provider, base_url=address, models=())
    return prepare(Deployment(f"{provider.id}/{model.id}", row, model, usable=True), Settings())


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


ASK = ChatRequest(
    "openai",
    "any",
    (Message("system", (Text("Be brief."),)), Message("user", (Text("Hi"),))),
    tools=(Tool("look"),),
    sampling=Sampling(temperature=0.3, top_p=0.9),
    reasoning=Reasoning("high"),
)


@pytest.mark.parametrize(("provider", "model"), rows())
def test_a_call_is_written_as_the_row_demands(
    provider: Provider, model: Model, vendor: VendorRequests
) -> None:
    upstream = upstream_of(provider, model)
    quirks = {**provider.quirks, **model.quirks}
    encoded = upstream.encode(ASK)
    body = json.loads(encoded.request.body)
    vendor.check({"model": "x", **body})
    headers = dict(encoded.request.headers)
    if quirks.get("model_in_path"):
        assert "model" not in body
        assert body["anthropic_version"] == "vertex-2023-10-16"
        assert b"anthropic-version" not in headers
        assert model.id in encoded.request.target
    else:
        assert body["model"] == model.id
        assert headers[b"anthropic-version"] == b"2023-06-01"
        assert encoded.request.target.endswith("/messages")
    assert body["max_tokens"] == (model.max_output or 4096)
    if quirks.get("sampling") == "drop":
        assert not {"temperature", "top_p"} & set(body)
    control = quirks.get("reasoning_control")
    kind = body.get("thinking", {}).get("type")
    assert kind == {"adaptive": "adaptive", "budget": "enabled"}.get(str(control), kind)


@pytest.mark.parametrize(("provider", "model"), rows())
def test_a_call_is_forwarded_as_the_row_demands(provider: Provider, model: Model) -> None:
    upstream = upstream_of(provider, model)
    request = make_request(
        {
            "model": "any",
            "max_tokens": 9,
            "temperature": 0.5,
            "messages": [{"role": "user", "content": "x"}],
        }
    )
    seen = CLIENT.glance(request)
    sent = json.loads(upstream.forward(seen, request.body).body)
    dropped = {**provider.quirks, **model.quirks}.get("sampling") == "drop"
    assert ("temperature" in sent) != dropped
    assert ("temperature" in upstream.dropped_fields(seen)) == dropped
    count = upstream.encode_count(CLIENT.parse(request, seen)).request
    assert count.target.endswith(("/messages/count_tokens", "/models/count-tokens:rawPredict"))


@pytest.mark.parametrize(("provider", "model"), rows())
def test_abilities_of_a_row_decide(provider: Provider, model: Model) -> None:
    upstream = upstream_of(provider, model)
    able = model.abilities
    forced = replace_request(tool_choice=ToolChoice("required"))
    schema = replace_request(tools=(), format=OutputFormat("schema", None))
    prefill = replace_request(
        tools=(), messages=(*ASK.messages, Message("assistant", (Text("The"),)))
    )
    remote = replace_request(
        messages=(Message("user", (Media(IMAGE, url="https://acme.test/a.png"),)),)
    )
    for request, works in (
        (forced, not able or Ability.FORCED_TOOLS in able),
        (schema, True),
        (prefill, not able or Ability.PREFILL in able),
        (remote, provider.quirks.get("image_urls") is not False),
    ):
        if works:
            upstream.encode(request)
        else:
            with pytest.raises(InvalidRequest):
                upstream.encode(request)


def replace_request(**changes: Any) -> ChatRequest:
    return structs.replace(ASK, **changes)


def test_statuses_of_a_row_are_obeyed() -> None:
    upstream = make_upstream(
        quirks={"throttle_status": [444], "payment_status": [445], "loading_status": [446]}
    )
    kinds = [type(upstream.decode_error(status, {}, b"")).__name__ for status in (444, 445, 446)]
    assert kinds == ["UpstreamRateLimited", "UpstreamDenied", "UpstreamFailed"]


def test_a_row_may_name_the_only_fields_and_paths_that_it_takes() -> None:
    upstream = make_upstream(
        quirks={
            "accepts_only": ["system"],
            "path": {"chat": "/m", "count_tokens": "/c"},
            "query": {"v": "1"},
            "default": {"system": "Be kind.", "metadata": {}},
        }
    )
    request = make_request(
        {
            "model": "any",
            "messages": [{"role": "user", "content": "x"}],
            "temperature": 1,
            "federation": {},
        }
    )
    seen = CLIENT.glance(request)
    sent = upstream.forward(seen, request.body)
    assert sent.target == "/v1/m?v=1"
    assert json.loads(sent.body) == {
        "model": "claude-x",
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 64_000,
        "system": "Be kind.",
    }
    assert upstream.dropped_fields(seen) == ("temperature",)
    parsed = CLIENT.parse(request, seen)
    assert upstream.encode_count(parsed).request.target == "/v1/c?v=1"
    written = json.loads(upstream.encode(parsed).request.body)
    assert set(written) == {"model", "messages", "max_tokens", "system"}


@pytest.mark.parametrize(
    "quirks", [{"drop": ["metadata", "stop_sequences"]}, {"accepts_only": ["system", "tools"]}]
)
def test_what_a_row_leaves_out_of_a_written_call_is_named(quirks: dict[str, object]) -> None:
    asked = ChatRequest(
        "openai",
        "m",
        (Message("user", (Text("x"),)),),
        user="u",
        sampling=Sampling(stop=("y",)),
    )
    encoded = make_upstream(quirks=quirks).encode(asked)
    assert set(json.loads(encoded.request.body)) == {"model", "messages", "max_tokens"}
    assert set(encoded.losses) == {"metadata", "stop"}
