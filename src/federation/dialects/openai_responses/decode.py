"""Reads a provider's whole answer: into the canonical form, or only what matters of it.

An item that nothing here knows is foreign and goes along as it came; a message or a call that
cannot be read is none, for a client of another language would never hear of it. A response
that failed is an error, whatever its HTTP status.

Reference: https://platform.openai.com/docs/api-reference/responses/object
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.errors import error_inside
from federation.dialects.openai_responses.events import UNREADABLE
from federation.dialects.openai_responses.fields import NULL
from federation.dialects.openai_responses.logprobs import read_logprobs
from federation.dialects.openai_responses.read_items import (
    read_call,
    read_message,
    read_reasoning,
)
from federation.dialects.openai_responses.tables import CALLS, FINISH, MESSAGE, NAME, REASONING
from federation.dialects.openai_responses.usage import read_searches, read_usage
from federation.dialects.openai_responses.wire import Wire
from federation.dialects.whole import MOST_PARTS, Few, too_many
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.chat import (
    OTHER,
    STOP,
    TOOL_CALLS,
    ChatResponse,
    Choice,
    TokenLogprob,
)
from federation.schema.glance import Answer
from federation.schema.parts import Fields, Foreign, Part, Text, ToolCall
from federation.schema.usage import Usage

_SEARCH: Final = "web_search_call"
_SEARCH_TYPE: Final = Raw(b'"web_search_call"')
_LAST_SECOND: Final = 1e12


class Details(msgspec.Struct):
    """Why a response is incomplete."""

    reason: str | None = None


class Kind(msgspec.Struct):
    """An item, as far as its type."""

    type: str | None = None


class End(msgspec.Struct):
    """A response object, as far as its end goes."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    error: Raw = NULL
    incomplete_details: Details | None = None
    usage: Raw = NULL
    tool_usage: Raw = NULL
    service_tier: str | None = None


class Outcome(End):
    """The same, with the kinds of its items."""

    output: Few[Kind] | None = None


class _Whole(End):
    created_at: float | None = None
    output: Few[Fields] | None = None


_OUTCOME: Final = msgspec.json.Decoder(Outcome)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_TYPE: Final = msgspec.json.Decoder(str)

_READ: Final = frozenset(
    (
        "id",
        "created_at",
        "model",
        "output",
        "output_text",
        "usage",
        "status",
        "error",
        "incomplete_details",
        "service_tier",
    )
)
_SPEAKING: Final = frozenset(msgspec.json.encode(kind) for kind in (MESSAGE, *CALLS))
"""Kinds of items without which an answer is another one."""
_LISTS: Final = {MESSAGE: "content", REASONING: "summary"}
"""Kinds of items that hold parts, and where."""
OBJECT: Final = Raw(b'"response"')
LAST_MEMBERS: Final = frozenset(
    (
        "completed_at",
        "tool_usage",
        "moderation",
        "prompt_cache_diagnostics",
        "input_transformations",
    )
)
"""Members of a response that only the finished one has."""


def read_answer(wire: Wire, body: bytes) -> Answer:
    """Read a whole answer. Raises `UpstreamGarbled` where it is none, and the error that it
    holds where the response failed."""
    outcome = read_outcome(wire, body)
    if outcome.output is None:
        raise _empty(wire)
    return Answer(outcome.model or "", finish_word(outcome), usage_of(wire, outcome))


def read_outcome(wire: Wire, response: bytes | Raw) -> Outcome:
    """The end of a response. Raises `UpstreamGarbled` where it cannot be read, and the error
    of one that failed."""
    try:
        if isinstance(response, bytes) and not response.isascii():
            # What is kept raw is not looked at by the decoder, and is text all the same.
            response.decode()
        outcome = _OUTCOME.decode(response)
    except UNREADABLE:
        raise _garbled(wire) from None
    _check(wire, outcome)
    return outcome


def _check(wire: Wire, end: End) -> None:
    ended_well = end.status in ("completed", "incomplete")
    if end.status == "failed" or (end.error != NULL and not ended_well):
        raise error_inside(wire, end.error)


def _garbled(wire: Wire) -> UpstreamGarbled:
    return UpstreamGarbled(f"{wire.host.deployment} answered with something unreadable.")


def _empty(wire: Wire) -> UpstreamGarbled:
    return UpstreamGarbled(f"{wire.host.deployment} answered without output.")


def finish_word(end: End) -> str:
    """The provider's own word for why it ended."""
    details = end.incomplete_details
    return (details and details.reason) or end.status or ""


def usage_of(wire: Wire, outcome: Outcome) -> Usage | None:
    """The usage that a response states."""
    if outcome.usage == NULL:
        return None
    seen = sum([item.type == _SEARCH for item in outcome.output or ()])
    searches = read_searches(outcome.tool_usage, seen)
    return read_usage(wire, outcome.usage, searches, outcome.service_tier)


def finish_of(end: End, *, calls: bool) -> str:
    """Our finish for a response; `calls`: it asks for tools to be run."""
    if end.status == "incomplete":
        details = end.incomplete_details
        return FINISH.get((details and details.reason) or "", OTHER)
    if end.status not in (None, "completed"):
        return OTHER
    return TOOL_CALLS if calls else STOP


def decode(wire: Wire, body: bytes) -> ChatResponse:
    """Read a whole answer into the canonical form. Raises as `read_answer` does."""
    try:
        if not body.isascii():
            body.decode()
        whole, members = _WHOLE.decode(body), _MEMBERS.decode(body)
    except UNREADABLE:
        raise _garbled(wire) from None
    _check(wire, whole)
    if whole.output is None:
        raise _empty(wire)
    parts: list[Part] = []
    tokens: list[TokenLogprob] = []
    for item in whole.output:
        read_item(item, parts, tokens)
    begun, ended = extras_of(members)
    calls = any(isinstance(part, ToolCall) for part in parts)
    choice = Choice(
        0,
        tuple(parts),
        finish_of(whole, calls=calls),
        finish_word(whole),
        logprobs=tuple(tokens) or None,
        extra=ended,
    )
    usage: Usage | None = None
    if whole.usage != NULL:
        seen = sum([item.get("type") == _SEARCH_TYPE for item in whole.output])
        searches = read_searches(whole.tool_usage, seen)
        usage = read_usage(wire, whole.usage, searches, whole.service_tier)
    return ChatResponse(
        NAME,
        whole.id or "",
        whole.model or "",
        (choice,),
        seconds(whole.created_at),
        usage,
        whole.service_tier or "",
        begun,
    )


def seconds(moment: float | None) -> int:
    """A time of the provider in Unix seconds; 0 for one that makes no sense."""
    return int(moment) if moment is not None and 0 <= moment < _LAST_SECOND else 0


def extras_of(members: Fields) -> tuple[Fields, Fields]:
    """What a response says besides: from its beginning, and only at its end.

    Its `object` is always among the first, so that a stream's renderer knows whose it is.
    """
    begun: Fields = {"object": OBJECT}
    ended: Fields = {}
    for name, raw in members.items():
        if name not in _READ and raw != NULL:
            (ended if name in LAST_MEMBERS else begun)[name] = raw
    return begun, ended


def read_item(item: Fields, parts: list[Part], tokens: list[TokenLogprob]) -> None:
    """Add an item's parts and its text's probabilities.

    An item's status is left out: it says no more than the finish, and not in time in streams.
    """
    whole = item
    try:
        item = {name: raw for name, raw in whole.items() if name != "status"}
        kind = _TYPE.decode(item.get("type", NULL))
        if kind in _LISTS and too_many(item.get(_LISTS[kind], NULL)):
            raise UpstreamGarbled("The provider answered with too many parts.")
        if kind == MESSAGE:
            found = [_without_logprobs(part, tokens) for part in read_message(item, "output")]
            parts.extend(found)
        elif kind == REASONING:
            parts.extend(read_reasoning(item, "output"))
        elif kind in CALLS:
            parts.append(read_call(with_text(item, CALLS[kind]), kind, "output"))
        else:
            parts.append(_foreign(whole))
    except (InvalidRequest, msgspec.DecodeError, UnicodeDecodeError):
        if bytes(whole.get("type", NULL)) in _SPEAKING:
            raise UpstreamGarbled("The provider answered with an unreadable item.") from None
        parts.append(_foreign(whole))
    if len(parts) > MOST_PARTS:
        raise UpstreamGarbled("The provider answered with too many parts.")


def with_text(item: Fields, member: str) -> Fields:
    """The item with arguments as text, where a host gives the object that they stand for."""
    raw = bytes(item.get(member, NULL))
    if raw[:1] != b"{":
        return item
    return item | {member: Raw(msgspec.json.encode(raw.decode()))}


def _foreign(item: Fields) -> Foreign:
    return Foreign(NAME, Raw(msgspec.json.encode(item)))


def _without_logprobs(part: Part, tokens: list[TokenLogprob]) -> Part:
    """Probabilities belong to the choice, so that other dialects find them."""
    if not isinstance(part, Text) or "logprobs" not in part.extra:
        return part
    tokens.extend(read_logprobs(part.extra["logprobs"]))
    extra = {name: raw for name, raw in part.extra.items() if name != "logprobs"}
    return msgspec.structs.replace(part, extra=extra)
