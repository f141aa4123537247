"""Writes the messages of a canonical request as items of `input`.

What the API refuses must not be sent: reasoning that nothing seals, ids of items whose
reasoning is missing (the API looks for it by the id), content of an assistant that is no
text. An assistant's message needs an id only where it holds more than text, and then gets one
from its place; the API asks no more of it than the prefix.

Reference: https://platform.openai.com/docs/guides/conversation-state
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.openai_responses.parse import INSTRUCTIONS
from federation.dialects.openai_responses.read_items import MARK
from federation.dialects.openai_responses.tables import CALLER_ITEMS, NAME
from federation.dialects.openai_responses.wire import Wire
from federation.dialects.openai_responses.write_items import (
    Item,
    breakpoint_of,
    call_item,
    grouped,
    media_part,
    reasoning_item,
    words_part,
)
from federation.schema.chat import ASSISTANT, DEVELOPER, SYSTEM, TOOL, ChatRequest, Message
from federation.schema.parts import (
    AUDIO,
    CUSTOM,
    FILE,
    FUNCTION,
    IMAGE,
    CacheMark,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

_ID_LIMIT: Final = 64
_SOUNDS: Final = {"audio/mpeg": "mp3", "audio/mp3": "mp3"}


class _Kind(msgspec.Struct):
    type: str = ""


_KIND: Final = msgspec.json.Decoder(_Kind)


class ItemEncoder:
    """Writes one call's messages; `items` and `instructions` are the result."""

    def __init__(self, request: ChatRequest, wire: Wire, losses: Losses) -> None:
        self.items: list[Item | Raw] = []
        self.instructions = ""
        self._own = request.dialect == NAME
        self._stored = self._own and request.store is True
        self._wire = wire
        self._row = wire.host.row
        self._losses = losses
        self._marks_left = self._row.cache_marks
        self._kinds: dict[str, str] = {}
        """Kind of each call seen, for its result."""

    def encode(self, messages: tuple[Message, ...]) -> None:
        """Write the messages. Raises `InvalidRequest` for what the loss table refuses."""
        for index, message in enumerate(messages):
            if message.name:
                self._losses.note("message_name", f"messages[{index}].name")
            where = f"messages[{index}]"
            if message.role == ASSISTANT:
                self._assistant(message, where)
            elif message.role == TOOL:
                self._results(message.parts, where)
            elif message.role in (SYSTEM, DEVELOPER):
                self._setting(message, where)
            else:
                self._user(message, where)
        if messages and messages[-1].role == ASSISTANT and not self._own:
            self._note_prefill(messages[-1])

    def _note_prefill(self, message: Message) -> None:
        if any(isinstance(part, Text) and part.text for part in message.parts):
            self._losses.note("prefill", "messages")

    def _setting(self, message: Message, where: str) -> None:
        own = self._own and INSTRUCTIONS in message.extra
        if own or (self._wire.top_level and all(isinstance(p, Text) for p in message.parts)):
            words = "".join([part.text for part in message.parts if isinstance(part, Text)])
            self.instructions += f"\n\n{words}" if self.instructions else words
            return
        role = DEVELOPER if self._row.developer else message.role
        self._say(role, message, message.parts, where)

    def _user(self, message: Message, where: str) -> None:
        content: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._results((part,), where)
            elif isinstance(part, Foreign) and self._own and _is_item(part):
                self.items.append(part.raw)
            else:
                content.append(part)
        if content or not message.parts:
            self._say(message.role, message, tuple(content), where)

    def _say(self, role: str, message: Message, parts: tuple[Part, ...], where: str) -> None:
        item: Item = {"role": role}
        if self._own and message.extra:
            item = {"type": "message", **item}
        item["content"] = self._content(parts, where)
        if self._own:
            item.update(message.extra)
            if message.extra and isinstance(item["content"], str):
                item["content"] = [{"type": "input_text", "text": item["content"]}]
        self.items.append(item)

    def _content(self, parts: tuple[Part, ...], where: str) -> str | list[Any]:
        if len(parts) == 1 and isinstance(parts[0], Text):
            only = parts[0]
            if only.cache is None and not (self._own and only.extra):
                return only.text
        content: list[Any] = []
        for index, part in enumerate(parts):
            held = self._content_part(part, f"{where}.content[{index}]")
            if held is not None:
                content.append(held)
        return content

    def _content_part(self, part: Part, where: str) -> Item | Raw | None:
        match part:
            case Text() | Refusal():
                found: Item = {"type": "input_text", "text": part.text}
                if isinstance(part, Refusal):
                    return found
                if self._own and part.extra:
                    found.update(part.extra)
                self._mark(found, part.cache, where)
                return found
            case Media():
                return self._media(part, where)
            case Foreign() if self._own and part.dialect == NAME:
                return part.raw
            case _:
                self._losses.note("foreign_part", where)
                return None

    def _media(self, part: Media, where: str) -> Item | None:
        if part.text:
            words = f"{part.name}\n\n{part.text}" if part.name else part.text
            return {"type": "input_text", "text": words}
        if part.kind == AUDIO and self._own:
            kind = _SOUNDS.get(part.media_type, part.media_type.removeprefix("audio/"))
            return {
                "type": "input_audio",
                "input_audio": {"data": part.data, "format": kind},
                **part.extra,
            }
        if part.kind not in (IMAGE, FILE):
            self._losses.note(part.kind, where)
        if part.file_id and not self._own:
            self._losses.note("file_id", where)
        if part.url and part.kind == IMAGE and not self._row.image_urls:
            self._losses.note("image_url", where)
        if part.cite:
            self._losses.note("citations", where)
        found = media_part(part, own=self._own)
        self._mark(found, part.cache, where)
        return found

    def _mark(self, item: Item, mark: CacheMark | None, where: str) -> None:
        if mark is None:
            return
        if self._own:
            item["prompt_cache_breakpoint"] = breakpoint_of(mark, own=True)
        elif self._marks_left:
            self._marks_left -= 1
            item["prompt_cache_breakpoint"] = breakpoint_of(mark, own=False)
        else:
            self._losses.note("cache_marks", where)

    def _results(self, parts: tuple[Part, ...], where: str) -> None:
        for index, part in enumerate(parts):
            if isinstance(part, ToolResult):
                self._result(part, f"{where}.content[{index}]")
            else:
                self._losses.note("foreign_part", f"{where}.content[{index}]")

    def _result(self, part: ToolResult, where: str) -> None:
        if part.error:
            self._losses.note("tool_result_error", where)
        for held in part.parts:
            if isinstance(held, Media) and not held.text and held.kind not in (IMAGE, FILE):
                self._losses.note("tool_result_media", where)
        custom = self._kinds.get(part.call_id, part.kind) == CUSTOM
        item: Item = {
            "type": "custom_tool_call_output" if custom else "function_call_output",
            "call_id": _call_id(part.call_id),
            "output": self._content(part.parts, where) if part.parts else "",
        }
        if self._own:
            if part.name and not custom:
                item["name"] = part.name
            item.update(part.extra)
        self.items.append(item)

    def _assistant(self, message: Message, where: str) -> None:
        groups = grouped(message.parts)
        # A call or text whose reasoning stays behind is refused if its id tells of it.
        ids = self._own and all(
            self._is_sendable(group) for group in groups if isinstance(group[0], Thinking)
        )
        for group in groups:
            self._model_item(group, ids=ids, where=where)

    def _model_item(self, group: list[Part], *, ids: bool, where: str) -> None:
        head = group[0]
        match head:
            case Text() | Refusal():
                self._words([part for part in group if isinstance(part, Text | Refusal)], ids)
            case Thinking():
                self._reasoning([part for part in group if isinstance(part, Thinking)], where)
            case ToolCall():
                if not self._own and head.kind == FUNCTION and not head.arguments.strip():
                    head = msgspec.structs.replace(head, arguments="{}")
                self._call(head, ids=ids, where=where)
            case Foreign() if self._own and head.dialect == NAME:
                self.items.append(head.raw)
            case _:
                self._losses.note("foreign_part", where)

    def _words(self, parts: list[Text | Refusal], ids: bool) -> None:
        head = parts[0]
        marked = self._own and isinstance(head, Text) and MARK in head.extra
        if not marked and all(
            isinstance(part, Text) and not part.citations and not (self._own and part.extra)
            for part in parts
        ):
            # Plain words need no id in this form, which every host takes.
            self.items.extend(
                [{"role": ASSISTANT, "content": part.text} for part in parts if part.text]
            )
            return
        item: Item = {
            "type": "message",
            "id": f"msg_{len(self.items)}",
            "role": ASSISTANT,
            "status": "completed",
            "content": [words_part(part, own=self._own) for part in parts],
        }
        if marked and isinstance(head, Text):
            mark = _MARK.decode(head.extra[MARK])
            item.update({name: raw for name, raw in mark.items() if ids or name != "id"})
        self.items.append(item)

    def _is_sendable(self, group: list[Part]) -> bool:
        thoughts = [part for part in group if isinstance(part, Thinking)]
        if any(part.sealed for part in thoughts):
            return True
        if self._wire.replays and any(part.text for part in thoughts):
            return True
        return self._stored and bool(thoughts[0].id)

    def _reasoning(self, thoughts: list[Thinking], where: str) -> None:
        if not self._is_sendable(list(thoughts)):
            self._losses.note("thinking_history", where)
            return
        sealed = "".join([part.sealed for part in thoughts])
        # Other dialects have one place for reasoning; what came sealed came as a summary.
        summarized = bool(sealed) and not self._own
        item = reasoning_item(thoughts, sealed, own=self._own, summarized=summarized)
        if "id" not in item and "encrypted_content" not in item:
            item = {"type": "reasoning", "id": f"rs_{len(self.items)}", **item}
        self.items.append(item)

    def _call(self, part: ToolCall, *, ids: bool, where: str) -> None:
        if part.signature:
            self._losses.note("thinking_state", where)
        self._kinds[part.id] = part.kind if part.kind == CUSTOM else FUNCTION
        item = call_item(part)
        item["call_id"] = _call_id(part.id)
        if self._own and part.extra:
            item.update({name: raw for name, raw in part.extra.items() if ids or name != "id"})
        self.items.append(item)


_MARK: Final = msgspec.json.Decoder(dict[str, Raw])


def _call_id(identity: str) -> str:
    """The API takes ids of 64 characters; the end of a longer one is what tells it apart."""
    return identity if len(identity) <= _ID_LIMIT else identity[-_ID_LIMIT:]


def _is_item(part: Foreign) -> bool:
    try:
        return _KIND.decode(part.raw).type in CALLER_ITEMS
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
