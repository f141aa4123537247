"""Writes a whole answer for a client of this dialect.

Only the first answer has a place. An answer of this dialect gets back what it said about
usage, probabilities and citations as it came; an answer of another is put into these words.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.cohere.citations import write_citation
from federation.dialects.cohere.logprobs import write_logprob
from federation.dialects.cohere.tables import NAME, PLAN, REASONS
from federation.dialects.cohere.usage import write_usage
from federation.schema.chat import STOP, ChatRequest, ChatResponse, Choice
from federation.schema.parts import Foreign, Part, Refusal, Text, Thinking, ToolCall

_RAWS: Final = msgspec.json.Decoder(list[Raw])
_NOTHING: Final = Choice(0, ())


def render(response: ChatResponse, request: ChatRequest) -> bytes:
    """Write a whole answer in the client's words."""
    del request
    own = response.dialect == NAME
    choice = response.choices[0] if response.choices else _NOTHING
    extra = choice.extra if own else {}
    body: dict[str, Any] = {
        "id": response.id,
        "message": _message(choice, extra, own=own),
        "finish_reason": word_for(choice.finish, choice.reason if own else "", choice),
    }
    if response.usage is not None:
        body["usage"] = extra.get("usage") or write_usage(response.usage)
    if choice.logprobs is not None:
        body["logprobs"] = extra.get("logprobs") or [
            write_logprob(token) for token in choice.logprobs
        ]
    return msgspec.json.encode(body)


def word_for(finish: str, reason: str, end: Any) -> str:
    """The finish reason in this dialect's words."""
    if reason:
        return reason
    if finish == STOP and end.stop_sequence is not None:
        return "STOP_SEQUENCE"
    return REASONS.get(finish, "COMPLETE")


def _message(choice: Choice, extra: dict[str, Raw], *, own: bool) -> dict[str, Any]:
    content: list[Any] = []
    citations: list[Any] = []
    for part in choice.parts:
        if isinstance(part, Text):
            citations += [
                write_citation(item, len(content), own=own, text=part.text)
                for item in part.citations
            ]
        item = _block(part)
        if item is not None:
            content.append(item)
    plans = [p.text for p in choice.parts if isinstance(p, Thinking) and PLAN in p.extra]
    calls = [write_call(part) for part in choice.parts if isinstance(part, ToolCall)]
    if "citations" in extra:
        citations += _RAWS.decode(extra["citations"])
    message: dict[str, Any] = {"role": "assistant"}
    if content:
        message["content"] = content
    if plans:
        message["tool_plan"] = "\n".join(plans)
    if calls:
        message["tool_calls"] = calls
    if citations:
        message["citations"] = citations
    return message


def _block(part: Part) -> Any:
    """A part as a block of content; None for one whose place is elsewhere, or nowhere."""
    if isinstance(part, Text):
        return {"type": "text", "text": part.text} | state_of(part.signature, "")
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text}
    if isinstance(part, Thinking) and PLAN not in part.extra:
        thought = {"type": "thinking", "thinking": part.text}
        return thought | state_of(part.signature, part.sealed)
    if isinstance(part, Foreign) and part.dialect == NAME:
        return part.raw
    return None


def state_of(signature: str, sealed: str) -> dict[str, str]:
    """Members beside the vendor's own in which a block carries a foreign provider's state."""
    state = {"signature": signature, "sealed": sealed}
    return {name: value for name, value in state.items() if value}


def write_call(part: ToolCall) -> dict[str, Any]:
    """A whole tool call."""
    return {
        "id": part.id,
        "type": "function",
        "function": {"name": part.name, "arguments": part.arguments},
    }
