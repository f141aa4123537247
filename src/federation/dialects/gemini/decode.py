"""From a provider's whole answer to the canonical one.

A prompt that the host refused has no candidates and says so beside them: that is an answer
that ended by a filter, not a garbled one. Function calls without an id get one from the
answer's own.
"""

from __future__ import annotations

from msgspec import structs

from federation.dialects.gemini.answers import (
    FEEDBACK,
    Candidate,
    block_reason,
    created_s,
    extra_of,
    finish_of,
    read_event,
    response_extra,
    whole_usage,
)
from federation.dialects.gemini.grounding import read_citations
from federation.dialects.gemini.ids import answer_id
from federation.dialects.gemini.logprobs import read_logprobs
from federation.dialects.gemini.names import NULL, tidy
from federation.dialects.gemini.read_parts import read_answered_call, read_part
from federation.dialects.gemini.tables import NAME
from federation.dialects.gemini.wire import Wire
from federation.dialects.whole import digest
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.chat import FILTER, ChatResponse, Choice
from federation.schema.parts import Citation, Part, Text


def decode(wire: Wire, body: bytes) -> ChatResponse:
    """Read a whole answer. Raises as `answers.read_event` does."""
    event = read_event(wire, body)
    answer_name = event.response_id or ""
    calls_name = answer_name or digest(body)
    try:
        choices = tuple(
            _choice(candidate, place, calls_name)
            for place, candidate in enumerate(event.candidates or ())
        )
    except InvalidRequest:
        raise UpstreamGarbled(f"{wire.deployment} answered with a part of no kind.") from None
    if not choices:
        raw = event.prompt_feedback
        choices = (Choice(0, (), FILTER, block_reason(event), detail=raw, extra={FEEDBACK: raw}),)
    elif event.prompt_feedback != NULL:
        first = choices[0]
        extra = {**first.extra, FEEDBACK: event.prompt_feedback}
        choices = (structs.replace(first, extra=extra), *choices[1:])
    return ChatResponse(
        NAME,
        answer_name,
        event.model_version or "",
        choices,
        created_s(event),
        whole_usage(event),
        extra=response_extra(event),
    )


def _choice(candidate: Candidate, place: int, answer_name: str) -> Choice:
    index = candidate.index if candidate.index is not None else place
    parts: list[Part] = []
    calls = 0
    found = candidate.content.parts if candidate.content is not None else None
    for part in found or ():
        part = tidy(part, "")
        if "functionCall" in part:
            parts.append(read_answered_call(part, answer_id(answer_name, index, calls)))
            calls += 1
        else:
            parts.append(read_part(part, ""))
    reason = candidate.finish_reason or ""
    ratings = candidate.safety_ratings
    probabilities = candidate.logprobs_result
    return Choice(
        index,
        _cited(candidate, parts),
        finish_of(reason, called=calls > 0),
        reason,
        detail=ratings if ratings != NULL else None,
        logprobs=read_logprobs(probabilities) if probabilities != NULL else None,
        extra=extra_of(candidate),
    )


def _cited(candidate: Candidate, parts: list[Part]) -> tuple[Part, ...]:
    """The parts with the citations that the grounding gives them."""
    grounding, recited = candidate.grounding_metadata, candidate.citation_metadata
    if grounding == NULL and recited == NULL:
        return tuple(parts)
    texts = [part.text if isinstance(part, Text) else "" for part in parts]
    found = read_citations(grounding, recited, texts)
    by_part: dict[int, list[Citation]] = {}
    for place, citation in found:
        by_part.setdefault(place, []).append(citation)
    return tuple(
        structs.replace(part, citations=tuple(by_part[place]))
        if isinstance(part, Text) and place in by_part
        else part
        for place, part in enumerate(parts)
    )
