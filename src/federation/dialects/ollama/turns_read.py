"""Reads a client's messages into canonical turns.

Pictures come as bare base64, so their kind is read off their first bytes; they stand before
the text, which is where the server puts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.malformed import missing
from federation.dialects.ollama.states import State, split
from federation.dialects.ollama.tables import NULL
from federation.dialects.tokenizer import wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import ASSISTANT, TOOL, Message
from federation.schema.parts import (
    IMAGE,
    Fields,
    Foreign,
    Media,
    Part,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)


class _Function(msgspec.Struct):
    name: str = ""
    arguments: Raw = NULL


class _Call(msgspec.Struct):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    thinking_states: list[State] = []


class _Strict(_Message, forbid_unknown_fields=True):
    """A message with nothing in it that we do not know: nearly every one."""


_STRICT: Final = msgspec.json.Decoder(_Strict)
_MESSAGE: Final = msgspec.json.Decoder(_Message)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_STRING: Final = msgspec.json.Decoder(str)
_KNOWN: Final = frozenset(_Message.__struct_fields__)
_KINDS: Final = (
    ("iVBORw", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)
_Open = list[tuple[str, str]]
"""Calls that have no result yet: id and tool."""


def read_messages(raws: list[Raw]) -> list[Message]:
    """The turns of a conversation. Raises `InvalidRequest` that names message and member."""
    messages: list[Message] = []
    waiting: _Open = []
    for index, raw in enumerate(raws):
        where = f"messages[{index}]"
        extra: Fields = {}
        found: _Message
        try:
            found = _STRICT.decode(raw)
        except msgspec.ValidationError:
            try:
                found = _MESSAGE.decode(raw)
            except msgspec.ValidationError as error:
                raise wrong_type(error, where) from None
            members = _OBJECT.decode(raw)
            extra = {name: value for name, value in members.items() if name not in _KNOWN}
        if found.role == TOOL:
            parts: tuple[Part, ...] = (_result(found, index, waiting),)
        else:
            parts = _parts(found, index, where)
            if found.role == ASSISTANT and found.tool_calls:
                waiting = [(part.id, part.name) for part in parts if isinstance(part, ToolCall)]
        messages.append(Message(found.role, parts, extra=extra))
    return messages


def _parts(found: _Message, index: int, where: str) -> tuple[Part, ...]:
    content = found.content
    plain = found.images is None and found.thinking is None and found.tool_calls is None
    if plain and not found.thinking_states:
        return (Text(content),) if content is not None else ()
    parts: list[Part] = []
    if found.thinking_states:
        parts += split(found.thinking or "", found.thinking_states)
    elif found.thinking:
        parts.append(Thinking(found.thinking))
    parts += read_images(found.images or (), f"{where}.images")
    if content:
        parts.append(Text(content))
    for number, call in enumerate(found.tool_calls or ()):
        parts.append(_call(call, f"call_{index}_{number}", f"{where}.tool_calls[{number}]"))
    return tuple(parts)


def _call(call: _Call, made_id: str, place: str) -> ToolCall:
    function = call.function
    if function is None or not function.name:
        param = f"{place}.function.name"
        raise missing(param)
    data = bytes(function.arguments)
    if data == b"null":
        arguments = "{}"
    elif data[:1] == b"{":
        arguments = data.decode()
    elif data[:1] == b'"':
        arguments = _STRING.decode(data)
    else:
        param = f"{place}.function.arguments"
        raise InvalidRequest(f"'{param}' must be an object.", code="invalid_type", param=param)
    return ToolCall(call.id or made_id, function.name, arguments)


def _result(found: _Message, index: int, waiting: _Open) -> ToolResult:
    """A tool's result, with the call that it answers: the one named, else the first open call
    of the same tool, else the first open call."""
    name = found.tool_name or ""
    call_id = found.tool_call_id
    at = next(
        (place for place, (_, tool) in enumerate(waiting) if not name or tool == name),
        None if name else 0,
    )
    if call_id:
        at = next((place for place, (known, _) in enumerate(waiting) if known == call_id), None)
    if at is not None and at < len(waiting):
        matched, tool = waiting.pop(at)
        call_id, name = call_id or matched, name or tool
    parts: list[Text | Media | Foreign] = [*read_images(found.images or (), "images")]
    if found.content is not None:
        parts.append(Text(found.content))
    return ToolResult(call_id or f"call_{index}", tuple(parts), name)


def read_images(images: Iterable[str], where: str) -> list[Media]:
    """Pictures given as base64."""
    found: list[Media] = []
    for index, data in enumerate(images):
        if not data or data.startswith(("http://", "https://", "data:")):
            param = f"{where}[{index}]"
            raise InvalidRequest(
                f"'{param}' must be a picture's bytes as base64, not an address.",
                code="invalid_value",
                param=param,
            )
        kind = next((kind for head, kind in _KINDS if data.startswith(head)), "")
        found.append(Media(IMAGE, kind, data))
    return found
