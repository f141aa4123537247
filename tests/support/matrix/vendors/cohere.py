"""A host that speaks Cohere's chat, version 2.

Its reasoning models give what they plan before calling tools as thinking, others as
`tool_plan`: there is no text beside calls. Reference: https://docs.cohere.com/reference/chat,
the official client's types.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any, Final

import cohere
from cohere.core.unchecked_base_model import construct_type
from cohere.v2.types.v2chat_stream_response import V2ChatStreamResponse
from matrix.facts import Asked, Traits, outcome
from matrix.scenes import Answer, Fault
from matrix.vendors.typed import MESSAGES, Body, arguments, compact, cut, known
from pydantic import TypeAdapter

from federation.catalogue import reader
from federation.domain.catalogue import Model, Provider

NAME: Final = "cohere"
TRAITS: Final = Traits(strangers=True, plans=True)
SECRET: Final = "co-of-cohere"
MODEL: Final = "command-a-plus-05-2026"
_FIELDS: Final[dict[str, Any]] = {
    "model": str,
    "messages": list[cohere.ChatMessageV2],
    "tools": list[cohere.ToolV2],
    "response_format": cohere.ResponseFormatV2,
    "thinking": cohere.Thinking,
    "max_tokens": int,
    "stop_sequences": list[str],
    "temperature": float,
    "tool_choice": str,
    "strict_tools": bool,
    "stream": bool,
}
_EVENT: Final[Any] = V2ChatStreamResponse
_FINISHES: Final = {
    "stop": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "filter": "COMPLETE",
}


def row(origin: str) -> tuple[Provider, Model, str]:
    found = reader.load()["cohere"]
    offered = next(one for one in found.models if one.id == MODEL)
    return replace(found, base_url=f"{origin}/v2", private=True, models=()), offered, SECRET


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_FIELDS[name])


def call_id(number: int) -> str:
    return f"get_{number}aBcDeFgHiJkL"


def read(target: str, headers: dict[str, str], data: bytes) -> Asked:
    assert target == "/v2/chat"
    assert headers["authorization"] == f"Bearer {SECRET}"
    body: Body = json.loads(data)
    for name, value in body.items():
        assert name in _FIELDS, name
        known(_adapter(name).validate_python(value), name)
    assert body["model"] == MODEL
    asked = Asked(stream=bool(body.get("stream")))
    numbers: dict[str, int] = {}
    for message in body["messages"]:
        _message(asked, message, numbers)
    for tool in body.get("tools", []):
        one = tool["function"]
        asked.tools[one["name"]] = (one["description"], one["parameters"])
    asked.forced = body.get("tool_choice") == "REQUIRED"
    form = body.get("response_format")
    if form is not None:
        assert form["type"] == "json_object"
        assert not asked.tools
        asked.schema = form["json_schema"]
    asked.limit = body.get("max_tokens")
    asked.stop = tuple(body.get("stop_sequences", ()))
    asked.temperature = body.get("temperature")
    asked.reasons = body.get("thinking", {}).get("type") == "enabled"
    return asked


def _message(asked: Asked, message: Body, numbers: dict[str, int]) -> None:
    role = message["role"]
    content: Any = message.get("content") or ""
    plain = isinstance(content, str)
    parts: list[Body] = [{"type": "text", "text": content}] if plain else content
    if role == "tool":
        asked.linked = asked.linked and message["tool_call_id"] in numbers
        (part,) = parts
        found = part["document"]["data"] if part["type"] == "document" else part["text"]
        number = numbers.get(message["tool_call_id"], -1)
        asked.said.append(("tool", "result", number, outcome(found)))
        return
    if message.get("tool_plan"):
        asked.thoughts.append(message["tool_plan"])
    for part in parts:
        if part["type"] == "thinking":
            asked.thoughts.append(part["thinking"])
        elif part["type"] == "image_url":
            kind, _, rest = part["image_url"]["url"].removeprefix("data:").partition(";base64,")
            asked.said.append((role, "image", kind, rest))
        elif role == "system":
            asked.system += part["text"]
        elif part["text"]:
            asked.said.append((role, "text", part["text"]))
    for call in message.get("tool_calls", []):
        number = len(numbers)
        asked.ids = asked.ids and call["id"] == call_id(number)
        numbers[call["id"]] = number
        one = call["function"]
        asked.said.append((role, "call", number, one["name"], json.loads(one["arguments"])))


def _usage(answer: Answer) -> Body:
    counts = answer.counts
    return {
        "billed_units": {"input_tokens": counts.input, "output_tokens": counts.output},
        # What the model saw is more than what is billed.
        "tokens": {"input_tokens": counts.input + 475, "output_tokens": counts.output + 3},
        "cached_tokens": counts.cached,
    }


def _content(answer: Answer) -> list[Body]:
    plain, thinking = answer.text, answer.thought
    if answer.calls:
        plain, thinking = "", thinking and thinking + plain
    thought = [{"type": "thinking", "thinking": thinking}] if thinking else []
    return [*thought, *([{"type": "text", "text": plain}] if plain else [])]


def whole(answer: Answer) -> bytes:
    message: Body = {"role": "assistant"}
    if answer.calls:
        message["tool_calls"] = [
            {
                "id": call_id(number),
                "type": "function",
                "function": {"name": call.name, "arguments": arguments(call)},
            }
            for number, call in enumerate(answer.calls)
        ]
        if answer.text and not answer.thought:
            message["tool_plan"] = answer.text
    if _content(answer):
        message["content"] = _content(answer)
    body = {
        "id": "5a50480a-cf52-46f0-af01-53d18539bd31",
        "finish_reason": _FINISHES[answer.finish],
        "message": message,
        "usage": _usage(answer),
    }
    known(construct_type(type_=cohere.V2ChatResponse, object_=body))
    return compact(body)


def stream(answer: Answer) -> tuple[str, list[bytes]]:
    opening: Body = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
    events: list[Body] = [
        {"type": "message-start", "id": "5a50480a", "delta": {"message": opening}}
    ]
    for index, part in enumerate(_content(answer)):
        events += _content_events(index, part)
    if answer.breaks:
        failure = {"finish_reason": "ERROR", "error": MESSAGES[500]}
        events[-1] = {"type": "message-end", "id": "5a50480a", "delta": failure}
        return "text/event-stream", [_event(event) for event in events]
    if answer.calls and answer.text and not answer.thought:
        for piece in cut(answer.text):
            events.append({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}})
    for index, call in enumerate(answer.calls):
        head = {"name": call.name, "arguments": ""}
        one = {"id": call_id(index), "type": "function", "function": head}
        began = {"message": {"tool_calls": one}}
        events.append({"type": "tool-call-start", "index": index, "delta": began})
        for piece in cut(arguments(call), 4):
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            events.append({"type": "tool-call-delta", "index": index, "delta": delta})
        events.append({"type": "tool-call-end", "index": index})
    ended = {"finish_reason": _FINISHES[answer.finish], "usage": _usage(answer)}
    events.append({"type": "message-end", "id": "5a50480a", "delta": ended})
    for event in events[1:]:
        known(construct_type(type_=_EVENT, object_=event))
    return "text/event-stream", [_event(event) for event in events]


def _content_events(index: int, part: Body) -> list[Body]:
    kind = part["type"]

    def delta(content: Body) -> Body:
        return {"delta": {"message": {"content": content}}, "index": index}

    pieces = [delta({kind: piece}) for piece in cut(part[kind])]
    return [
        {"type": "content-start", **delta({"type": kind, kind: ""})},
        *({"type": "content-delta", **piece} for piece in pieces),
        {"type": "content-end", "index": index},
    ]


def _event(event: Body) -> bytes:
    return f"event: {event['type']}".encode() + b"\ndata: " + compact(event) + b"\n\n"


def fault(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return fault.status, headers, compact({"id": "e-1", "message": MESSAGES[fault.status]})
