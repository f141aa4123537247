"""Writes a canonical conversation as the row takes it.

Pictures in a tool's result have no place in a `tool` message, so they follow the results in
a user message that names the call. Reasoning of earlier turns goes back only where the row
asks for it, or within the running turn of a host that has a field for it: elsewhere it
would be paid for and ignored, or refused.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.arrange import arrange
from federation.dialects.openai.details import has_state, signature_member, write_details
from federation.dialects.openai.encode_parts import (
    PARAGRAPH,
    Item,
    Target,
    note_mark,
    write_content,
    write_part,
)
from federation.dialects.openai.words import NAME, REASONING_FIELDS
from federation.errors import InvalidRequest
from federation.schema.chat import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message
from federation.schema.parts import (
    CUSTOM,
    Foreign,
    Media,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_BLANK: Final = " "
"""Stands for reasoning that must be there and is not known; hosts refuse an empty text."""
_BRIDGE: Final = "."
"""Stands for an empty turn between a tool's result and a user: strict hosts need one there."""
_ELSEWHERE: Final = "The result stands in the next user message."


def write_messages(messages: tuple[Message, ...], target: Target) -> list[Item]:
    """The `messages` of a request. Raises `InvalidRequest` for what the loss table refuses."""
    row = target.row
    if row.arranges:
        messages = arrange(messages, row, target.losses)
    places = range(len(messages) - 1, -1, -1)
    asked = next((place for place in places if messages[place].role == USER), -1)
    written: list[Item] = []
    attached: list[Item] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if message.role == TOOL:
            written += _results(message, target, where, attached)
            continue
        if attached:
            written.append({"role": USER, "content": attached})
            attached = []
        if message.role == ASSISTANT:
            item = _only_text(message, target) or _Assistant(
                target, where, running=index > asked
            ).write(message)
            if item is None and written and written[-1]["role"] == TOOL:
                item = {"role": ASSISTANT, "content": _BRIDGE}
            if item is not None:
                written.append(item)
        else:
            written.append(_plain(message, target, where))
    if attached:
        written.append({"role": USER, "content": attached})
    return written


def _plain(message: Message, target: Target, where: str) -> Item:
    role, parts = message.role, message.parts
    if role in (SYSTEM, DEVELOPER):
        role = DEVELOPER if target.row.developer else SYSTEM
    only = parts[0] if len(parts) == 1 else None
    if type(only) is Text and not only.extra and only.cache is None:
        item: Item = {"role": role, "content": only.text}
    else:
        item = {"role": role, "content": write_content(parts, target, where)}
    return _named(item, message, target, where)


def _only_text(message: Message, target: Target) -> Item | None:
    """A turn of the assistant that is one plain text, which most are."""
    only = message.parts[0] if len(message.parts) == 1 else None
    if type(only) is not Text or message.name or message.extra or target.row.replay:
        return None
    if only != Text(only.text) or not only.text:
        return None
    return {"role": ASSISTANT, "content": only.text}


def _named(item: Item, message: Message, target: Target, where: str) -> Item:
    if message.name:
        if target.row.names:
            item["name"] = message.name
        else:
            target.losses.note("message_name", f"{where}.name")
    if target.own and message.extra:
        for name, raw in message.extra.items():
            item.setdefault(name, raw)
    return item


class _Assistant:
    """Writes one assistant message."""

    def __init__(self, target: Target, where: str, *, running: bool) -> None:
        self._target = target
        self._where = where
        self._running = running
        """The turn is not over: no user has spoken since."""
        self._item: Item = {"role": ASSISTANT, "content": None}
        self._texts: list[str] = []
        self._thoughts: list[Thinking] = []
        self._calls: list[Item] = []
        self._blocks: list[Item] = []
        """Reasoning as content parts."""
        self._details: list[Item] = []

    def write(self, message: Message) -> Item | None:
        """The message; None where nothing is left of it and the row takes no empty one."""
        for place, part in enumerate(message.parts):
            match part:
                case Text():
                    self._text(part)
                case ToolCall():
                    self._calls.append(write_call(part, self._target, self._where))
                case Thinking():
                    self._thoughts.append(part)
                    if has_state(part):
                        self._details += write_details(part, place)
                case Refusal() if self._target.own:
                    self._item["refusal"] = part.text
                case Refusal():
                    self._texts.append(part.text)
                case Foreign():
                    self._foreign(part)
                case _:
                    self._other(part)
        text = "".join(self._texts)
        text = self._reasoned(text)
        self._item["content"] = [*self._blocks, *_text_items(text)] if self._blocks else text
        return self._finished(message, text)

    def _text(self, part: Text) -> None:
        self._texts.append(part.text)
        losses = self._target.losses
        if part.citations:
            losses.note("citations", self._where)
        if part.cache is not None and not self._target.own:
            losses.note("cache_marks", self._where)
        if part.signature:
            self._item["extra_content"] = signature_member(part.signature)

    def _foreign(self, part: Foreign) -> None:
        if not self._target.own or part.dialect != NAME:
            self._target.losses.note("foreign_part", self._where)
            return
        found = _MEMBERS.decode(part.raw)
        if found.get("type") == Raw(b'"audio"') and "audio" in found:
            self._item["audio"] = found["audio"]
        else:
            self._blocks.append(found)

    def _other(self, part: Any) -> None:
        if isinstance(part, Media):
            item = write_part(part, self._target, self._where)
            if item is not None:
                self._blocks.append(item)
        else:
            self._target.losses.note("foreign_part", self._where)

    def _reasoned(self, text: str) -> str:
        """Put reasoning where the row wants it; returns the text, which may carry it."""
        row = self._target.row
        demanded = row.replay == "always" or (row.replay == "tool_turns" and bool(self._calls))
        if not self._thoughts and not demanded:
            return text
        if self._details:
            if row.reasoning_field in REASONING_FIELDS or self._target.own:
                self._item["reasoning_details"] = self._details
            elif row.reasoning_field != "content_parts":
                self._target.losses.note("thinking_state", self._where)
        thought = PARAGRAPH.join([part.text for part in self._thoughts if part.text])
        if not demanded and not (self._running and row.reasoning_field):
            self._left_out(thought)
            return text
        if not thought and demanded and self._target.thinks:
            thought = _BLANK
        if not thought:
            return text
        if row.reasoning_field == "think_tags":
            return f"<think>\n{thought}\n</think>\n\n{text}" if thought != _BLANK else text
        if row.reasoning_field == "content_parts":
            self._as_parts(demanded=demanded)
        else:
            field = row.reasoning_field
            self._item[field if field in REASONING_FIELDS else REASONING_FIELDS[0]] = thought
        return text

    def _left_out(self, thought: str) -> None:
        if thought and "reasoning_details" not in self._item:
            self._target.losses.note("thinking_history", self._where)

    def _as_parts(self, *, demanded: bool) -> None:
        """Signed reasoning as one host's parts, unsigned as another's if its row asks."""
        for part in self._thoughts:
            if part.signature:
                summary = {"type": "summary_text", "text": part.text, "signature": part.signature}
                self._blocks.append({"type": "reasoning", "summary": [summary]})
            elif demanded and part.text:
                inner = [{"type": "text", "text": part.text}]
                self._blocks.append({"type": "thinking", "thinking": inner})
            else:
                self._left_out(part.text)

    def _finished(self, message: Message, text: str) -> Item | None:
        item, target = self._item, self._target
        if not text and not self._blocks:
            if not self._calls and "audio" not in item and "refusal" not in item:
                if not target.row.empty_assistant:
                    return None
                item["content"] = ""
            else:
                item["content"] = "" if target.row.string_content else None
        if self._calls:
            item["tool_calls"] = self._calls
        return _named(item, message, target, self._where)


def _text_items(text: str) -> list[Item]:
    return [{"type": "text", "text": text}] if text else []


def write_call(call: ToolCall, target: Target, where: str) -> Item:
    """A tool call of the history."""
    item: Item = {"id": _call_id(call.id, target)} if target.row.call_ids else {}
    item["type"] = call.kind
    if call.kind == CUSTOM:
        if target.row.tool_types is not None and CUSTOM not in target.row.tool_types:
            target.losses.note("custom_tools", where)
        item["custom"] = {"name": call.name, "input": call.arguments}
    else:
        item["function"] = {"name": call.name, "arguments": _arguments(call, target, where)}
    if call.signature:
        item["extra_content"] = signature_member(call.signature)
    return item


def _call_id(call_id: str, target: Target) -> str:
    return call_id if target.ids is None else target.ids.short(call_id)


def _arguments(call: ToolCall, target: Target, where: str) -> str | Raw:
    text = call.arguments if call.arguments and not call.arguments.isspace() else "{}"
    if not target.row.object_arguments:
        return text
    try:
        _MEMBERS.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequest(
            f"The arguments of the tool call '{call.id}' in '{where}' are not a JSON object, and "
            "the deployment that would serve this call takes nothing else.",
            code="invalid_value",
            param=where,
        ) from None
    return Raw(text.encode())


def _results(message: Message, target: Target, where: str, attached: list[Item]) -> list[Item]:
    """A `tool` message for each result; pictures and files go to `attached`."""
    written: list[Item] = []
    for part in message.parts:
        if not isinstance(part, ToolResult):
            target.losses.note("foreign_part", where)
            continue
        if part.error:
            target.losses.note("tool_result_error", where)
        item: Item = {"role": TOOL, "content": _result(part, target, where, attached)}
        if target.row.call_ids:
            item["tool_call_id"] = _call_id(part.call_id, target)
        if part.name and (target.own or not target.row.names):
            item["name"] = part.name
        if target.own:
            for name, raw in part.extra.items():
                item.setdefault(name, raw)
        else:
            item.update(note_mark(part.cache, target, where))
        written.append(item)
    return written


def _result(part: ToolResult, target: Target, where: str, attached: list[Item]) -> str | list[Item]:
    row = target.row
    if len(part.parts) == 1 and type(only := part.parts[0]) is Text and not only.extra:
        if only.cache is not None and not target.own:
            target.losses.note("cache_marks", where)
        return only.text
    inside = part.parts
    strings = row.result_string or row.string_content
    if strings or not target.own:
        media = [inner for inner in inside if isinstance(inner, Media) and not inner.text]
        inside = tuple(inner for inner in inside if inner not in media)
        if media:
            items = write_content(media, target, where)
            note = {"type": "text", "text": f"Result of the tool call {part.call_id}:"}
            attached += [note, *items] if isinstance(items, list) else [note, *_text_items(items)]
            if not inside:
                return _ELSEWHERE
    content = write_content(inside, target, where)
    if strings and isinstance(content, list):
        return PARAGRAPH.join([str(item["text"]) for item in content if "text" in item])
    return content
