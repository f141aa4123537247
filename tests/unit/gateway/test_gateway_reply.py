"""Response headers and the metadata object."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import OneKey, deployment, model, provider

from federation.dialects.table import CLIENTS
from federation.domain.catalogue import Deployment
from federation.domain.money import usd_to_nano
from federation.gateway.call import Account, Call
from federation.gateway.reading import Reading
from federation.gateway.reply import headers, marks, metadata, reason, usd, warnings
from federation.schema.glance import Ask, Glance
from federation.schema.http import ClientRequest
from federation.schema.records import AttemptRecord, Decision, Features

ROW = deployment(provider("acme", "http://127.0.0.1:1/v1"), model("acme-large"))


def decision(intent: str = "unknown") -> Decision:
    return Decision("auto", "quality_first", 3, Features(intent=intent), (), eligible=4)


def call(**account: Any) -> Call:
    kept = Account()
    for name, value in account.items():
        setattr(kept, name, value)
    glance = Glance(
        model=None, stream=False, usage_asked=False, max_output=None, choices=1, messages=1,
        text_bytes=5, images=0, audio=0, files=0, tools=0, needs=(), governed=(), unlisted=(),
        ask=Ask(), spans={}, end=0,
    )  # fmt: skip
    request = ClientRequest("POST", "/v1/chat/completions", "", {}, b"")
    face = CLIENTS["openai"]
    reading = Reading(face, request, glance, b"k" * 32)
    return Call("call_1", request, 0.0, 0, kept, glance, face, reading, OneKey().key)


def test_headers_name_the_call_the_strategy_and_the_attempts() -> None:
    made = call(decision=decision(), tried=3, expected_nano=1_500_000_001)
    found = dict(headers(made, marks(ROW), b"application/json"))
    assert found == {
        b"content-type": b"application/json",
        b"x-request-id": b"call_1",
        b"x-federation-call-id": b"call_1",
        b"x-federation-strategy": b"quality_first",
        b"x-federation-attempts": b"3",
        b"x-federation-provider": b"acme",
        b"x-federation-model": b"acme-large",
        b"x-federation-estimated-cost": b"1.500000001",
    }


def test_a_price_that_is_unknown_is_not_stated() -> None:
    made = call(decision=decision(), tried=1)
    assert b"x-federation-estimated-cost" not in dict(headers(made, marks(ROW), b"x"))
    assert json.loads(metadata(made, ROW, 1.0))["estimated_cost"] is None


def test_a_simulated_provider_is_marked() -> None:
    row = deployment(provider("acme", "http://127.0.0.1:1/v1", simulated=True), model("m"))
    assert (b"x-federation-simulated", b"true") in marks(row)
    assert all(name != b"x-federation-simulated" for name, _ in marks(ROW))


def test_constant_headers_are_not_changed_by_a_reply() -> None:
    constant = marks(ROW)
    before = list(constant)
    headers(call(decision=decision(), expected_nano=5), constant, b"x").append((b"a", b"b"))
    assert constant == before


@settings(deadline=None)
@given(st.integers(0, 2**63))
def test_an_amount_is_exact_to_the_nano_dollar(nano: int) -> None:
    assert usd_to_nano(Decimal(usd(nano).decode())) == nano


def test_metadata_has_the_members_that_clients_know() -> None:
    made = call(decision=decision("summarization"), tried=1, expected_nano=42)
    body = json.loads(metadata(made, ROW, 12.345), parse_float=Decimal)
    assert body == {
        "selected_provider": "acme",
        "selected_model": "acme-large",
        "routing_reason": "quality_first: best of 4 eligible, intent summarization",
        "estimated_cost": Decimal("0.000000042"),
        "response_time_ms": Decimal("12.3"),
        "strategy": "quality_first",
        "call_id": "call_1",
    }


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([""], "no clear intent"),
        (["upstream_failed"], "no clear intent, after 1 failed attempt"),
        (
            ["upstream_failed", "paced", "upstream_cut", ""],
            "no clear intent, after 3 failed attempts",
        ),
        (["canceled", ""], "no clear intent"),
    ],
    ids=["none", "one", "several", "hedged"],
)
def test_the_reason_counts_failed_attempts(errors: list[str], said: str) -> None:
    ended = [AttemptRecord("acme/acme-large", 0, 0, each) for each in errors]
    made = call(decision=decision(), tried=len(ended) + 1, attempts=ended)
    assert reason(made).endswith(said)


@pytest.mark.parametrize(
    ("dropped", "said"),
    [
        (("seed", "top_k"), b"dropped: seed, top_k"),
        (("seed", "a\r\nb"), b"dropped: seed, and 1 more"),
        (("\u00e9",), b"dropped: 1 not shown"),
        (("x",) * 25, b"dropped: " + b"x, " * 20 + b"and 5 more"),
    ],
)
def test_a_warning_names_dropped_fields_and_nothing_unsafe(
    dropped: tuple[str, ...], said: bytes
) -> None:
    assert warnings(dropped) == [(b"x-federation-warning", said)]
    assert warnings(()) == []


def test_without_a_decision_there_is_nothing_to_say() -> None:
    made = call()
    assert reason(made) == ""
    assert dict(headers(made, [], b"x"))[b"x-federation-strategy"] == b""
    assert json.loads(metadata(made, ROW, 0.0))["strategy"] == ""
    assert isinstance(ROW, Deployment)
