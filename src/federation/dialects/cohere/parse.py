"""From a client's body to the canonical call.

The body was glanced at: top-level types are right, no key stands twice. What is read here is
what the glance left raw. Documents of the call become parts of the last user message, which
is what they are about; the encoder lifts them out again.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.cohere.tables import KNOWN, NAME, NULL, Format, Thinking
from federation.dialects.cohere.turns_read import read_document, read_messages
from federation.dialects.function_tools import read_tool
from federation.dialects.tokenizer import wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import (
    NONE,
    REQUIRED,
    USER,
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Fields, Media

_Object = dict[str, Raw]


class _Body(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    messages: list[_Object] = []
    tools: list[Raw] | None = None
    strict_tools: bool | None = None
    documents: list[Raw] | None = None
    citation_options: _Object | None = None
    response_format: Format | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    k: int | None = None
    p: float | None = None
    logprobs: bool | None = None
    tool_choice: str | None = None
    thinking: Thinking | None = None


_BODY: Final = msgspec.json.Decoder(_Body)
_STRING: Final = msgspec.json.Decoder(str)
_CHOICES: Final = {"REQUIRED": ToolChoice(REQUIRED), "NONE": ToolChoice(NONE)}
_UNCITED: Final = frozenset(("OFF", "DISABLED"))


def parse(request: ClientRequest, glance: Glance) -> ChatRequest:
    """Read a call that was glanced at. Raises `InvalidRequest` with the field."""
    try:
        body = _BODY.decode(request.body)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "") from None
    messages = read_messages(body.messages)
    if body.documents:
        _place_documents(messages, body)
    return ChatRequest(
        NAME,
        body.model or "",
        tuple(messages),
        body.stream is True,
        tools=_tools(body),
        tool_choice=_choice(body.tool_choice),
        format=_format(body.response_format),
        sampling=Sampling(
            temperature=body.temperature,
            top_p=body.p,
            top_k=body.k,
            frequency_penalty=body.frequency_penalty,
            presence_penalty=body.presence_penalty,
            seed=body.seed,
            stop=tuple(body.stop_sequences or ()),
            logprobs=body.logprobs,
        ),
        max_output=body.max_tokens,
        reasoning=_reasoning(body.thinking),
        extra=_extra(request, glance, body),
    )


def _extra(request: ClientRequest, glance: Glance, body: _Body) -> Fields:
    extra = {
        name: Raw(request.body[span.value : span.end])
        for name, span in glance.spans.items()
        if name not in KNOWN
    }
    if body.strict_tools is not None and not body.tools:
        extra["strict_tools"] = Raw(b"true" if body.strict_tools else b"false")
    return {name: value for name, value in extra.items() if value != NULL}


def _place_documents(messages: list[Message], body: _Body) -> None:
    """Put the call's documents in front of the last question."""
    cite = _mode(body.citation_options) not in _UNCITED
    asked = [place for place, message in enumerate(messages) if message.role == USER]
    if not asked:
        raise InvalidRequest(
            "'documents' need a user message that asks about them.", param="documents"
        )
    found: tuple[Media, ...] = tuple(
        read_document(raw, f"documents[{index}]", cite=cite)
        for index, raw in enumerate(body.documents or ())
    )
    last = messages[asked[-1]]
    messages[asked[-1]] = structs.replace(last, parts=(*found, *last.parts))


def _mode(options: dict[str, Raw] | None) -> str:
    raw = (options or {}).get("mode", NULL)
    try:
        return "" if raw == NULL else _STRING.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "citation_options.mode") from None


def _tools(body: _Body) -> tuple[Tool, ...]:
    return tuple(
        read_tool(raw, f"tools[{index}]", body.strict_tools)
        for index, raw in enumerate(body.tools or ())
    )


def _choice(value: str | None) -> ToolChoice | None:
    if value is None:
        return None
    choice = _CHOICES.get(value)
    if choice is None:
        raise _unknown("tool_choice", value, "REQUIRED or NONE, or be left out")
    return choice


def _format(found: Format | None) -> OutputFormat | None:
    if found is None:
        return None
    if found.type == "text":
        return OutputFormat("text")
    if found.type != "json_object":
        raise _unknown("response_format.type", found.type, "text or json_object")
    schema = found.schema
    if schema == NULL:
        return OutputFormat("json")
    return OutputFormat("schema", schema)


def _reasoning(found: Thinking | None) -> Reasoning | None:
    if found is None:
        return None
    if found.type not in ("enabled", "disabled"):
        raise _unknown("thinking.type", found.type, "enabled or disabled")
    return Reasoning(enabled=found.type == "enabled", budget=found.token_budget)


def _unknown(param: str, value: Any, allowed: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{param}' is '{str(value)[:64]}', and must be {allowed}.",
        code="invalid_value",
        param=param,
    )
