"""Writes a whole answer for a client of the chat or the generate call.

A call's arguments must be an object for these clients. What is none (a custom tool's text, or
JSON that the model did not finish) is put into one as `input`, so that nothing is lost.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.ollama.moments import write_moment
from federation.dialects.ollama.states import joined, member, state_of
from federation.dialects.ollama.tables import FINISH, GENERATE, NAME, REASONS
from federation.dialects.ollama.usage import DURATIONS, write_usage
from federation.schema.chat import ChatRequest, ChatResponse, Choice, TokenLogprob
from federation.schema.parts import IMAGE, Fields, Media, Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_NOTHING: Final = Choice(0, ())


def render(response: ChatResponse, request: ChatRequest) -> bytes:
    """Write a whole answer in the client's words."""
    own = response.dialect == NAME
    choice = response.choices[0] if response.choices else _NOTHING
    body: dict[str, Any] = {
        "model": response.model or request.model,
        "created_at": moment_of(response.created, response.extra if own else {}),
    }
    if request.dialect == GENERATE:
        body["response"] = said(choice.parts)
        if thoughts := thought(choice.parts):
            body["thinking"] = thoughts
    else:
        body["message"] = _message(choice.parts)
    body["done"] = True
    if choice.logprobs is not None:
        body["logprobs"] = [write_logprob(token) for token in choice.logprobs]
    body |= ending(
        choice.finish, choice.reason if own else "", response.usage, choice.extra if own else {}
    )
    return msgspec.json.encode(body)


def moment_of(created: int, extra: Fields) -> Any:
    """When the answer was made, as it was written where it is of this dialect."""
    return extra.get("created_at") or write_moment(created)


def ending(finish: str, reason: str, usage: Usage | None, extra: Fields) -> dict[str, Any]:
    """The members that only a final line has."""
    end: dict[str, Any] = {
        "done_reason": reason if reason in FINISH else REASONS.get(finish, "stop")
    }
    end |= {name: extra[name] for name in DURATIONS if name in extra}
    if usage is not None:
        end |= write_usage(usage)
    return end


def said(parts: tuple[Part, ...]) -> str:
    """The words of an answer."""
    texts = [part.text for part in parts if isinstance(part, Text | Refusal) and part.text]
    return "\n\n".join(texts)


def thought(parts: tuple[Part, ...]) -> str:
    """The reasoning of an answer."""
    return joined([part for part in parts if isinstance(part, Thinking)])


def _message(parts: tuple[Part, ...]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said(parts)}
    thoughts = [part for part in parts if isinstance(part, Thinking)]
    if text := joined(thoughts):
        message["thinking"] = text
    message |= member([state_of(part) for part in thoughts])
    images = [
        part.data for part in parts if isinstance(part, Media) and part.kind == IMAGE and part.data
    ]
    if images:
        message["images"] = images
    calls = [part for part in parts if isinstance(part, ToolCall)]
    if calls:
        message["tool_calls"] = [
            write_call(call.id, call.name, call.arguments, index)
            for index, call in enumerate(calls)
        ]
    return message


def write_call(call_id: str, name: str, arguments: str, index: int) -> dict[str, Any]:
    """A whole tool call."""
    return {
        "id": call_id,
        "function": {"index": index, "name": name, "arguments": _object(arguments)},
    }


def _object(arguments: str) -> Any:
    text = arguments.strip()
    if not text:
        return {}
    try:
        _OBJECT.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {"input": arguments}
    return Raw(text.encode())


def write_logprob(token: TokenLogprob) -> dict[str, Any]:
    """A token with its alternatives."""
    item: dict[str, Any] = {"token": token.token, "logprob": token.logprob}
    if token.bytes is not None:
        item["bytes"] = token.bytes
    if token.top:
        item["top_logprobs"] = [
            {"token": top.token, "logprob": top.logprob}
            | ({"bytes": top.bytes} if top.bytes is not None else {})
            for top in token.top
        ]
    return item
