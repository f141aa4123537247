"""Reads a client's messages into canonical turns.

Pictures come as bare base64, so their kind is read off their first bytes; they stand before
the text, which is where the server puts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Raw, structs

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


@dataclass(frozen=True, slots=True)
class _Open:
    """A call that has no result yet."""

    turn: int
    part: int
    call: ToolCall
    named: bool
    """Whether its id is the client's; otherwise we made it."""


def read_messages(raws: list[Raw]) -> list[Message]:
    """The turns of a conversation. Raises `InvalidRequest` that names message and member."""
    messages: list[Message] = []
    waiting: list[_Open] = []
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
            answered = _answered(found, waiting)
            if answered is not None:
                _adopt(messages, answered, found.tool_call_id)
            parts: tuple[Part, ...] = (_result(found, index, answered),)
        else:
            parts = _parts(found, index, where)
            if found.role == ASSISTANT and found.tool_calls:
                waiting = _opened(found.tool_calls, parts, index)
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


def _opened(calls: list[_Call], parts: tuple[Part, ...], turn: int) -> list[_Open]:
    made = [(place, part) for place, part in enumerate(parts) if isinstance(part, ToolCall)]
    return [
        _Open(turn, place, part, bool(call.id))
        for call, (place, part) in zip(calls, made, strict=True)
    ]


def _answered(found: _Message, waiting: list[_Open]) -> _Open | None:
    """The call that a result answers, taken off the list: the one whose id it names; else, of
    those without an id or for a result without one, the first of its tool."""
    name, call_id = found.tool_name, found.tool_call_id
    fits = (one for one in waiting if call_id and one.named and one.call.id == call_id)
    answered = next(fits, None)
    if answered is None:
        free = (one for one in waiting if not (call_id and one.named))
        answered = next((one for one in free if not name or one.call.name == name), None)
    if answered is not None:
        waiting.remove(answered)
    return answered


def _adopt(messages: list[Message], answered: _Open, call_id: str | None) -> None:
    """Give a call without an id the one that its result names.

    Some clients keep our ids for results only. Such an id is worth more than one that we make:
    it may carry the state of the reasoning that led to the call.
    """
    if answered.named or not call_id:
        return
    turn = messages[answered.turn]
    parts = list(turn.parts)
    parts[answered.part] = structs.replace(answered.call, id=call_id)
    messages[answered.turn] = structs.replace(turn, parts=tuple(parts))


def _result(found: _Message, index: int, answered: _Open | None) -> ToolResult:
    parts: list[Text | Media | Foreign] = [*read_images(found.images or (), "images")]
    if found.content is not None:
        parts.append(Text(found.content))
    call_id, name = found.tool_call_id or f"call_{index}", found.tool_name or ""
    if answered is not None:
        call_id, name = found.tool_call_id or answered.call.id, name or answered.call.name
    return ToolResult(call_id, tuple(parts), name)


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
