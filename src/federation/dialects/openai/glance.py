"""Reads a chat request without taking it apart: what routing, money and rules must know.

Two passes over the bytes and no more: one lays the body out, one counts the messages. The
values of other fields are decoded one by one from their own bytes, so that an error names
its field.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.openai.messages import Tally, read_messages
from federation.dialects.openai.tables import (
    FIELDS,
    FREE_TOOLS,
    GOVERNED,
    LISTED,
    OBJECTS,
)
from federation.dialects.tokenizer import Members, layout, members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_STRING: Final = msgspec.json.Decoder(str)
_NO_EFFORT: Final = frozenset((None, "", "none"))
_LOOSE_CHOICE: Final = frozenset((None, "auto", "none"))
_NOTHING: Final[tuple[str, ...]] = ()


def glance(request: ClientRequest) -> Glance:
    """Look at a chat call. Raises `InvalidRequest` with the field, and the byte where known;
    `PayloadTooLarge` for a body of too many values."""
    found, spans, end = layout(request.body)
    raw_messages = found.get("messages")
    if raw_messages is None:
        raise InvalidRequest("'messages' is missing.", code="missing_field", param="messages")
    tally = read_messages(raw_messages)
    values, governed, unlisted = _read_fields(found)
    if tally.governed:
        governed += tuple(tally.governed)
    if tally.unlisted:
        unlisted += tuple(dict.fromkeys(tally.unlisted))
    tools = 0
    text = tally.text
    if values.get("tools"):
        tools = len(values["tools"])
        text += len(found["tools"])
        governed += _hosted_tools(values["tools"])
    if values.get("functions"):
        tools += len(values["functions"])
        text += len(found["functions"])
    get = values.get
    options = get("stream_options")
    stream = get("stream") is True
    ask = read_ask(found.get("federation"), request.headers)
    return Glance(
        get("model"),
        stream,
        stream and options is not None and options.include_usage is True,
        get("max_completion_tokens") or get("max_tokens"),
        get("n") or 1,
        tally.messages,
        text,
        tally.images,
        tally.audio,
        tally.files,
        tools,
        _needs(values, found, tools, tally),
        governed,
        unlisted,
        ask,
        spans,
        end,
        ask.user or get("user") or get("safety_identifier") or "",
    )


def _read_fields(found: Members) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """The values of known fields, the names of governed and of unlisted ones."""
    values: dict[str, Any] = {}
    governed = unlisted = _NOTHING
    name = ""
    try:
        for name, raw in found.items():
            decoder = FIELDS.get(name)
            if decoder is not None:
                value = values[name] = decoder.decode(raw)
                if name in _PLAIN:
                    continue
                if name in OBJECTS and value is not None:
                    members(bytes(raw), name)
            if name in GOVERNED:
                if not _is_neutral(name, raw):
                    governed += (name,)
            elif decoder is None and name not in _OURS and name not in LISTED:
                unlisted += (name,)
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    return values, governed, unlisted


_OURS: Final = frozenset(("messages", "federation"))
_PLAIN: Final = frozenset(FIELDS) - frozenset(GOVERNED) - frozenset(OBJECTS)
"""Fields that are done with once their type is right."""


def _is_neutral(name: str, raw: Raw) -> bool:
    data = bytes(raw)
    neutral = GOVERNED[name].neutral
    return data in neutral or (len(data) < 64 and b"".join(data.split()) in neutral)


def _hosted_tools(tools: list[Raw]) -> tuple[str, ...]:
    """Governed names of the tools that the caller does not run itself."""
    names: dict[str, None] = {}
    for index, raw in enumerate(tools):
        where = f"tools[{index}]"
        found = members(bytes(raw), where)
        kind = found.get("type")
        if kind is None:
            raise InvalidRequest(
                f"'{where}.type' is missing.", code="missing_field", param=f"{where}.type"
            )
        try:
            name = _STRING.decode(kind)
        except msgspec.ValidationError as error:
            raise wrong_type(error, f"{where}.type") from None
        if name not in FREE_TOOLS:
            names[f"tools.{name[:64]}"] = None
    return tuple(names)


def _needs(values: dict[str, Any], found: Members, tools: int, tally: Tally) -> tuple[str, ...]:
    needs: tuple[str, ...] = _NOTHING
    if tools:
        needs += ("tools",)
        choice = values.get("tool_choice")
        if isinstance(choice, dict) or choice not in _LOOSE_CHOICE:
            needs += ("forced_tools",)
    wanted = values.get("response_format")
    if wanted is not None and wanted.type == "json_schema":
        needs += ("json_schema",)
    if values.get("reasoning_effort") not in _NO_EFFORT:
        needs += ("reasoning",)
    if tally.prefill or found.get("continue_final_message") == _TRUE:
        needs += ("prefill",)
    return needs


_TRUE: Final = Raw(b"true")
