"""Writes a whole answer as a client of this language expects it.

Reasoning goes into `reasoning_content`, and with its states into `reasoning_details`, from
where `parse` takes it back. What a host of this language said besides goes out as it came.

Reference: https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.details import (
    BETWEEN_THOUGHTS,
    has_state,
    signature_member,
    write_details,
)
from federation.dialects.openai.render_parts import (
    answers_in_functions,
    write_call,
    write_citation,
    write_logprobs,
    write_media,
)
from federation.dialects.openai.usage import write_usage
from federation.dialects.openai.words import FINISH_WORDS, NAME
from federation.schema.chat import TOOL_CALLS, ChatRequest, ChatResponse, Choice
from federation.schema.parts import Media, Refusal, Text, Thinking, ToolCall

_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])


def render(response: ChatResponse, request: ChatRequest) -> bytes:
    """The body of a whole answer."""
    own = response.dialect == NAME
    legacy = answers_in_functions(request)
    body: dict[str, Any] = {
        "id": response.id,
        "object": "chat.completion",
        "created": response.created,
        "model": response.model,
        "choices": [_choice(choice, own, legacy) for choice in response.choices],
    }
    if response.usage is not None:
        body["usage"] = write_usage(response.usage)
    if response.service_tier:
        body["service_tier"] = response.service_tier
    if own:
        for name, raw in response.extra.items():
            body.setdefault(name, raw)
    return msgspec.json.encode(body)


def _choice(choice: Choice, own: bool, legacy: bool) -> dict[str, Any]:
    message = _message(choice)
    finish = FINISH_WORDS.get(choice.finish, "stop")
    if legacy and "tool_calls" in message:
        calls = message.pop("tool_calls")
        message["function_call"] = calls[0].get("function")
        finish = "function_call" if choice.finish == TOOL_CALLS else finish
    logprobs = None
    if choice.logprobs is not None:
        refused = bool(message["refusal"]) and not message["content"]
        logprobs = write_logprobs(choice.logprobs, refused=refused)
    written = {
        "index": choice.index,
        "message": message,
        "logprobs": logprobs,
        "finish_reason": finish,
    }
    if own:
        for name, raw in choice.extra.items():
            if name == "message":
                for inner, value in _MEMBERS.decode(raw).items():
                    message.setdefault(inner, value)
            else:
                written.setdefault(name, raw)
    return written


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    texts: list[str] = []
    thoughts: list[str] = []
    length = 0
    for place, part in enumerate(choice.parts):
        match part:
            case Text():
                _cite(part, length, message)
                texts.append(part.text)
                length += len(part.text)
            case Thinking():
                if part.text:
                    thoughts.append(part.text)
                if has_state(part):
                    message.setdefault("reasoning_details", []).extend(write_details(part, place))
            case ToolCall():
                message.setdefault("tool_calls", []).append(write_call(part))
            case Refusal():
                message["refusal"] = (message["refusal"] or "") + part.text
            case Media():
                _attach(part, message)
            case _:
                continue
    if texts or not message.keys() & _SAYING:
        message["content"] = "".join(texts) if message["refusal"] is None or texts else None
    if thoughts:
        message["reasoning_content"] = BETWEEN_THOUGHTS.join(thoughts)
    return message


_SAYING: Final = frozenset(("tool_calls", "audio"))
"""Members beside which content is null where there is none; else it is empty."""


def _attach(part: Media, message: dict[str, Any]) -> None:
    name, value = write_media(part)
    if name == "images":
        message.setdefault("images", []).append(value)
    else:
        message[name] = value


def _cite(part: Text, offset: int, message: dict[str, Any]) -> None:
    if part.signature:
        message["extra_content"] = signature_member(part.signature)
    for citation in part.citations:
        written = write_citation(citation, offset, len(part.text))
        if written is not None:
            message.setdefault("annotations", []).append(written)
