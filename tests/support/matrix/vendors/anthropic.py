"""A host that speaks Anthropic's messages.

Reference: https://platform.claude.com/docs/en/api/messages, the official client's types.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import cache
from typing import Any, Final

from anthropic.types import Message, RawMessageStreamEvent
from anthropic_vendor import VendorRequests
from matrix.facts import STATE, Asked, Traits, outcome
from matrix.scenes import Answer, Fault
from matrix.vendors.typed import MESSAGES, Body, compact, cut
from pydantic import TypeAdapter

from federation.catalogue import reader
from federation.domain.catalogue import Model, Provider

NAME: Final = "anthropic"
TRAITS: Final = Traits(states=True)
SECRET: Final = "sk-ant-of-anthropic"
MODEL: Final = "claude-sonnet-4-5"
_FINISHES: Final = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "filter": "refusal",
}
_FAULTS: Final = {429: "rate_limit_error", 400: "invalid_request_error", 500: "api_error"}
_EVENT: Final[TypeAdapter[Any]] = TypeAdapter(RawMessageStreamEvent)


def row(origin: str) -> tuple[Provider, Model, str]:
    found = reader.load()["anthropic"]
    offered = next(one for one in found.models if one.id == MODEL)
    return replace(found, base_url=f"{origin}/v1", private=True, models=()), offered, SECRET


@cache
def _requests() -> VendorRequests:
    return VendorRequests()


def call_id(number: int) -> str:
    return f"toolu_01A{number}bCdEfGhIjKlMnOp"


def read(target: str, headers: dict[str, str], data: bytes) -> Asked:
    assert target == "/v1/messages"
    assert headers["x-api-key"] == SECRET
    assert headers["anthropic-version"] == "2023-06-01"
    body: Body = json.loads(data)
    _requests().check(body)
    assert body["model"] == MODEL
    system = body.get("system") or ""
    asked = Asked(stream=bool(body.get("stream")))
    asked.system = system if isinstance(system, str) else "".join(one["text"] for one in system)
    _turns(asked, body)
    for tool in body.get("tools", []):
        asked.tools[tool["name"]] = (tool["description"], tool["input_schema"])
    asked.forced = body.get("tool_choice", {}).get("type") == "any"
    asked.schema = body.get("output_config", {}).get("format", {}).get("schema")
    # The most that the model can give stands for no limit: the field is required.
    asked.limit = None if body["max_tokens"] == 64_000 else body["max_tokens"]
    asked.stop = tuple(body.get("stop_sequences", ()))
    asked.temperature = body.get("temperature")
    thinking = body.get("thinking", {})
    asked.reasons = thinking.get("type") in ("enabled", "adaptive")
    if asked.reasons:
        assert asked.temperature is None
        assert not asked.forced
        if thinking["type"] == "enabled":
            assert 1024 <= thinking["budget_tokens"] < body["max_tokens"]
            answered = body["messages"][-2]["content"] if len(body["messages"]) > 1 else []
            if any("tool_use" in block.values() for block in answered if isinstance(block, dict)):
                # The turn whose calls are being answered must begin with its thinking.
                assert answered[0]["type"] == "thinking"
    return asked


def _turns(asked: Asked, body: Body) -> None:
    numbers: dict[str, int] = {}
    roles = [message["role"] for message in body["messages"]]
    assert roles[0] == "user"
    assert all(one != other for one, other in itertools.pairwise(roles)), roles
    for message in body["messages"]:
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            _block(asked, message["role"], block, numbers)


def _block(asked: Asked, role: str, block: Body, numbers: dict[str, int]) -> None:
    match block["type"]:
        case "text":
            assert block["text"].strip()
            asked.said.append((role, "text", block["text"]))
        case "image" | "document" as kind:
            source = block["source"]
            assert source["type"] == "base64"
            asked.said.append((role, kind, source["media_type"], source["data"]))
        case "thinking":
            # A signature that is not the vendor's is a 400 of its own.
            assert block["signature"] == STATE
            asked.thoughts.append(block["thinking"])
            asked.states.append(block["signature"])
        case "tool_use":
            number = len(numbers)
            asked.ids = asked.ids and block["id"] == call_id(number)
            numbers[block["id"]] = number
            asked.said.append((role, "call", number, block["name"], block["input"]))
        case "tool_result":
            asked.linked = asked.linked and block["tool_use_id"] in numbers
            content = block["content"]
            number = numbers.get(block["tool_use_id"], -1)
            plain = isinstance(content, str)
            for one in [{"type": "text", "text": content}] if plain else content:
                if one["type"] == "text":
                    asked.said.append(("tool", "result", number, outcome(one["text"])))
                else:
                    _block(asked, "tool", one, numbers)
        case kind:
            raise AssertionError(kind)


def _usage(answer: Answer) -> Body:
    counts = answer.counts
    details = {"thinking_tokens": counts.reasoning} if counts.reasoning else None
    return {
        "input_tokens": counts.input - counts.cached - counts.written,
        "cache_creation_input_tokens": counts.written,
        "cache_read_input_tokens": counts.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counts.written,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": counts.output,
        "output_tokens_details": details,
        "service_tier": "standard",
    }


def _blocks(answer: Answer) -> list[Body]:
    blocks: list[Body] = []
    if answer.thought:
        blocks.append({"type": "thinking", "thinking": answer.thought, "signature": STATE})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text, "citations": None})
    for number, call in enumerate(answer.calls):
        blocks.append(
            {
                "type": "tool_use",
                "id": call_id(number),
                "name": call.name,
                "input": call.arguments,
            }
        )
    return blocks


def _end(answer: Answer) -> Body:
    stopped = "three" if answer.finish == "stop_sequence" else None
    return {"stop_reason": _FINISHES[answer.finish], "stop_sequence": stopped}


def _message(content: list[Body], usage: Body, end: Body) -> Body:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": f"{MODEL}-20250929",
        "content": content,
        **end,
        "usage": usage,
    }


def whole(answer: Answer) -> bytes:
    body = compact(_message(_blocks(answer), _usage(answer), _end(answer)))
    Message.model_validate_json(body)
    return body


def stream(answer: Answer) -> tuple[str, list[bytes]]:
    usage = _usage(answer)
    begun = {**usage, "output_tokens": 1, "output_tokens_details": None}
    opening = _message([], begun, {"stop_reason": None, "stop_sequence": None})
    events: list[Body] = [{"type": "message_start", "message": opening}, {"type": "ping"}]
    for index, block in enumerate(_blocks(answer)):
        events += _block_events(index, block)
        if answer.breaks:
            failure = {"type": "api_error", "message": MESSAGES[500]}
            events.append({"type": "error", "error": failure, "request_id": "req_1"})
            return "text/event-stream", [_event(event) for event in events]
    told = {
        name: usage[name]
        for name in (
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "output_tokens",
            "output_tokens_details",
        )
    }
    events.append({"type": "message_delta", "delta": _end(answer), "usage": told})
    events.append({"type": "message_stop"})
    for event in events:
        if event["type"] != "ping":
            _EVENT.validate_python(event)
    return "text/event-stream; charset=utf-8", [_event(event) for event in events]


def _block_events(index: int, block: Body) -> list[Body]:
    place = {"index": index}
    deltas: list[Body]
    match block["type"]:
        case "thinking":
            empty: Body = {"thinking": "", "signature": ""}
            deltas = [
                {"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"])
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "text":
            empty = {"text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in cut(block["text"])]
        case _:
            empty = {"input": {}}
            text = json.dumps(block["input"], ensure_ascii=False)
            deltas = [{"type": "input_json_delta", "partial_json": ""}]
            deltas += [{"type": "input_json_delta", "partial_json": one} for one in cut(text, 4)]
    return [
        {"type": "content_block_start", **place, "content_block": {**block, **empty}},
        *({"type": "content_block_delta", **place, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", **place},
    ]


def _event(event: Body) -> bytes:
    return f"event: {event['type']}".encode() + b"\ndata: " + compact(event) + b"\n\n"


def fault(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    error = {"type": _FAULTS[fault.status], "message": MESSAGES[fault.status]}
    headers = {"request-id": "req_1"}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    return fault.status, headers, compact({"type": "error", "error": error, "request_id": "req_1"})
