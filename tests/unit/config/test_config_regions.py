"""A row that is to stay in a region: the host, headers and fields that the provider wants."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from anthropic_vendor import make_request, make_upstream
from config_world import a_catalogue

from federation.catalogue import reader
from federation.config.load import load
from federation.config.region_controls import pinned
from federation.config.settings import Loaded
from federation.control.snapshots import compile_snapshot
from federation.dialects.anthropic.client import CLIENT
from federation.domain.catalogue import Model, Provider
from federation.domain.policies import Policy, Residency
from federation.errors import ConfigError
from federation.governance.facts import CallFacts
from federation.governance.rulebook import Rulebook

Write = Callable[[str, str], Path]

BASE = replace(
    a_catalogue()["openai"],
    regions=("us", "eu"),
    operations=("chat", "embeddings"),
    models=(Model("large"), Model("old"), Model("embed", operations=("embeddings",))),
)


def with_quirks(**quirks: object) -> Provider:
    return replace(BASE, quirks=BASE.quirks | quirks)


def test_a_host_of_the_region_takes_the_place_of_the_address() -> None:
    row = with_quirks(
        hosts={"eu": "https://eu.example.com/v1", "legacy": "https://old.example.com"}
    )
    found = pinned(row, "eu")
    assert (found.base_url, found.regions) == ("https://eu.example.com/v1", ("eu",))
    assert found.operations == ("chat", "embeddings")
    assert "hosts" not in found.quirks


def test_headers_fields_and_models_of_a_control_are_taken_up() -> None:
    control = {"us": {"headers": {"X-Region": "us"}, "set": {"geo": "us"}, "models": ["larg*"]}}
    found = pinned(with_quirks(region_controls=control, set={"a": 1}), "us")
    assert found.auth.extra["x-region"] == "us"
    assert found.quirks["set"] == {"a": 1, "geo": "us"}
    assert [model.id for model in found.models] == ["large"]


def test_what_a_field_does_not_reach_is_left_out() -> None:
    found = pinned(with_quirks(region_controls={"us": {"set": {"geo": "us"}}}), "us")
    assert found.operations == ("chat",)
    assert [model.id for model in found.models] == ["large", "old"]


def test_a_row_that_is_nowhere_else_stays_as_it_is() -> None:
    row = replace(BASE, regions=("de",))
    assert pinned(row, "eu") is row
    assert pinned(replace(BASE, regions=("local",)), "local").regions == ("local",)


@pytest.mark.parametrize(
    ("quirks", "region", "words"),
    [
        ({}, "eu", r"no control for the region 'eu' \(it has: none\)"),
        ({"hosts": {"us": "https://us.x", "legacy": "https://y"}}, "eu", r"\(it has: us\)"),
        ({"hosts": {"eu": "https://eu.x"}}, "de", r"\(it has: eu\)"),
        ({"hosts": {"local": "http://127.0.0.1"}}, "local", "hosts of your own"),
        ({"region_controls": {"us": {"set": {"geo": "us"}, "models": ["none"]}}}, "us", "none of"),
    ],
)
def test_a_region_without_a_control_is_refused(
    quirks: dict[str, object], region: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        pinned(with_quirks(**quirks), region)


def loaded(directory: Path, text: str) -> Loaded:
    (directory / "providers.yaml").write_text(text)
    return load(directory, {"A": "k", "OPENAI_API_KEY": "k"}, reader.load())


def test_a_pinned_row_is_what_a_residency_admits_and_its_field_is_on_the_wire(
    tmp_path: Path,
) -> None:
    found = loaded(
        tmp_path,
        "providers:\n"
        "  - {id: anthropic-us, extends: anthropic, region: us, credential: env:A}\n"
        "  - {id: openai-eu, extends: openai, region: eu, credential: env:OPENAI_API_KEY}\n",
    )
    snapshot = compile_snapshot(found, (), {}, 0)
    book = Rulebook(
        (Policy("us-only", (Residency(places=("us",)),)),), snapshot.deployments, ("us",)
    )
    ruling = book.rule(CallFacts(tenant="a", operation="chat", at_ms=0))
    names = {book.census.ids[at] for at in book.census.members(ruling.mask)}
    assert "anthropic-us/claude-opus-5-5" in names
    assert not any(name.startswith(("anthropic/", "openai-eu/")) for name in names)
    row = found.providers["openai-eu"]
    assert (row.base_url, row.regions) == ("https://eu.api.openai.com/v1", ("eu",))
    assert found.providers["anthropic-us"].quirks["set"] == {"inference_geo": "us"}


def test_whatever_a_client_says_the_field_of_the_region_is_on_the_wire() -> None:
    catalogue = reader.load()
    row = pinned(catalogue["anthropic"], "us")
    quirks = {"set": row.quirks["set"]}
    upstream = make_upstream(quirks=quirks)
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    for said in ({}, {"inference_geo": "global"}):
        request = make_request(asked | said)
        forwarded = upstream.forward(CLIENT.glance(request), request.body)
        assert json.loads(forwarded.body)["inference_geo"] == "us"


@pytest.mark.parametrize(
    "row",
    [
        "{id: anthropic-eu, extends: anthropic, region: eu}",
        "{id: openai, region: eu, base_url: 'https://mine.example.com/v1'}",
        "{id: openai, region: eu, regions: [eu]}",
        "{id: openai, region: atlantis}",
    ],
)
def test_a_wish_that_nothing_carries_out_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"providers:\n  - {row}\n")
    assert caught.value.problems[0].line == 2
