"""A host that speaks OpenAI's chat completions, with reasoning text as many hosts show it.

Reference: https://platform.openai.com/docs/api-reference/chat, the official client's types;
`reasoning_content`: https://api-docs.deepseek.com/guides/thinking_mode
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from inprocess import model
from matrix.facts import Asked, Traits, outcome
from matrix.scenes import Answer, Fault
from matrix.vendors.typed import (
    KINDS,
    MESSAGES,
    Body,
    arguments,
    compact,
    cut,
    interleaved,
    materialized,
    same,
)
from openai.types.chat import completion_create_params
from pydantic import ConfigDict, TypeAdapter

from federation.domain.catalogue import Ability, Auth, Model, Provider, Tier

NAME: Final = "openai"
TRAITS: Final = Traits(strangers=True)
FINISHES: Final = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "filter": "content_filter",
}
_FAULTS: Final = {429: "rate_limit_exceeded", 400: "invalid_value", 500: "server_error"}
_APART: Final = "Result of the tool call "
SECRET: Final = "sk-of-openai"


def row(origin: str) -> tuple[Provider, Model, str]:
    quirks: dict[str, object] = {
        "output_limit_field": "max_completion_tokens",
        "reasoning_control": "effort",
        "reasoning_field": "reasoning_content",
        "reasoning_replay": "always",
        "stream_usage": "option",
    }
    provider = Provider(
        "openai", "OpenAI", Tier.FRONTIER, NAME, f"{origin}/v1", Auth(), quirks=quirks, private=True
    )
    return (
        provider,
        model("gpt-matrix", abilities=frozenset(Ability), input_modalities=KINDS),
        SECRET,
    )


@cache
def _request() -> TypeAdapter[Any]:
    kind: Any = completion_create_params.CompletionCreateParamsStreaming
    kind.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(kind)


def call_id(number: int) -> str:
    return f"call_{number}aBcDeFgHiJkLmN"


def read(target: str, headers: dict[str, str], data: bytes) -> Asked:
    assert target == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {SECRET}"
    body: Body = json.loads(data)
    asked = Asked(stream=bool(body.get("stream")))
    for message in body["messages"]:
        thought = message.pop("reasoning_content", None)
        if thought:
            assert message["role"] == "assistant"
            # A blank one stands where the host demands one and there is none.
            asked.thoughts += [thought] if thought.strip() else []
    same(
        materialized(_request().validate_python({"stream": True, **body})), {"stream": True, **body}
    )
    if asked.stream:
        assert body["stream_options"] == {"include_usage": True}
    assert body["model"] == "gpt-matrix"
    numbers: dict[str, int] = {}
    for message in body["messages"]:
        _message(asked, message, numbers)
    for tool in body.get("tools", []):
        one = tool["function"]
        asked.tools[one["name"]] = (one["description"], one["parameters"])
    asked.forced = body.get("tool_choice") == "required"
    wanted = body.get("response_format")
    if wanted is not None:
        assert wanted["type"] == "json_schema"
        asked.schema = wanted["json_schema"]["schema"]
    asked.limit = body.get("max_completion_tokens")
    stop = body.get("stop")
    asked.stop = (stop,) if isinstance(stop, str) else tuple(stop or ())
    asked.temperature = body.get("temperature")
    asked.reasons = body.get("reasoning_effort") not in (None, "none")
    return asked


def _message(asked: Asked, message: Body, numbers: dict[str, int]) -> None:
    role, content = message["role"], message.get("content")
    if role == "tool":
        asked.linked = asked.linked and message["tool_call_id"] in numbers
        text = "".join(_texts(content))
        asked.said.append(
            ("tool", "result", numbers.get(message["tool_call_id"], -1), outcome(text))
        )
        return
    if role in ("system", "developer"):
        asked.system += "".join(_texts(content))
        return
    plain = isinstance(content, str)
    parts: list[Body] = [{"type": "text", "text": content}] if plain else content or []
    for part in parts:
        if part["type"] == "text" and part["text"].startswith(_APART):
            # A tool message holds text only: its picture follows as a user's.
            role = "tool"
        elif part["type"] == "text":
            asked.said.append((role, "text", part["text"]))
        else:
            file = part["type"] == "file"
            url = part["file"]["file_data"] if file else part["image_url"]["url"]
            kind, _, rest = url.removeprefix("data:").partition(";base64,")
            asked.said.append((role, "document" if file else "image", kind, rest))
    for call in message.get("tool_calls", []):
        number = len(numbers)
        asked.ids = asked.ids and call["id"] == call_id(number)
        numbers[call["id"]] = number
        one = call["function"]
        asked.said.append((role, "call", number, one["name"], json.loads(one["arguments"])))


def _texts(content: Any) -> list[str]:
    return [content] if isinstance(content, str) else [part["text"] for part in content]


def _usage(answer: Answer) -> Body:
    counts = answer.counts
    return {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
        "prompt_tokens_details": {
            "cached_tokens": counts.cached,
            "cache_write_tokens": counts.written,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def whole(answer: Answer) -> bytes:
    message: Body = {
        "role": "assistant",
        "content": answer.text or None,
        "refusal": None,
        "annotations": [],
    }
    if answer.thought:
        message["reasoning_content"] = answer.thought
    if answer.calls:
        message["tool_calls"] = [
            {
                "id": call_id(number),
                "type": "function",
                "function": {"name": call.name, "arguments": arguments(call)},
            }
            for number, call in enumerate(answer.calls)
        ]
    return compact(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "gpt-matrix-2026-10-01",
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "logprobs": None,
                    "finish_reason": FINISHES[answer.finish],
                }
            ],
            "usage": _usage(answer),
            "service_tier": "default",
            "system_fingerprint": "fp_1",
        }
    )


def stream(answer: Answer) -> tuple[str, list[bytes]]:
    events = [b": keep-alive\n\n", _chunk({"role": "assistant", "content": "", "refusal": None})]
    events += [_chunk({"reasoning_content": piece}) for piece in cut(answer.thought)]
    events += [_chunk({"content": piece}) for piece in cut(answer.text)]
    if answer.breaks:
        failure = {"message": MESSAGES[500], "type": "server_error", "param": None, "code": None}
        return "text/event-stream", [*events, _event({"error": failure})]
    for number, call in enumerate(answer.calls):
        head = {"name": call.name, "arguments": ""}
        one = {"index": number, "id": call_id(number), "type": "function", "function": head}
        events.append(_chunk({"tool_calls": [one]}))
    for number, piece in interleaved(answer):
        events.append(_chunk({"tool_calls": [{"index": number, "function": {"arguments": piece}}]}))
    events.append(_chunk({}, FINISHES[answer.finish]))
    events.append(_event({**_frame(), "choices": [], "usage": _usage(answer)}))
    return "text/event-stream; charset=utf-8", [*events, b"data: [DONE]\n\n"]


def _frame() -> Body:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "gpt-matrix-2026-10-01",
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


def _chunk(delta: Body, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _event({**_frame(), "choices": [choice], "usage": None})


def _event(body: Body) -> bytes:
    return b"data: " + compact(body) + b"\n\n"


def fault(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    code = _FAULTS[fault.status]
    kind = "invalid_request_error" if fault.status == 400 else code
    body = {
        "error": {
            "message": MESSAGES[fault.status],
            "type": kind,
            "param": "messages" if fault.status == 400 else None,
            "code": code,
        }
    }
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return fault.status, headers, compact(body)
