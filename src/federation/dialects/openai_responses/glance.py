"""Reads a call without taking it apart: what routing, money and rules must know.

`input` may be missing where something stored stands in for it. Usage always comes with this
API's streams, so every stream counts as asking for it. Leaving `store` out means true to the
vendor; here it means nothing, for we always say which it is when we pass a call on.

Reference: https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.fields import Fields, read_fields
from federation.dialects.malformed import missing
from federation.dialects.openai_responses.fields import (
    NULL,
    inner,
    items_of,
    needed_text,
)
from federation.dialects.openai_responses.tables import (
    FIELDS,
    FREE_TOOLS,
    GOVERNED,
    HOLDING_TOOLS,
    LIMIT,
    LISTED,
    OBJECTS,
)
from federation.dialects.openai_responses.tally import Tally, read_input
from federation.dialects.tokenizer import Members, layout, members
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_FIELDS: Final = Fields(FIELDS, GOVERNED, LISTED | {"input", "federation"}, OBJECTS)
_STAND_IN: Final = ("previous_response_id", "conversation", "prompt")
_NO_EFFORT: Final = frozenset((None, "", "none"))
_LOOSE_CHOICE: Final = frozenset((None, "auto", "none"))


def glance(request: ClientRequest) -> Glance:
    """Look at a call. Raises `InvalidRequest` with the field, and the byte where known;
    `PayloadTooLarge` for a body of too many values."""
    found, spans, end = layout(request.body)
    tally = _read_input(found)
    values, governed, unlisted = read_fields(found, _FIELDS)
    governed += tuple(dict.fromkeys(tally.governed))
    unlisted += tuple(dict.fromkeys(tally.unlisted))
    text = tally.text + (len(found["instructions"]) if values.get("instructions") else 0)
    tools: list[Raw] = values.get("tools") or []
    if tools:
        text += len(found["tools"])
        governed += _hosted_tools(tools)
    get = values.get
    stream = get("stream") is True
    ask = read_ask(found.get("federation"), request.headers)
    return Glance(
        get("model"),
        stream,
        stream,
        get(LIMIT),
        1,
        tally.items,
        text,
        tally.images,
        tally.audio,
        tally.files,
        len(tools),
        _needs(values, len(tools)),
        governed,
        unlisted,
        ask,
        spans,
        end,
        ask.user or get("user") or get("safety_identifier") or "",
    )


def _read_input(found: Members) -> Tally:
    raw = found.get("input", NULL)
    if raw != NULL:
        return read_input(raw)
    if all(found.get(name, NULL) == NULL for name in _STAND_IN):
        raise missing("input")
    return Tally()


def _hosted_tools(tools: list[Raw], path: str = "tools") -> tuple[str, ...]:
    """Governed names of the tools that the caller does not run itself."""
    names: dict[str, None] = {}
    for index, raw in enumerate(tools):
        where = f"{path}[{index}]"
        if bytes(raw)[:1] != b"{":
            inner(raw, where)
        found = members(bytes(raw), where)
        name = needed_text(found, "type", where)
        if name == HOLDING_TOOLS and path == "tools":
            held = items_of(found, "tools", where)
            names.update(dict.fromkeys(_hosted_tools(held, f"{where}.tools")))
        elif name not in FREE_TOOLS:
            names[f"tools.{name[:64]}"] = None
    return tuple(names)


def _needs(values: dict[str, Any], tools: int) -> tuple[str, ...]:
    needs: tuple[str, ...] = ()
    if tools:
        needs += ("tools",)
        if _forces(values.get("tool_choice")):
            needs += ("forced_tools",)
    text = values.get("text")
    if text is not None and text.format != NULL:
        shape = members(bytes(text.format), "text.format") if bytes(text.format)[:1] == b"{" else {}
        if shape.get("type") == _SCHEMA:
            needs += ("json_schema",)
    reasoning = values.get("reasoning")
    if reasoning is not None and reasoning.effort not in _NO_EFFORT:
        needs += ("reasoning",)
    return needs


def _forces(choice: Any) -> bool:
    if isinstance(choice, dict):
        return choice.get("mode") != _AUTO
    return choice not in _LOOSE_CHOICE


_AUTO: Final = Raw(b'"auto"')
_SCHEMA: Final = Raw(b'"json_schema"')
