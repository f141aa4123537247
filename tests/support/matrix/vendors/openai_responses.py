"""A host that speaks OpenAI's responses, without keeping anything.

Reference: https://platform.openai.com/docs/api-reference/responses, the official client's types.
"""

from __future__ import annotations

import json
from typing import Any, Final

from inprocess import model
from matrix.facts import STATE, Asked, Traits, outcome
from matrix.scenes import Answer
from matrix.vendors import openai
from matrix.vendors.typed import KINDS, MESSAGES, Body, arguments, compact, cut
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from responses_world import check_request

from federation.domain.catalogue import Ability, Auth, Model, Provider, Tier

NAME: Final = "openai_responses"
TRAITS: Final = Traits(states=True)
SECRET: Final = "sk-of-responses"
_INCOMPLETE: Final = {"length": "max_output_tokens", "filter": "content_filter"}
_EVENT: Final[TypeAdapter[Any]] = TypeAdapter(ResponseStreamEvent)


def row(origin: str) -> tuple[Provider, Model, str]:
    provider = Provider(
        "responses", "Responses", Tier.FRONTIER, NAME, f"{origin}/v1", Auth(), private=True
    )
    return (
        provider,
        model("resp-matrix", abilities=frozenset(Ability), input_modalities=KINDS),
        SECRET,
    )


def call_id(number: int) -> str:
    return f"call_{number}zYxWvUtSrQpOnM"


def read(target: str, headers: dict[str, str], data: bytes) -> Asked:
    assert target == "/v1/responses"
    assert headers["authorization"] == f"Bearer {SECRET}"
    body: Body = json.loads(data)
    check_request(body)
    assert body["model"] == "resp-matrix"
    asked = Asked(stream=bool(body.get("stream")), system=body.get("instructions") or "")
    numbers: dict[str, int] = {}
    found = body["input"]
    items = [{"role": "user", "content": found}] if isinstance(found, str) else found
    for item in items:
        _item(asked, item, numbers)
    for tool in body.get("tools", []):
        assert tool["type"] == "function"
        asked.tools[tool["name"]] = (tool["description"], tool["parameters"])
    asked.forced = body.get("tool_choice") == "required"
    wanted = body.get("text", {}).get("format")
    if wanted is not None:
        assert wanted["type"] == "json_schema"
        asked.schema = wanted["schema"]
    asked.limit = body.get("max_output_tokens")
    asked.temperature = body.get("temperature")
    asked.reasons = (body.get("reasoning") or {}).get("effort") not in (None, "none")
    if asked.reasons:
        # Without it the sealed reasoning would not be given at all.
        assert "reasoning.encrypted_content" in body["include"]
        asked.reasons = bool(body["reasoning"].get("summary"))
    return asked


def _item(asked: Asked, item: Body, numbers: dict[str, int]) -> None:
    kind = item.get("type", "message")
    if kind == "reasoning":
        assert item["id"] == "rs_1"
        asked.thoughts.append("".join(part["text"] for part in item["summary"]))
        asked.states.append(item["encrypted_content"])
    elif kind == "function_call":
        number = len(numbers)
        asked.ids = asked.ids and item["call_id"] == call_id(number)
        numbers[item["call_id"]] = number
        asked.said.append(
            ("assistant", "call", number, item["name"], json.loads(item["arguments"]))
        )
    elif kind == "function_call_output":
        asked.linked = asked.linked and item["call_id"] in numbers
        output = item["output"]
        parts = [{"type": "input_text", "text": output}] if isinstance(output, str) else output
        number = numbers.get(item["call_id"], -1)
        for part in parts:
            if part["type"] == "input_image":
                asked.said.append(("tool", "image", *_taken(part["image_url"])))
            else:
                asked.said.append(("tool", "result", number, outcome(part["text"])))
    else:
        _message(asked, item)


def _message(asked: Asked, item: Body) -> None:
    role, content = item["role"], item["content"]
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
    for part in parts:
        if part["type"] == "input_image":
            asked.said.append((role, "image", *_taken(part["image_url"])))
        elif part["type"] == "input_file":
            asked.said.append((role, "document", *_taken(part["file_data"])))
        elif role in ("system", "developer"):
            asked.system += part["text"]
        else:
            if role == "assistant":
                assert isinstance(content, str) or part["type"] == "output_text"
            asked.said.append((role, "text", part["text"]))


def _taken(url: str) -> tuple[str, str]:
    """A data address apart."""
    kind, _, rest = url.removeprefix("data:").partition(";base64,")
    return kind, rest


def _output(answer: Answer) -> list[Body]:
    items: list[Body] = []
    if answer.thought:
        summary = [{"type": "summary_text", "text": answer.thought}]
        items.append(
            {"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": STATE}
        )
    if answer.text:
        part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        items.append(
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "incomplete" if answer.finish in _INCOMPLETE else "completed",
                "content": [part],
            }
        )
    for number, call in enumerate(answer.calls):
        items.append(
            {
                "id": f"fc_{number}",
                "type": "function_call",
                "status": "completed",
                "call_id": call_id(number),
                "name": call.name,
                "arguments": arguments(call),
            }
        )
    return items


def _response(answer: Answer, status: str, output: list[Body]) -> Body:
    counts, reason = answer.counts, _INCOMPLETE.get(answer.finish)
    usage = {
        "input_tokens": counts.input,
        "input_tokens_details": {
            "cached_tokens": counts.cached,
            "cache_write_tokens": counts.written,
        },
        "output_tokens": counts.output,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.input + counts.output,
    }
    over = status in ("completed", "incomplete")
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if over and reason else None,
        "instructions": None,
        "max_output_tokens": None,
        "model": "resp-matrix-2026-10-01",
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if over else None,
        "metadata": {},
    }


def _status(answer: Answer) -> str:
    return "incomplete" if answer.finish in _INCOMPLETE else "completed"


def whole(answer: Answer) -> bytes:
    body = compact(_response(answer, _status(answer), _output(answer)))
    Response.model_validate_json(body)
    return body


def stream(answer: Answer) -> tuple[str, list[bytes]]:
    events: list[Body] = [
        {"type": "response.created", "response": _response(answer, "in_progress", [])},
        {"type": "response.in_progress", "response": _response(answer, "in_progress", [])},
    ]
    output = _output(answer)
    for index, item in enumerate(output):
        events += _item_events(index, item, broken=answer.breaks)
    if answer.breaks:
        failed = _response(answer, "failed", [])
        failed["error"] = {"code": "server_error", "message": MESSAGES[500]}
        events.append({"type": "response.failed", "response": failed})
    else:
        status = _status(answer)
        events.append({"type": f"response.{status}", "response": _response(answer, status, output)})
    for number, event in enumerate(events):
        event["sequence_number"] = number
        _EVENT.validate_python(event)
    kind = "text/event-stream; charset=utf-8"
    return kind, [
        b"event: " + event["type"].encode() + b"\r\ndata: " + compact(event) + b"\r\n\r\n"
        for event in events
    ]


def _item_events(index: int, item: Body, *, broken: bool) -> list[Body]:
    place = {"output_index": index, "item_id": item["id"]}
    empty: Body = {"message": {"content": []}, "reasoning": {"summary": []}}.get(
        item["type"], {"arguments": ""}
    )
    began = {**item, **empty}
    if "status" in item:
        began["status"] = "in_progress"
    events = [{"type": "response.output_item.added", "output_index": index, "item": began}]
    match item["type"]:
        case "reasoning":
            text, at = item["summary"][0]["text"], {**place, "summary_index": 0}
            kind, part = "response.reasoning_summary_", {"type": "summary_text", "text": ""}
            events.append({"type": f"{kind}part.added", **at, "part": part})
            events += [{"type": f"{kind}text.delta", **at, "delta": piece} for piece in cut(text)]
            events.append({"type": f"{kind}text.done", **at, "text": text})
            events.append({"type": f"{kind}part.done", **at, "part": item["summary"][0]})
        case "message":
            part, at = item["content"][0], {**place, "content_index": 0}
            begun = {**part, "text": ""}
            events.append({"type": "response.content_part.added", **at, "part": begun})
            for piece in cut(part["text"]):
                events.append(
                    {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
                )
            if broken:
                return events
            done = {"text": part["text"], "logprobs": []}
            events.append({"type": "response.output_text.done", **at, **done})
            events.append({"type": "response.content_part.done", **at, "part": part})
        case "function_call":
            kind, text = "response.function_call_arguments.", item["arguments"]
            events += [{"type": f"{kind}delta", **place, "delta": piece} for piece in cut(text, 4)]
            events.append({"type": f"{kind}done", **place, "arguments": text, "name": item["name"]})
    return [*events, {"type": "response.output_item.done", "output_index": index, "item": item}]


fault = openai.fault
