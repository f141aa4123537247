"""Reads a client's conversation into canonical messages.

Reasoning of earlier turns comes back in whatever member its host or this gateway used.
The deprecated `function_call` and the role `function` are read as tool calls and results;
their ids, and those that a client left out, are made from the place of the call.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.malformed import missing
from federation.dialects.openai.details import DETAILS, read_details, thought_signature, weave
from federation.dialects.openai.parse_parts import (
    STRING,
    decoded,
    read_arguments,
    read_call,
    read_content,
    read_mark,
)
from federation.dialects.openai.words import NAME, REASONING_FIELDS
from federation.dialects.tokenizer import Members
from federation.errors import InvalidRequest
from federation.schema.chat import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message
from federation.schema.parts import (
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

_NULL: Final = Raw(b"null")
_CALLS: Final = msgspec.json.Decoder(list[Members] | None)
_OPTIONAL: Final = msgspec.json.Decoder(str | None)
_FUNCTION: Final = "function"
_ROLES: Final = {
    f'"{role}"'.encode(): role for role in (SYSTEM, DEVELOPER, USER, ASSISTANT, TOOL, _FUNCTION)
}
_SHARED: Final = frozenset(("role", "content", "name"))
_SAID: Final = _SHARED | {
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
    "reasoning_details",
    "extra_content",
    *REASONING_FIELDS,
}
_ANSWERED: Final = _SHARED | {"tool_call_id"}


class _Function(msgspec.Struct):
    name: str
    arguments: Raw = _NULL


_FUNCTION_CALL: Final = msgspec.json.Decoder(_Function | None)


def parse_messages(items: list[Members]) -> tuple[Message, ...]:
    """A conversation. Raises `InvalidRequest` that names the message and member."""
    messages: list[Message] = []
    for index, item in enumerate(items):
        raw = item.get("role")
        if raw is None:
            raise missing(f"messages[{index}].role")
        role = _ROLES.get(bytes(raw)) or decoded(STRING, raw, f"messages[{index}].role")
        if role == ASSISTANT:
            message = _assistant(item, index)
        elif role in (TOOL, _FUNCTION):
            message = _result(item, index, role, messages)
        else:
            message = _plain(item, index, role)
        messages.append(message)
    return tuple(messages)


def _plain(item: Members, index: int, role: str) -> Message:
    where = f"messages[{index}]"
    parts = tuple(read_content(item.get("content"), f"{where}.content"))
    if len(item) == 2 and "content" in item:
        return Message(role, parts)
    extra = {name: raw for name, raw in item.items() if name not in _SHARED}
    if "cache_control" in extra and parts and isinstance(parts[-1], Text | Media):
        parts = (*parts[:-1], structs.replace(parts[-1], cache=read_mark(item, where)))
    return Message(role, parts, _name(item, where), extra=extra)


def _name(item: Members, where: str) -> str:
    return decoded(_OPTIONAL, item.get("name", _NULL), f"{where}.name") or ""


def _assistant(item: Members, index: int) -> Message:
    where = f"messages[{index}]"
    parts = read_content(item.get("content"), f"{where}.content")
    if len(item) == 2 and "content" in item:
        return Message(ASSISTANT, tuple(parts))
    signature = thought_signature(item.get("extra_content"))
    if signature:
        _sign(parts, signature)
    refusal = decoded(_OPTIONAL, item.get("refusal", _NULL), f"{where}.refusal")
    if refusal:
        parts.append(Refusal(refusal))
    audio = item.get("audio", _NULL)
    if audio != _NULL:
        parts.append(Foreign(NAME, Raw(b'{"type":"audio","audio":%b}' % bytes(audio))))
    parts += _calls(item, index, where)
    woven = weave(_thoughts(item, where), parts)
    extra = {name: raw for name, raw in item.items() if name not in _SAID}
    return Message(ASSISTANT, woven, _name(item, where), extra=extra)


def _sign(parts: list[Part], signature: str) -> None:
    """The signature that a host gave for a message without tool calls is its text's."""
    for place in reversed(range(len(parts))):
        part = parts[place]
        if isinstance(part, Text):
            parts[place] = structs.replace(part, signature=signature)
            return
    parts.append(Text("", signature=signature))


def _thoughts(item: Members, where: str) -> list[tuple[int | None, Thinking]]:
    text = ""
    for name in REASONING_FIELDS:
        raw = item.get(name)
        if raw is not None and bytes(raw).startswith(b'"'):
            text = decoded(STRING, raw, f"{where}.{name}")
            break
    raw = item.get("reasoning_details", _NULL)
    if bytes(raw).startswith(b"["):
        found = read_details(decoded(DETAILS, raw, f"{where}.reasoning_details"), text)
        if found:
            return found
    return [(None, Thinking(text))] if text else []


def _calls(item: Members, index: int, where: str) -> list[Part]:
    found: list[Part] = []
    items = decoded(_CALLS, item.get("tool_calls", _NULL), f"{where}.tool_calls") or ()
    for place, entry in enumerate(items):
        call = read_call(entry, f"{where}.tool_calls[{place}]")
        found.append(call if call.id else structs.replace(call, id=f"call_{index}_{place}"))
    raw = item.get("function_call", _NULL)
    legacy = decoded(_FUNCTION_CALL, raw, f"{where}.function_call")
    if legacy is not None:
        arguments = read_arguments(legacy.arguments, f"{where}.function_call.arguments")
        found.append(ToolCall(f"call_{index}_{len(found)}", legacy.name, arguments))
    return found


def _result(item: Members, index: int, role: str, before: list[Message]) -> Message:
    where = f"messages[{index}]"
    name = _name(item, where)
    call_id = decoded(_OPTIONAL, item.get("tool_call_id", _NULL), f"{where}.tool_call_id") or ""
    if not call_id:
        call_id = _open_call(before, name)
    if not call_id:
        needed = "tool_call_id" if role == TOOL else "name"
        raise InvalidRequest(
            f"'{where}.{needed}' must name a tool call of an earlier assistant message.",
            code="missing_field",
            param=f"{where}.{needed}",
        )
    parts = tuple(read_content(item.get("content"), f"{where}.content"))
    for place, part in enumerate(parts):
        if not isinstance(part, Text | Media | Foreign):
            raise InvalidRequest(
                f"'{where}.content[{place}]' cannot stand in a tool's result.",
                code="invalid_value",
                param=f"{where}.content[{place}]",
            )
    kept = tuple(part for part in parts if isinstance(part, Text | Media | Foreign))
    extra = {other: raw for other, raw in item.items() if other not in _ANSWERED}
    cache = read_mark(item, where) if extra else None
    return Message(TOOL, (ToolResult(call_id, kept, name, cache=cache, extra=extra),))


def _open_call(before: list[Message], name: str) -> str:
    """The first call of the last assistant turn that has no result yet, of this tool where
    one is named."""
    answered: set[str] = set()
    for message in reversed(before):
        if message.role == TOOL:
            answered |= {part.call_id for part in message.parts if isinstance(part, ToolResult)}
        elif message.role == ASSISTANT:
            for part in message.parts:
                if (
                    isinstance(part, ToolCall)
                    and part.id not in answered
                    and (not name or part.name == name)
                ):
                    return part.id
            return ""
    return ""
