"""From a client's body to the canonical call.

Two things the wire leaves open are settled here. A function call may have no id: it gets
one from its place in the conversation. And a result without an id answers the first call of
its name that is still open. Whatever has no canonical place goes along in `extra`, for the
one dialect that can read it.

Reference: https://ai.google.dev/api/generate-content#method:-models.generatecontent
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.gemini.contents import instruction_parts, read_role, read_turns
from federation.dialects.gemini.glance import unwrapped
from federation.dialects.gemini.ids import is_placed, placed_id
from federation.dialects.gemini.names import tidy
from federation.dialects.gemini.own import GeminiRequest
from federation.dialects.gemini.parse_config import read_config
from federation.dialects.gemini.parse_tools import read_tool_choice, read_tools
from federation.dialects.gemini.paths import COUNT, STREAM, asked, is_long_form, wants_events
from federation.dialects.gemini.read_parts import (
    OBJECT,
    STRING,
    read_call,
    read_part,
    read_result,
    string,
)
from federation.dialects.gemini.tables import FIELDS, MODEL, NAME, USER
from federation.dialects.tokenizer import Members
from federation.errors import InvalidRequest
from federation.schema import chat
from federation.schema.chat import ChatRequest, Message
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Fields, Part, Text, Thinking, ToolCall, ToolResult

_OURS: Final = frozenset(
    (
        "contents",
        "federation",
        "generateContentRequest",
        "generationConfig",
        "labels",
        "model",
        "serviceTier",
        "store",
        "systemInstruction",
        "toolConfig",
        "tools",
    )
)
_CONFIG: Final = "generationConfig"
_TIERS: Final = {"standard": "default", "unspecified": "auto"}


def parse(request: ClientRequest, glance: Glance) -> ChatRequest:
    """Read a glanced-at call. Raises `InvalidRequest` with the field."""
    _, method = asked(request)
    found = tidy(OBJECT.decode(request.body), "")
    if method == COUNT:
        found = unwrapped(found)
    extra = {name: value for name, value in found.items() if name not in _OURS}
    settings = read_config(found.get(_CONFIG))
    if settings.extra:
        extra[_CONFIG] = Raw(msgspec.json.encode(settings.extra))
    choice = None
    if "toolConfig" in found:
        choice, left = read_tool_choice(found["toolConfig"])
        if left:
            extra["toolConfig"] = Raw(msgspec.json.encode(left))
    tier = string(found["serviceTier"], "", "serviceTier").lower() if "serviceTier" in found else ""
    return GeminiRequest(
        NAME,
        glance.model or "",
        _read_messages(found),
        stream=method == STREAM,
        tools=read_tools(found["tools"]) if "tools" in found else (),
        tool_choice=choice,
        format=settings.format,
        sampling=settings.sampling,
        max_output=settings.max_output,
        reasoning=settings.reasoning,
        modalities=settings.modalities,
        user=glance.user,
        metadata=FIELDS["labels"].decode(found["labels"]) if "labels" in found else {},
        service_tier=_TIERS.get(tier, tier),
        store=FIELDS["store"].decode(found["store"]) if "store" in found else None,
        extra=extra,
        array=method == STREAM and not wants_events(request),
        long_form=is_long_form(request),
    )


def _read_messages(found: Members) -> tuple[Message, ...]:
    messages: list[Message] = []
    if "systemInstruction" in found:
        where = "systemInstruction.parts"
        parts = _tidied(instruction_parts(found["systemInstruction"]), where)
        read = [read_part(part, f"{where}[{n}]") for n, part in enumerate(parts)]
        messages.append(Message(chat.SYSTEM, tuple(read)))
    calls = _Calls()
    answer: list[list[Part]] = []
    for index, turn in enumerate(read_turns(found["contents"])):
        role = read_role(turn.role, index)
        plain = _plain(turn.parts)
        if role == MODEL:
            answer.append(plain or _read_answer(turn.parts, index, calls))
            continue
        if answer:
            messages.append(Message(chat.ASSISTANT, _joined(answer)))
            answer = []
        if plain:
            messages.append(Message(chat.USER, tuple(plain)))
        else:
            messages += _read_turn(turn.parts, index, calls, role)
    if answer:
        messages.append(Message(chat.ASSISTANT, _joined(answer)))
    return tuple(messages)


def _joined(pieces: list[list[Part]]) -> tuple[Part, ...]:
    """An answer of one turn or of several: official clients and programs keep a streamed answer
    as the pieces in which it came, as turns or as parts, the last of them often empty."""
    if len(pieces) == 1 and not _in_pieces(pieces[0]):
        return tuple(pieces[0])
    joined: list[Part] = []
    texts: list[str] = []
    open_part: Text | Thinking | None = None
    for part in [part for piece in pieces for part in piece]:
        mergeable = isinstance(part, Text | Thinking) and not part.extra
        if open_part is not None and not (mergeable and type(part) is type(open_part)):
            _close(open_part, texts, joined)
            open_part = None
        if not isinstance(part, Text | Thinking) or part.extra:
            joined.append(part)
            continue
        texts.append(part.text)
        open_part = part
        if part.signature:
            _close(part, texts, joined)
            open_part = None
    if open_part is not None:
        _close(open_part, texts, joined)
    return tuple(joined)


def _in_pieces(parts: list[Part]) -> bool:
    return any(
        type(part) is type(after) and isinstance(part, Text | Thinking)
        for part, after in pairwise(parts)
    )


def _close(part: Text | Thinking, texts: list[str], joined: list[Part]) -> None:
    """End a run of texts with its last part, which alone may have a signature."""
    text = "".join(texts)
    texts.clear()
    if text or part.signature:
        joined.append(structs.replace(part, text=text))


def _plain(parts: list[Members]) -> list[Part]:
    """The parts of a turn that is nothing but text; nothing for any other turn."""
    for part in parts:
        if len(part) != 1 or "text" not in part:
            return []
    try:
        return [Text(STRING.decode(part["text"])) for part in parts]
    except msgspec.ValidationError:
        return []


def _tidied(parts: list[Members], where: str) -> list[Members]:
    return [
        part if len(part) == 1 and "text" in part else tidy(part, f"{where}[{index}]")
        for index, part in enumerate(parts)
    ]


def _read_answer(parts: list[Members], index: int, calls: _Calls) -> list[Part]:
    read: list[Part] = []
    for number, part in enumerate(_tidied(parts, f"contents[{index}].parts")):
        where = f"contents[{index}].parts[{number}]"
        if "functionCall" in part:
            call = read_call(part, where, placed_id(index, number))
            calls.opened(call)
            read.append(call)
        elif "functionResponse" in part:
            raise _misplaced(f"{where}.functionResponse", "user")
        else:
            read.append(read_part(part, where))
    return read


def _read_turn(parts: list[Members], index: int, calls: _Calls, role: str) -> list[Message]:
    """A user's turn: its results as one message, and what else it says as another."""
    results: list[Part] = []
    said: list[Part] = []
    for number, part in enumerate(_tidied(parts, f"contents[{index}].parts")):
        where = f"contents[{index}].parts[{number}]"
        if "functionResponse" in part:
            results.append(calls.answered(read_result(part, where), placed_id(index, number)))
        elif "functionCall" in part:
            raise _misplaced(f"{where}.functionCall", "model")
        else:
            said.append(read_part(part, where))
    extra: Fields = {} if role == USER else {"role": Raw(f'"{role}"'.encode())}
    messages = [Message(chat.TOOL, tuple(results), extra=extra)] if results else []
    if said or not results:
        messages.append(Message(chat.USER, tuple(said)))
    return messages


def _misplaced(param: str, role: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{param}' belongs into a content with the role {role}.",
        code="invalid_value",
        param=param,
    )


class _Calls:
    """The calls of a conversation that no result has answered yet, in their order."""

    def __init__(self) -> None:
        self._open: dict[str, str] = {}
        self._named: dict[str, dict[str, None]] = {}
        """By name the ids of its calls."""

    def opened(self, call: ToolCall) -> None:
        if self._open.get(call.id, call.name) != call.name:
            self._close(call.id)
        self._open[call.id] = call.name
        self._named.setdefault(call.name, {})[call.id] = None

    def answered(self, result: ToolResult, orphan_id: str) -> ToolResult:
        """The result under the id of the call that it answers."""
        if result.call_id in self._open:
            self._close(result.call_id)
            return result
        found = next(iter(self._named.get(result.name, ())), None)
        if found is None:
            return result if result.call_id else structs.replace(result, call_id=orphan_id)
        if result.call_id and not is_placed(found):
            return result
        self._close(found)
        return structs.replace(result, call_id=found)

    def _close(self, call_id: str) -> None:
        del self._named[self._open.pop(call_id)][call_id]
