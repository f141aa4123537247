"""Tool calls of the past whose arguments are no JSON object, for dialects that have objects there.

Models break off in the middle of arguments, and programs send such a call back with every later
turn: refused, the conversation could never go on. The text is put whole into an object, where
the model still reads what it wrote.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.schema.chat import ChatRequest, Message
from federation.schema.parts import FUNCTION, Part, ToolCall

MEMBER: Final = "unreadable_arguments"
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])


def with_objects(request: ChatRequest) -> ChatRequest:
    """The call with broken arguments in an object; itself where there are none."""
    messages = tuple([_message(message) for message in request.messages])
    same = all(new is old for new, old in zip(messages, request.messages, strict=True))
    return request if same else structs.replace(request, messages=messages)


def _message(message: Message) -> Message:
    parts = tuple([_part(part) for part in message.parts])
    same = all(new is old for new, old in zip(parts, message.parts, strict=True))
    return message if same else structs.replace(message, parts=parts)


def _part(part: Part) -> Part:
    if not isinstance(part, ToolCall) or part.kind != FUNCTION or not part.arguments.strip():
        return part
    try:
        _OBJECT.decode(part.arguments.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = msgspec.json.encode({MEMBER: part.arguments.encode(errors="replace").decode()})
        return structs.replace(part, arguments=whole.decode())
    return part
