"""Reads a client's messages into canonical turns.

A plan stands before everything else that an assistant said, and its calls behind it: that is
the order in which the models write them, whatever the order of the members. `signature` and
`sealed` in a block are ours: states of another provider, which a client gives back with it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.cohere.citations import attach
from federation.dialects.cohere.tables import MARK, NAME, NULL, PLAN
from federation.dialects.foreign_parts import refuse_stranger
from federation.dialects.malformed import missing
from federation.dialects.tokenizer import wrong_type
from federation.schema.chat import ASSISTANT, TOOL, Message
from federation.schema.parts import (
    FILE,
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

_Object = dict[str, Raw]


class _Image(msgspec.Struct):
    url: str
    detail: str | None = None


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    thinking: str | None = None
    image_url: _Image | str | None = None
    document: Raw = NULL
    signature: str = ""
    sealed: str = ""


class _Function(msgspec.Struct):
    name: str = ""
    arguments: str | None = None


class _Call(msgspec.Struct):
    id: str = ""
    type: str | None = None
    function: _Function | None = None


class _Document(msgspec.Struct):
    data: dict[str, Any] | str = ""
    id: str | None = None


_CONTENT: Final = msgspec.json.Decoder(str | list[Raw] | None)
_PART: Final = msgspec.json.Decoder(_Part)
_CALLS: Final = msgspec.json.Decoder(list[_Call] | None)
_RAWS: Final = msgspec.json.Decoder(list[Raw] | None)
_WORD: Final = msgspec.json.Decoder(str | None)
_DOCUMENT: Final = msgspec.json.Decoder(str | _Document)
_STRING: Final = msgspec.json.Decoder(str)
_PLAIN: Final = frozenset(("role", "content"))
_OF_ASSISTANT: Final = _PLAIN | {"tool_calls", "tool_plan", "citations"}
_OF_TOOL: Final = _PLAIN | {"tool_call_id"}
_NO_TEXT: Final = (Text(""),)


def read_messages(items: list[_Object]) -> list[Message]:
    """The turns of a conversation. Raises `InvalidRequest` that names message and member."""
    messages: list[Message] = []
    for index, item in enumerate(items):
        role = _STRING.decode(item["role"])
        where = f"messages[{index}]"
        if role == ASSISTANT:
            messages.append(_assistant(item, where))
            continue
        parts = _content(item.get("content"), f"{where}.content")
        if role == TOOL:
            extra = _rest(item, _OF_TOOL)
            parts = (_result(item, parts, where),)
        else:
            extra = _rest(item, _PLAIN)
        messages.append(Message(role, parts, extra=extra))
    return messages


def _rest(item: _Object, known: frozenset[str]) -> Fields:
    if len(item) <= len(known) and known.issuperset(item):
        return {}
    return {name: value for name, value in item.items() if name not in known}


def _assistant(item: _Object, where: str) -> Message:
    content = list(_content(item.get("content"), f"{where}.content"))
    if len(item) == 2 and "content" in item:
        return Message(ASSISTANT, tuple(content))
    extra = _rest(item, _OF_ASSISTANT)
    if "citations" in item:
        left = attach(content, _decoded(_RAWS, item["citations"], f"{where}.citations") or ())
        if left:
            extra["citations"] = joined(left)
    parts: list[Part] = []
    plan = _decoded(_WORD, item.get("tool_plan"), f"{where}.tool_plan")
    if plan:
        parts.append(Thinking(plan, extra={PLAN: MARK}))
    parts += content
    calls = _decoded(_CALLS, item.get("tool_calls"), f"{where}.tool_calls") or ()
    for number, call in enumerate(calls):
        parts.append(_call(call, f"{where}.tool_calls[{number}]"))
    return Message(ASSISTANT, tuple(parts), extra=extra)


def _call(call: _Call, place: str) -> ToolCall:
    function = call.function
    if function is None or not function.name:
        raise missing(f"{place}.function.name")
    if not call.id:
        raise missing(f"{place}.id")
    return ToolCall(call.id, function.name, function.arguments or "")


def _result(item: _Object, parts: tuple[Part, ...], where: str) -> ToolResult:
    call_id = _decoded(_WORD, item.get("tool_call_id"), f"{where}.tool_call_id")
    if not call_id:
        raise missing(f"{where}.tool_call_id")
    return ToolResult(
        call_id, tuple(part for part in parts if isinstance(part, Text | Media | Foreign))
    )


def _content(raw: Raw | None, where: str) -> tuple[Part, ...]:
    if raw is None:
        return ()
    found = _decoded(_CONTENT, raw, where)
    if found is None:
        return ()
    if isinstance(found, str):
        return (Text(found),) if found else _NO_TEXT
    return tuple(_part(part, f"{where}[{index}]") for index, part in enumerate(found))


def _part(raw: Raw, where: str) -> Part:
    found: _Part = _decoded(_PART, raw, where)
    kind = found.type
    if kind == "text":
        if found.text is None:
            raise missing(f"{where}.text")
        return Text(found.text, signature=found.signature)
    if kind == "thinking":
        if found.thinking is None:
            raise missing(f"{where}.thinking")
        return Thinking(found.thinking, found.signature, found.sealed)
    if kind == "image_url":
        if found.image_url is None:
            raise missing(f"{where}.image_url")
        return _image(found.image_url)
    if kind == "document":
        if found.document == NULL:
            raise missing(f"{where}.document")
        return read_document(found.document, f"{where}.document")
    refuse_stranger(kind or "", where, (), "text, image_url or document")
    return Foreign(NAME, raw)


def _image(found: _Image | str) -> Media:
    url, detail = (found, "") if isinstance(found, str) else (found.url, found.detail or "")
    if url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        media_type, _, coding = head.rpartition(";")
        if comma and coding == "base64":
            return Media(IMAGE, media_type, data, detail=detail)
    return Media(IMAGE, url=url, detail=detail)


def read_document(raw: Raw, where: str, *, cite: bool = True) -> Media:
    """A document: a string, or an object with an id and free-form data."""
    found = _decoded(_DOCUMENT, raw, where)
    if isinstance(found, str):
        return Media(FILE, "text/plain", text=found, cite=cite)
    data = found.data
    extra = {"document": raw}
    if isinstance(data, str):
        return Media(FILE, "text/plain", text=data, name=found.id or "", cite=cite, extra=extra)
    title, text = data.get("title"), data.get("text")
    name = title if isinstance(title, str) else found.id or ""
    if not isinstance(text, str) or len(data) > (2 if "title" in data else 1):
        text = msgspec.json.encode(data).decode()
    return Media(FILE, "text/plain", text=text, name=name, cite=cite, extra=extra)


def joined(raws: list[Raw]) -> Raw:
    """An array of values, each as it came."""
    return Raw(b"[%b]" % b",".join([bytes(raw) for raw in raws]))


def _decoded(decoder: msgspec.json.Decoder[Any], raw: Raw | None, where: str) -> Any:
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, where) from None
