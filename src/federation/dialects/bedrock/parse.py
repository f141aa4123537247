"""A client's body as a canonical request; the glance has refused duplicates before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.bedrock.blocks import read_blocks
from federation.dialects.bedrock.reasoning import read_wish
from federation.dialects.bedrock.tables import FIELDS, NAME, Inference
from federation.dialects.bedrock.tools import read_format, read_tools
from federation.dialects.tokenizer import wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import ASSISTANT, SYSTEM, TOOL, USER, ChatRequest, Message, Sampling
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Fields, Part, ToolCall, ToolResult


class _Message(msgspec.Struct):
    role: str
    content: list[dict[str, Raw]]


_BODY: Final = msgspec.json.Decoder(dict[str, Raw])
_MESSAGES: Final = msgspec.json.Decoder(list[_Message])
_BLOCKS: Final = msgspec.json.Decoder(list[dict[str, Raw]] | None)
_COUNT: Final[msgspec.json.Decoder[int | None]] = msgspec.json.Decoder(int | None)
_READ: Final = frozenset(
    ("messages", "system", "inferenceConfig", "toolConfig", "outputConfig", "serviceTier",
     "requestMetadata", "additionalModelRequestFields", "federation", "modelId")
)  # fmt: skip


class _Nova(msgspec.Struct, rename="camel"):
    top_k: int | None = None


_NOVA: Final[msgspec.json.Decoder[_Nova | None]] = msgspec.json.Decoder(_Nova | None)


def parse(request: ClientRequest, glance: Glance) -> ChatRequest:
    """Read a call that was glanced at. Raises `InvalidRequest` with the field."""
    found = _BODY.decode(request.body)
    values = _values(found)
    extra: Fields = {name: raw for name, raw in found.items() if name not in _READ}
    makers = dict(values.get("additionalModelRequestFields") or {})
    output, config = values.get("outputConfig"), values.get("toolConfig")
    tools, choice = read_tools(config) if config is not None else ((), None)
    effort = (output.effort or "") if output is not None else ""
    try:
        wish = read_wish(effort, makers)
        top_k = _read_top_k(makers)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "additionalModelRequestFields") from None
    if makers:
        extra["additionalModelRequestFields"] = Raw(msgspec.json.encode(makers))
    inference = values.get("inferenceConfig") or Inference()
    tier = values.get("serviceTier")
    return ChatRequest(
        NAME,
        glance.model or "",
        _read_system(found) + _read_messages(found["messages"]),
        stream=glance.stream,
        tools=tools,
        tool_choice=choice,
        format=read_format(output),
        sampling=Sampling(
            temperature=inference.temperature,
            top_p=inference.top_p,
            top_k=top_k,
            stop=tuple(inference.stop_sequences or ()),
        ),
        max_output=inference.max_tokens,
        reasoning=wish,
        user=glance.user,
        metadata=values.get("requestMetadata") or {},
        service_tier=tier.type if tier is not None else "",
        extra=extra,
    )


def _values(found: dict[str, Raw]) -> dict[str, Any]:
    name = ""
    try:
        values = {}
        for name, raw in found.items():
            decoder = FIELDS.get(name)
            if decoder is not None:
                values[name] = decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    return values


def _read_top_k(makers: dict[str, Raw]) -> int | None:
    """The k that is asked for, in the words of whichever maker; Nova's stays for its own."""
    if "inferenceConfig" in makers and (nova := _NOVA.decode(makers["inferenceConfig"])):
        return nova.top_k
    raw = makers.pop("top_k", None)
    return _COUNT.decode(raw) if raw is not None else None


def _read_system(found: dict[str, Raw]) -> tuple[Message, ...]:
    raw = found.get("system")
    if raw is None:
        return ()
    try:
        blocks = _BLOCKS.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "system") from None
    parts = read_blocks(blocks or [], "system")
    return (Message(SYSTEM, tuple(parts)),) if parts else ()


def _read_messages(raw: Raw) -> tuple[Message, ...]:
    try:
        items = _MESSAGES.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "messages") from None
    messages: list[Message] = []
    for index, item in enumerate(items):
        is_answer = item.role == ASSISTANT
        parts = read_blocks(item.content, f"messages[{index}].content", is_answer=is_answer)
        if is_answer:
            messages.append(Message(ASSISTANT, tuple(parts)))
        elif item.role == USER:
            messages += _user_turn(parts, index)
        else:
            messages.append(Message(SYSTEM, tuple(parts)))
    return tuple(messages)


def _user_turn(parts: list[Part], index: int) -> list[Message]:
    results = [part for part in parts if isinstance(part, ToolResult)]
    if not results:
        _check_user(parts, index)
        return [Message(USER, tuple(parts))]
    messages = [Message(TOOL, tuple(results))]
    rest = [part for part in parts if not isinstance(part, ToolResult)]
    _check_user(rest, index)
    if rest:
        messages.append(Message(USER, tuple(rest)))
    return messages


def _check_user(parts: Sequence[Part], index: int) -> None:
    if any(isinstance(part, ToolCall) for part in parts):
        param = f"messages[{index}].content"
        raise InvalidRequest(
            f"'{param}' holds a toolUse in a user turn; calls stand in assistant turns.",
            code="invalid_value",
            param=param,
        )
