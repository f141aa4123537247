"""Reads a call of this dialect into the canonical form.

What the API keeps under `text`, `reasoning` and `include` has places of its own in the
canonical form; only what is unknown there stays behind as an extra. A call that leans on
something stored at a provider (an earlier response, a conversation, a prompt template)
cannot be read: whoever holds the store puts the items in first (`state`).

Reference: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.malformed import missing
from federation.dialects.openai_responses.fields import (
    NULL,
    decoded,
    inner,
    needed_text,
    rest,
    text,
)
from federation.dialects.openai_responses.parse_items import parse_input
from federation.dialects.openai_responses.parse_tools import parse_choice, parse_tools
from federation.dialects.openai_responses.tables import ENCRYPTED, FIELDS, LOGPROBS, NAME
from federation.dialects.tokenizer import Members
from federation.errors import InvalidRequest
from federation.schema.chat import (
    SYSTEM,
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
)
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Fields, Text

INSTRUCTIONS: Final = "instructions"
"""In a message's `extra`: it is the call's `instructions`."""

_TRUE: Final = Raw(b"true")
_BODY: Final = msgspec.json.Decoder(Members)
_FLAG: Final = msgspec.json.Decoder(bool | None)

_READ: Final = frozenset(
    (
        "background",
        "federation",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
    )
)
STORED: Final = ("previous_response_id", "conversation", "prompt")
"""Fields that name something stored."""
_KINDS: Final = {"text": "text", "json_object": "json", "json_schema": "schema"}


def parse(request: ClientRequest, glance: Glance) -> ChatRequest:
    """The canonical form of a call that was glanced at. Raises `InvalidRequest` with the
    field, also for one that names something stored at a provider."""
    found = _BODY.decode(request.body)
    _refuse_stored(found)
    extra = rest(found, _READ)
    if extra.get("truncation") == Raw(b'"disabled"'):
        del extra["truncation"]
    logprobs = _read_include(found, extra)
    output, verbosity = _read_text(found, extra)
    tools = parse_tools(found.get("tools"))
    get = _reader(found)
    return ChatRequest(
        NAME,
        glance.model or "",
        _read_messages(found),
        glance.stream,
        True,
        tools,
        parse_choice(found.get("tool_choice"), extra),
        get("parallel_tool_calls"),
        output,
        Sampling(
            get("temperature"),
            get("top_p"),
            logprobs=logprobs,
            top_logprobs=get("top_logprobs"),
        ),
        get("max_output_tokens"),
        _read_reasoning(found, extra),
        verbosity,
        user=_user(get("user"), get("safety_identifier"), extra),
        metadata=get("metadata") or {},
        service_tier=get("service_tier") or "",
        store=get("store"),
        cache_key=get("prompt_cache_key") or "",
        extra=extra,
    )


def _refuse_stored(found: Members) -> None:
    for name in STORED:
        if found.get(name, NULL) != NULL:
            raise InvalidRequest(
                f"'{name}' names something that is stored elsewhere, and this call must be "
                "translated for its provider. Send its content in 'input' instead.",
                code="not_resolvable",
                param=name,
            )


def _reader(found: Members) -> Any:
    def get(name: str) -> Any:
        raw = found.get(name)
        return None if raw is None else decoded(FIELDS[name], raw, name)

    return get


def _user(user: str | None, identifier: str | None, extra: Fields) -> str:
    """The end user, by either of two names; both are kept where a call says both."""
    if user or not identifier:
        return user or ""
    del extra["safety_identifier"]
    return identifier


def _read_messages(found: Members) -> tuple[Message, ...]:
    raw = found.get("input")
    if raw is None or raw == NULL:
        raise missing("input")
    messages = parse_input(raw)
    instructions = text(found, "instructions", "")
    if not instructions:
        return messages
    setting = Message(SYSTEM, (Text(instructions),), extra={INSTRUCTIONS: _TRUE})
    return (setting, *messages)


def _read_include(found: Members, extra: Fields) -> bool | None:
    """Whether log probabilities are asked for; what nothing here reads stays an extra."""
    raw = found.get("include")
    names: list[str] = decoded(FIELDS["include"], raw, "include") or [] if raw is not None else []
    others = [name for name in names if name not in (ENCRYPTED, LOGPROBS)]
    if others:
        extra["include"] = Raw(msgspec.json.encode(others))
    return True if LOGPROBS in names else None


def _read_text(found: Members, extra: Fields) -> tuple[OutputFormat | None, str]:
    raw = found.get("text")
    if raw is None or raw == NULL:
        return None, ""
    options = inner(raw, "text")
    others = rest(options, frozenset(("format", "verbosity")))
    if others:
        extra["text"] = Raw(msgspec.json.encode(others))
    verbosity = text(options, "verbosity", "text")
    held = options.get("format", NULL)
    if held == NULL:
        return None, verbosity
    wanted = inner(held, "text.format")
    word = needed_text(wanted, "type", "text.format")
    kind = _KINDS.get(word)
    if kind is None:
        raise InvalidRequest(
            f"'text.format.type' must be one of {', '.join(_KINDS)}.",
            code="invalid_value",
            param="text.format.type",
        )
    schema = wanted.get("schema", NULL)
    if kind == "schema" and schema == NULL:
        raise missing("text.format.schema")
    strict = wanted.get("strict")
    return OutputFormat(
        kind,
        schema if schema != NULL else None,
        text(wanted, "name", "text.format"),
        text(wanted, "description", "text.format"),
        None if strict is None else decoded(_FLAG, strict, "text.format.strict"),
    ), verbosity


def _read_reasoning(found: Members, extra: Fields) -> Reasoning | None:
    raw = found.get("reasoning")
    if raw is None or raw == NULL:
        return None
    options = inner(raw, "reasoning")
    others = rest(options, frozenset(("effort", "summary", "generate_summary")))
    if others:
        extra["reasoning"] = Raw(msgspec.json.encode(others))
    where = "reasoning"
    summary = text(options, "summary", where) or text(options, "generate_summary", where)
    return Reasoning(
        text(options, "effort", where), summary=summary, show=True if summary else None
    )
