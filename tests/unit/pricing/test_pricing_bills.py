"""Usage as providers send it, and what they bill for it: every payload through the provider's own
row, whole, streamed and forwarded, to the same counts and the exact charge.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from bedrock_frames import event as frame

from federation.catalogue.reader import load
from federation.dialects.faces import Upstream
from federation.dialects.table import UPSTREAMS
from federation.domain.catalogue import Deployment
from federation.domain.money import usd_to_nano
from federation.domain.routes import Settings
from federation.gateway.attempt import cost
from federation.schema.chunks import UsageSeen
from federation.schema.usage import Usage

Case = dict[str, Any]

GOLDEN: Final = Path(__file__).parents[2] / "golden" / "usage"
CATALOGUE: Final = load()
CASES: Final[list[Case]] = [
    case for path in sorted(GOLDEN.glob("*.json")) for case in json.loads(path.read_text("utf-8"))
]
ADDRESSES: Final = {
    "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com",
}
every_case = pytest.mark.parametrize(
    "case", CASES, ids=[f"{case['deployment']}: {case['name']}" for case in CASES]
)


def deployment_of(case: Case) -> Deployment:
    """The catalogue's deployment, with what an operator has to add to its row."""
    provider_id, _, model_id = case["deployment"].partition("/")
    provider = CATALOGUE[provider_id]
    model = next(model for model in provider.models if model.id == model_id)
    dialect = case.get("dialect", provider.dialect)
    address = case.get("base_url") or ADDRESSES.get(dialect, provider.base_url)
    quirks = {name: value for name, value in provider.quirks.items() if name != "placeholders"}
    provider = replace(provider, dialect=dialect, base_url=address, quirks=quirks, models=())
    if "region" in case:
        provider = replace(provider, regions=(case["region"],))
    if "rates" in case:
        rates = replace(
            model.price.rates, **{name: usd_to_nano(usd) for name, usd in case["rates"].items()}
        )
        model = replace(model, price=replace(model.price, rates=rates))
    if "service_tiers" in case:
        model = replace(model, price=replace(model.price, service_tiers=case["service_tiers"]))
    return Deployment(case["deployment"], provider, model, usable=True)


def upstream_of(case: Case) -> Upstream:
    deployment = deployment_of(case)
    return UPSTREAMS[deployment.provider.dialect](
        deployment, Settings(), headers=(), query="", secret="key", private=True
    )


def dialect_of(case: Case) -> str:
    return deployment_of(case).provider.dialect


def whole(case: Case) -> bytes:
    """The usage in a whole answer of its dialect."""
    payload, more = case["payload"], case.get("answer", {})
    match dialect_of(case):
        case "openai_responses":
            body: Case = responses_answer(payload)
        case "anthropic":
            content = [{"type": "text", "text": "Hi", "citations": None}]
            body = {**anthropic_head(payload), "content": content, "stop_reason": "end_turn"}
        case "gemini" | "vertex":
            body = gemini_event(case)
        case "bedrock":
            message = {"role": "assistant", "content": [{"text": "Hi"}]}
            body = {
                "output": {"message": message},
                "stopReason": "end_turn",
                "usage": payload,
                "metrics": {"latencyMs": 3},
            }
        case "cohere":
            message = {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}
            body = {"id": "c1", "finish_reason": "COMPLETE", "message": message, "usage": payload}
        case "ollama":
            body = {**ollama_line("Hi", done=True), **payload}
        case _:
            message = {"role": "assistant", "content": "Hi"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = {**openai_head("chat.completion"), "choices": [choice], "usage": payload}
    return json.dumps({**body, **more}).encode()


def streamed(case: Case) -> bytes:
    """The usage where a stream of its dialect has it."""
    payload = case["payload"]
    match dialect_of(case):
        case "openai_responses":
            done = {**responses_answer(payload), **case.get("answer", {})}
            begun = {**done, "output": [], "usage": None, "status": "in_progress"}
            return events(
                {"type": "response.created", "sequence_number": 0, "response": begun},
                {"type": "response.completed", "sequence_number": 1, "response": done},
            )
        case "anthropic":
            return anthropic_stream(payload)
        case "gemini" | "vertex":
            return events(gemini_event(case), named=False)
        case "bedrock":
            delta = {"contentBlockIndex": 0, "delta": {"text": "Hi"}}
            return b"".join(
                [
                    frame("messageStart", {"role": "assistant"}),
                    frame("contentBlockDelta", delta),
                    frame("contentBlockStop", {"contentBlockIndex": 0}),
                    frame("messageStop", {"stopReason": "end_turn"}),
                    frame("metadata", {"usage": payload, **case.get("answer", {})}),
                ]
            )
        case "cohere":
            delta = {"finish_reason": "COMPLETE", "usage": payload}
            return events(
                {
                    "type": "message-start",
                    "id": "c1",
                    "delta": {"message": {"role": "assistant", "content": []}},
                },
                {"type": "message-end", "id": "c1", "delta": delta},
            )
        case "ollama":
            lines = (ollama_line("Hi", done=False), {**ollama_line("", done=True), **payload})
            return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        case _:
            return openai_stream(case)


def events(*items: Case, named: bool = True) -> bytes:
    out = b""
    for item in items:
        name = b"event: %b\n" % item["type"].encode() if named else b""
        out += name + b"data: " + json.dumps(item).encode() + b"\n\n"
    return out


def openai_head(kind: str) -> Case:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_790_000_000, "model": "m"}


def openai_stream(case: Case) -> bytes:
    head = {**openai_head("chat.completion.chunk"), **case.get("answer", {})}
    said = {"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}
    over = {"index": 0, "delta": {}, "finish_reason": "stop"}
    end: Case = {**head, "choices": [over]}
    usage: list[Case] = []
    if case.get("stream_usage") == "x_groq":
        end["x_groq"] = {"id": "req_1", "usage": case["payload"]}
    else:
        usage = [{**head, "choices": [], "usage": case["payload"]}]
    return events({**head, "choices": [said]}, end, *usage, named=False) + b"data: [DONE]\n\n"


def responses_answer(payload: Case) -> Case:
    text = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
    message = {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [text],
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "model": "m",
        "output": [message],
        "usage": payload,
    }


def anthropic_head(payload: Case) -> Case:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": payload,
    }


def anthropic_stream(payload: Case) -> bytes:
    """Counts of the prompt come first and may be named again; those of the output grow."""
    first = {**payload, "output_tokens": 1}
    delta = {"type": "text_delta", "text": "Hi"}
    return events(
        {"type": "message_start", "message": anthropic_head(first)},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": "", "citations": None},
        },
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": payload["output_tokens"]},
        },
        {"type": "message_stop"},
    )


def gemini_event(case: Case) -> Case:
    content = {"role": "model", "parts": [{"text": "Hi"}]}
    candidate = {"index": 0, "content": content, "finishReason": "STOP"}
    return {
        "candidates": [{**candidate, **case.get("candidate", {})}],
        "usageMetadata": case["payload"],
        "modelVersion": "m",
        "responseId": "r1",
    }


def ollama_line(text: str, *, done: bool) -> Case:
    line: Case = {
        "model": "m",
        "created_at": "2026-11-18T12:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": done,
    }
    return line | ({"done_reason": "stop"} if done else {})


def expected(case: Case) -> Usage | None:
    return None if case["usage"] is None else msgspec.convert(case["usage"], Usage)


def test_the_table_is_long_enough_and_names_its_sources() -> None:
    assert len(CASES) >= 36
    assert all(case["source"] for case in CASES)
    dialects = {dialect_of(case) for case in CASES}
    assert dialects >= {"openai", "openai_responses", "anthropic", "gemini", "vertex"}
    assert dialects >= {"bedrock", "cohere", "ollama"}


@every_case
def test_a_whole_answer_has_these_counts(case: Case) -> None:
    upstream, body = upstream_of(case), whole(case)
    assert upstream.decode(body).usage == expected(case)
    assert upstream.read_answer(body).usage == expected(case)


@every_case
def test_a_stream_has_the_same_counts(case: Case) -> None:
    decoder = upstream_of(case).decoder()
    chunks = [*decoder.feed(streamed(case)), *decoder.close()]
    seen = [chunk.usage for chunk in chunks if isinstance(chunk, UsageSeen)]
    assert decoder.complete
    assert (seen[-1] if seen else None) == expected(case)


@every_case
def test_a_forwarded_stream_has_the_same_counts(case: Case) -> None:
    tap = upstream_of(case).tap(withhold_usage=False, choices=1)
    tap.feed(streamed(case))
    tap.close()
    assert tap.complete
    assert tap.answer().usage == expected(case)


@every_case
def test_the_charge_is_the_bill(case: Case) -> None:
    usage = expected(case)
    if usage is None:
        return
    at = datetime.fromisoformat(case["at"])
    assert at.tzinfo is not None
    charged = cost(deployment_of(case), usage, at.astimezone(UTC).timestamp())
    assert charged == case["cost_nano"]


@every_case
def test_the_bill_adds_up(case: Case) -> None:
    """The table itself: its lines, written as an invoice has them, make its amount."""
    bill = case["bill"]
    if "unknown" in bill:
        assert case["cost_nano"] is None
        return
    if "reported" in bill:
        assert case["cost_nano"] == usd_to_nano(bill["reported"])
        return
    total = sum((Decimal(count) * Decimal(usd) * 1000 for count, usd in bill["lines"]), Decimal(0))
    total += sum(Decimal(count) * Decimal(usd) * 10**9 for count, usd in bill.get("fees", []))
    total *= Decimal(bill.get("factor", 1))
    assert case["cost_nano"] == int(total.to_integral_value(ROUND_HALF_EVEN))
    tokens = sum(count for count, _ in bill["lines"])
    assert tokens == case["usage"].get("input", 0) + case["usage"].get("output", 0)
