"""Reads a chat request without taking it apart: what routing, money and rules must know.

The conversation's contents stay raw: a text's length is that of its JSON bytes, which a bound
may be. Documents of the call are text like any other, for they are put into the prompt.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.cohere.tables import FIELDS, GOVERNED, LISTED, NULL, OBJECTS, ROLES
from federation.dialects.fields import Fields, hosted_tools, read_fields
from federation.dialects.malformed import check_number, missing, read_role, read_string
from federation.dialects.storage import FILE_FIELD, names_storage
from federation.dialects.tokenizer import layout, objects
from federation.errors import InvalidRequest
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

_ROLES: Final = {f'"{role}"'.encode(): role for role in ROLES}
_FIELDS: Final = Fields(FIELDS, GOVERNED, LISTED | {"messages", "federation"}, OBJECTS)
_QUOTE, _BRACKET = 0x22, 0x5B
_TEXT: Final = Raw(b'"text"')
_IMAGE: Final = Raw(b'"image_url"')
_LISTED_PARTS: Final = frozenset((b'"text"', b'"image_url"', b'"thinking"', b'"document"'))
MESSAGES: Final = 10_000
"""Most messages in a call."""


class _Tally(msgspec.Struct):
    messages: int = 0
    text: int = 0
    images: int = 0
    unlisted: dict[str, None] = {}
    governed: tuple[str, ...] = ()


def glance(request: ClientRequest) -> Glance:
    """Look at a chat call. Raises `InvalidRequest` with the field, and the byte where known;
    `PayloadTooLarge` for a body of too many values."""
    found, spans, end = layout(request.body)
    raw_messages = found.get("messages")
    if raw_messages is None:
        raise missing("messages")
    tally = _read_messages(raw_messages)
    values, governed, unlisted = read_fields(found, _FIELDS)
    tools = values.get("tools") or ()
    if tools:
        tally.text += len(found["tools"])
        governed += hosted_tools(tools)
    if values.get("documents"):
        tally.text += len(found["documents"])
    stream = values.get("stream") is True
    ask = read_ask(found.get("federation"), request.headers)
    return Glance(
        values.get("model"),
        stream,
        stream,
        values.get("max_tokens"),
        1,
        tally.messages,
        tally.text,
        tally.images,
        0,
        0,
        len(tools),
        _needs(values),
        governed + tally.governed,
        unlisted + tuple(tally.unlisted),
        ask,
        spans,
        end,
        ask.user,
    )


def _needs(values: dict[str, Any]) -> tuple[str, ...]:
    needs: tuple[str, ...] = ()
    if values.get("tools"):
        needs += ("tools",)
        if values.get("tool_choice") == "REQUIRED":
            needs += ("forced_tools",)
    wanted = values.get("response_format")
    if wanted is not None and wanted.schema != NULL:
        needs += ("json_schema",)
    thinking = values.get("thinking")
    if thinking is not None and thinking.type == "enabled":
        needs += ("reasoning",)
    return needs


def _read_messages(raw: Raw) -> _Tally:
    """Count a conversation. Raises `InvalidRequest` that names the message and member."""
    items = objects(raw, "messages")
    check_number(items, "messages", MESSAGES)
    tally = _Tally(len(items))
    for index, item in enumerate(items):
        role = read_role(item.get("role"), index, _ROLES)
        content = item.get("content")
        if content is None:
            if role != "assistant":
                raise missing(f"messages[{index}].content")
        else:
            data = bytes(content)
            if data[0] == _QUOTE:
                tally.text += len(data) - 2
            elif data[0] == _BRACKET:
                _read_parts(content, f"messages[{index}].content", tally)
            elif data != b"null" or role != "assistant":
                raise _wrong_content(f"messages[{index}].content")
        if len(item) > 2:
            tally.text += sum(
                len(value) for name, value in item.items() if name not in ("role", "content")
            )
    return tally


def _read_parts(raw: Raw, where: str, tally: _Tally) -> None:
    for index, part in enumerate(objects(raw, where)):
        place = f"{where}[{index}]"
        kind = part.get("type")
        if kind is None:
            raise missing(f"{place}.type")
        if kind == _TEXT:
            text = part.get("text")
            tally.text += len(text) if text is not None else 0
        elif kind == _IMAGE:
            tally.images += 1
            if not tally.governed and names_storage(part, place):
                tally.governed = (FILE_FIELD,)
        else:
            tally.text += sum(len(value) for value in part.values())
            if bytes(kind) not in _LISTED_PARTS:
                name = read_string(kind, f"{place}.type")
                tally.unlisted[f"content.{name[:64]}"] = None


def _wrong_content(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{param}' must be a string or an array of parts.", code="invalid_type", param=param
    )
