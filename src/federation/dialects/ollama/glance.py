"""Reads a chat or generate request without taking it apart.

A call without `stream` is streamed. Contents stay raw: a text's length is that of its JSON
bytes, which a bound may be; pictures are counted and never decoded.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.fields import Fields, hosted_tools, read_fields
from federation.dialects.malformed import check_number, missing, read_role
from federation.dialects.ollama.tables import (
    FIELDS,
    GENERATE_FIELDS,
    GOVERNED,
    ROLES,
)
from federation.dialects.tokenizer import Members, layout, objects, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_STRINGS: Final = msgspec.json.Decoder(list[Raw] | None)
_LIMIT: Final = msgspec.json.Decoder(int | None)
_ROLES: Final = {f'"{role}"'.encode(): role for role in ROLES}
_OURS: Final = frozenset(("messages", "federation"))
_OBJECTS: Final = frozenset(("options",))
_CHAT: Final = Fields(FIELDS, GOVERNED, _OURS, _OBJECTS)
_GENERATE: Final = Fields(GENERATE_FIELDS, GOVERNED, _OURS, _OBJECTS)
_QUOTE: Final = 0x22
_EMPTY: Final = frozenset((None, "", False))
MESSAGES: Final = 10_000
"""Most messages in a call."""


class _Tally(msgspec.Struct):
    messages: int = 0
    text: int = 0
    images: int = 0


def glance(request: ClientRequest) -> Glance:
    """Look at a chat call. Raises `InvalidRequest` with the field, and the byte where known;
    `PayloadTooLarge` for a body of too many values."""
    found, spans, end = layout(request.body)
    raw_messages = found.get("messages")
    if raw_messages is None:
        raise missing("messages")
    tally = _read_messages(raw_messages)
    values, governed, unlisted = read_fields(found, _CHAT)
    return _glance(request, found, spans, end, tally, values, governed, unlisted)


def glance_generate(request: ClientRequest) -> Glance:
    """Look at a generate call; raises as `glance` does."""
    found, spans, end = layout(request.body)
    values, governed, unlisted = read_fields(found, _GENERATE)
    if not values.get("prompt"):
        raise missing("prompt")
    tally = _Tally(2 if values.get("system") else 1)
    tally.text = len(found["prompt"]) + (len(found["system"]) if values.get("system") else 0)
    tally.images = len(values.get("images") or ())
    return _glance(request, found, spans, end, tally, values, governed, unlisted)


def _glance(
    request: ClientRequest,
    found: Members,
    spans: Any,
    end: int,
    tally: _Tally,
    values: dict[str, Any],
    governed: tuple[str, ...],
    unlisted: tuple[str, ...],
) -> Glance:
    tools = values.get("tools") or ()
    if tools:
        tally.text += len(found["tools"])
        governed += hosted_tools(tools)
    stream = values.get("stream") is not False
    ask = read_ask(found.get("federation"), request.headers)
    return Glance(
        values.get("model"),
        stream,
        stream,
        _limit(values.get("options")),
        1,
        tally.messages,
        tally.text,
        tally.images,
        0,
        0,
        len(tools),
        _needs(values),
        governed,
        unlisted,
        ask,
        spans,
        end,
        ask.user,
    )


def _limit(options: dict[str, Raw] | None) -> int | None:
    """Most tokens of the answer; a negative number stands for no limit."""
    raw = (options or {}).get("num_predict")
    if raw is None:
        return None
    try:
        limit = _LIMIT.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, "options.num_predict") from None
    return limit if limit is not None and limit > 0 else None


def _needs(values: dict[str, Any]) -> tuple[str, ...]:
    needs: tuple[str, ...] = ()
    if values.get("tools"):
        needs += ("tools",)
    if isinstance(values.get("format"), dict):
        needs += ("json_schema",)
    if values.get("think") not in _EMPTY:
        needs += ("reasoning",)
    return needs


def _read_messages(raw: Raw) -> _Tally:
    """Count a conversation. Raises `InvalidRequest` that names the message and member."""
    items = objects(raw, "messages")
    check_number(items, "messages", MESSAGES)
    tally = _Tally(len(items))
    for index, item in enumerate(items):
        read_role(item.get("role"), index, _ROLES)
        content = item.get("content")
        if content is not None:
            data = bytes(content)
            if data[0] != _QUOTE and data != b"null":
                param = f"messages[{index}].content"
                raise InvalidRequest(
                    f"'{param}' must be a string; pictures stand in 'images'.",
                    code="invalid_type",
                    param=param,
                )
            tally.text += len(data) - 2
        if len(item) > 2:
            _read_rest(item, index, tally)
    return tally


def _read_rest(item: Members, index: int, tally: _Tally) -> None:
    for name, value in item.items():
        if name == "images":
            try:
                tally.images += len(_STRINGS.decode(value) or ())
            except msgspec.ValidationError as error:
                raise wrong_type(error, f"messages[{index}].images") from None
        elif name not in ("role", "content"):
            tally.text += len(value)
