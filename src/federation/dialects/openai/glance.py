"""Reads a chat request without taking it apart: what routing, money and rules must know.

Two passes over the bytes and no more: one lays the body out, one counts the messages. The
values of other fields are decoded one by one from their own bytes, so that an error names
its field.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.fields import Fields, read_fields
from federation.dialects.malformed import missing, read_string
from federation.dialects.openai.messages import Tally, read_messages
from federation.dialects.openai.tables import (
    FIELDS,
    FREE_TOOLS,
    GOVERNED,
    LISTED,
    OBJECTS,
)
from federation.dialects.tokenizer import Members, layout, members
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_OURS: Final = frozenset(("messages", "federation"))
_FIELDS: Final = Fields(FIELDS, GOVERNED, LISTED | _OURS, OBJECTS)
_NO_EFFORT: Final = frozenset((None, "", "none"))
_LOOSE_CHOICE: Final = frozenset((None, "auto", "none"))
_NOTHING: Final[tuple[str, ...]] = ()


def glance(request: ClientRequest) -> Glance:
    """Look at a chat call. Raises `InvalidRequest` with the field, and the byte where known;
    `PayloadTooLarge` for a body of too many values."""
    found, spans, end = layout(request.body)
    raw_messages = found.get("messages")
    if raw_messages is None:
        raise missing("messages")
    tally = read_messages(raw_messages)
    values, governed, unlisted = read_fields(found, _FIELDS)
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


def _hosted_tools(tools: list[Raw]) -> tuple[str, ...]:
    """Governed names of the tools that the caller does not run itself."""
    names: dict[str, None] = {}
    for index, raw in enumerate(tools):
        where = f"tools[{index}]"
        found = members(bytes(raw), where)
        kind = found.get("type")
        if kind is None:
            raise missing(f"{where}.type")
        name = read_string(kind, f"{where}.type")
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
