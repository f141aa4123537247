"""A provider's `GenerateContentResponse`, whole or as one event of a stream: the same shape.

Read are the members that the official types name; the parts stay members by name, because
any of them may carry what only this dialect knows.

Reference: https://ai.google.dev/api/generate-content#generatecontentresponse
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.gemini.errors import error_in_answer
from federation.dialects.gemini.grounding import count_searches
from federation.dialects.gemini.names import NULL
from federation.dialects.gemini.tables import FINISHES
from federation.dialects.gemini.usage import read_usage
from federation.dialects.gemini.wire import Wire
from federation.dialects.tokenizer import Members
from federation.dialects.whole import MOST_PARTS, Few
from federation.errors import UpstreamGarbled
from federation.schema.chat import OTHER, STOP, TOOL_CALLS
from federation.schema.glance import Answer
from federation.schema.parts import Fields
from federation.schema.usage import Usage

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
FEEDBACK: Final = "promptFeedback"


class Content(msgspec.Struct):
    """What a candidate says."""

    parts: Few[Members] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One of the answers."""

    content: Content | None = None
    finish_reason: str | None = None
    index: int | None = None
    safety_ratings: Raw = NULL
    citation_metadata: Raw = NULL
    grounding_metadata: Raw = NULL
    url_context_metadata: Raw = NULL
    avg_logprobs: Raw = NULL
    token_count: Raw = NULL
    finish_message: Raw = NULL
    continuation_token: Raw = NULL
    logprobs_result: Raw = NULL


class Event(msgspec.Struct, rename="camel"):
    """A whole answer, or a piece of one."""

    candidates: Few[Candidate] | None = None
    usage_metadata: Raw = NULL
    model_version: str | None = None
    response_id: str | None = None
    prompt_feedback: Raw = NULL
    error: Raw = NULL
    create_time: str | None = None
    model_status: Raw = NULL


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


EVENT: Final = msgspec.json.Decoder(Event)
_FEEDBACK: Final = msgspec.json.Decoder(_Feedback)

_KEPT: Final = (
    ("citation_metadata", "citationMetadata"),
    ("grounding_metadata", "groundingMetadata"),
    ("url_context_metadata", "urlContextMetadata"),
    ("avg_logprobs", "avgLogprobs"),
    ("token_count", "tokenCount"),
    ("finish_message", "finishMessage"),
    ("continuation_token", "continuationToken"),
)


def decoded(text: bytes) -> Event:
    """The answer or event in this JSON. Raises one of `UNREADABLE`."""
    if not text.isascii():
        # What stays raw is not looked into by the parser, and must be text later.
        text.decode()
    event = EVENT.decode(text)
    candidates = event.candidates or ()
    if len(candidates) > 1 and sum(map(_size, candidates)) > MOST_PARTS:
        raise msgspec.ValidationError("the candidates hold too many parts")
    return event


def _size(candidate: Candidate) -> int:
    content = candidate.content
    return len(content.parts or ()) if content is not None else 0


def read_event(wire: Wire, body: bytes) -> Event:
    """A whole answer. Raises `UpstreamGarbled` where it is none, and the error that stands
    in it where a host answers 200 with an error inside."""
    try:
        event = decoded(body)
    except UNREADABLE:
        inside = error_in_answer(wire, body)
        if inside is not None:
            raise inside from None
        raise UpstreamGarbled(f"{wire.deployment} answered with something unreadable.") from None
    if event.error != NULL:
        inside = error_in_answer(wire, body)
        if inside is not None:
            raise inside
    if not event.candidates and not block_reason(event):
        raise UpstreamGarbled(f"{wire.deployment} answered without candidates.")
    return event


def read_answer(wire: Wire, body: bytes) -> Answer:
    """What matters of a whole answer that is forwarded; raises as `read_event` does."""
    event = read_event(wire, body)
    return Answer(event.model_version or "", first_reason(event), whole_usage(event))


def whole_usage(event: Event) -> Usage | None:
    """The usage of a whole answer, searches included."""
    usage = read_usage(event.usage_metadata) if event.usage_metadata != NULL else None
    found = event.candidates or ()
    return with_searches(usage, sum(count_searches(one.grounding_metadata) for one in found))


def with_searches(usage: Usage | None, count: int) -> Usage | None:
    """The usage with the searches that are billed beside tokens."""
    if usage is None or not count:
        return usage
    return structs.replace(usage, units={"web_search": count})


def first_reason(event: Event) -> str:
    """The provider's word for why the first answer ended, or for why there is none."""
    if event.candidates:
        return event.candidates[0].finish_reason or ""
    return block_reason(event)


def block_reason(event: Event) -> str:
    """Why the prompt was refused; empty where it was not."""
    raw = event.prompt_feedback
    if raw == NULL:
        return ""
    try:
        return _FEEDBACK.decode(raw).block_reason or ""
    except UNREADABLE:
        return ""


def extra_of(candidate: Candidate) -> Fields:
    """What only this dialect knows of an answer."""
    return {name: value for member, name in _KEPT if (value := getattr(candidate, member)) != NULL}


def finish_of(reason: str, *, called: bool) -> str:
    """The canonical finish; the vendor says STOP also where functions are called."""
    finish = FINISHES.get(reason, OTHER) if reason else STOP
    return TOOL_CALLS if called and finish == STOP else finish


def response_extra(event: Event) -> Fields:
    """What only this dialect knows of the whole."""
    extra: Fields = {}
    if event.create_time:
        extra["createTime"] = Raw(msgspec.json.encode(event.create_time))
    if event.model_status != NULL:
        extra["modelStatus"] = event.model_status
    return extra


def created_s(event: Event) -> int:
    """When the answer was made, in Unix seconds; 0 where nobody says."""
    if not event.create_time:
        return 0
    try:
        return int(datetime.fromisoformat(event.create_time).timestamp())
    except (ValueError, OverflowError, OSError):
        return 0
