"""Writes an answer as a legacy completion: text, and nothing else.

Reasoning and whatever else a chat model says has no place here and is left out.

Reference: https://platform.openai.com/docs/api-reference/completions/object
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from federation.dialects.openai.usage import write_usage
from federation.dialects.openai_completions.tables import ECHO
from federation.schema.chat import FILTER, LENGTH, ChatRequest, ChatResponse, Choice, TokenLogprob
from federation.schema.parts import Refusal, Text

FINISHES: Final = {LENGTH: "length", FILTER: "content_filter"}
"""Every other finish reason is `stop`: the language has no more."""


def render(response: ChatResponse, request: ChatRequest) -> bytes:
    """The body of a whole answer."""
    before = echoed(request)
    body: dict[str, Any] = {
        "id": response.id,
        "object": "text_completion",
        "created": response.created,
        "model": response.model,
        "choices": [_choice(choice, before) for choice in response.choices],
    }
    if response.usage is not None:
        body["usage"] = write_usage(response.usage)
    return msgspec.json.encode(body)


def echoed(request: ChatRequest) -> str:
    """The prompt, where the client wants the answer to begin with it."""
    first = request.messages[0]
    if ECHO not in first.extra:
        return ""
    return "".join(part.text for part in first.parts if isinstance(part, Text))


def _choice(choice: Choice, before: str) -> dict[str, Any]:
    text = "".join(part.text for part in choice.parts if isinstance(part, Text | Refusal))
    logprobs = None
    if choice.logprobs is not None:
        logprobs = write_logprobs(choice.logprobs, 0)
    return {
        "text": before + text,
        "index": choice.index,
        "logprobs": logprobs,
        "finish_reason": FINISHES.get(choice.finish, "stop"),
    }


def write_logprobs(tokens: Iterable[TokenLogprob], offset: int) -> dict[str, Any]:
    """Probabilities in the legacy form; `offset` is where the first token begins in the text."""
    names: list[str] = []
    values: list[float] = []
    tops: list[dict[str, float]] = []
    offsets: list[int] = []
    for token in tokens:
        names.append(token.token)
        values.append(token.logprob)
        tops.append({top.token: top.logprob for top in token.top})
        offsets.append(offset)
        offset += len(token.token)
    return {
        "tokens": names,
        "token_logprobs": values,
        "top_logprobs": tops,
        "text_offset": offsets,
    }
