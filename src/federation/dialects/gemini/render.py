"""From a canonical answer to the body that a client of this dialect reads.

Reference: https://ai.google.dev/api/generate-content#generatecontentresponse
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from federation.dialects.gemini.answers import FEEDBACK
from federation.dialects.gemini.grounding import write_citations
from federation.dialects.gemini.ids import answer_id
from federation.dialects.gemini.logprobs import write_logprobs
from federation.dialects.gemini.own import GeminiRequest
from federation.dialects.gemini.show import (
    EMPTY,
    end_members,
    is_blocked,
    shown_call,
    shown_reason,
    shown_text,
    shown_whole,
)
from federation.dialects.gemini.tables import MALFORMED, MODEL, NAME
from federation.dialects.gemini.usage import write_usage
from federation.dialects.gemini.write_parts import Json
from federation.schema.chat import FILTER, ChatRequest, ChatResponse, Choice
from federation.schema.parts import Citation, Refusal, Text, Thinking, ToolCall


def render(response: ChatResponse, request: ChatRequest) -> bytes:
    """Write a whole answer in the client's words."""
    own = response.dialect == NAME
    long_form = isinstance(request, GeminiRequest) and request.long_form
    body: Json = {}
    candidates = [
        _candidate(choice, response.id, own=own, long_form=long_form)
        for choice in response.choices
        if not is_blocked(choice.finish, choice.extra, empty=not choice.parts, own=own)
    ]
    if candidates:
        body["candidates"] = candidates
    feedback = _feedback(response) if own else None
    if feedback is not None:
        body[FEEDBACK] = feedback
    if response.usage is not None:
        body["usageMetadata"] = write_usage(response.usage)
    body["modelVersion"] = response.model
    body["responseId"] = response.id
    if own:
        body.update(response.extra)
    return msgspec.json.encode(body)


def _feedback(response: ChatResponse) -> Raw | None:
    return next((one.extra[FEEDBACK] for one in response.choices if FEEDBACK in one.extra), None)


def _candidate(choice: Choice, answer_name: str, *, own: bool, long_form: bool) -> Json:
    parts, malformed = _parts(choice, answer_name, own=own)
    candidate: Json = {}
    if parts or choice.finish != FILTER:
        candidate["content"] = {"parts": parts or [EMPTY], "role": MODEL}
    candidate["finishReason"] = shown_reason(choice.finish, choice.reason, own=own)
    candidate["index"] = choice.index
    if malformed:
        candidate["finishReason"] = MALFORMED
        candidate["finishMessage"] = f"Malformed function call: {malformed}"
    if choice.logprobs is not None:
        candidate["logprobsResult"] = write_logprobs(choice.logprobs)
    candidate.update(end_members(choice.extra, choice.detail, own=own))
    if not own:
        cited = _cited(choice)
        if cited:
            candidate["citationMetadata"] = write_citations(cited, long_form=long_form)
    return candidate


def _parts(choice: Choice, answer_name: str, *, own: bool) -> tuple[list[Any], str]:
    """The parts, and the text of a call that cannot be one of them."""
    shown: list[Any] = []
    malformed = ""
    calls = 0
    for part in choice.parts:
        item: Json | None
        if isinstance(part, Text | Thinking):
            state = part.signature or (part.sealed if isinstance(part, Thinking) else "")
            item = shown_text(part, part.text, state, own=own) if part.text or state else None
        elif isinstance(part, Refusal):
            item = shown_text(part, part.text, "", own=own)
        elif isinstance(part, ToolCall):
            made = own and part.id == answer_id(answer_name, choice.index, calls)
            item = shown_call(part, "" if made else part.id, own=own)
            calls += 1
            if item is None:
                malformed = part.arguments[:1024]
        else:
            item = shown_whole(part, own=own)
        if item is not None:
            shown.append(item)
    return shown, malformed


def _cited(choice: Choice) -> list[tuple[str, Citation]]:
    """Citations with the text that each counts in."""
    return [
        (part.text, citation)
        for part in choice.parts
        if isinstance(part, Text)
        for citation in part.citations
    ]
