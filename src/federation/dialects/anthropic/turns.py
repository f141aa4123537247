"""The conversation of a request: the system text, and turns that alternate.

The vendor wants a user's turn first, merges neighbors of one role, takes no turn without
content and no answer begun by the caller that ends in white space. System turns after the
first stay where they are only for a client of this language, which knows its model; from
others they move to the top, because most models take them nowhere else.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.tables import ASSISTANT, STARTER, SYSTEM, USER
from federation.dialects.anthropic.wire import Wire
from federation.dialects.anthropic.write import Block, Writer
from federation.domain.catalogue import Ability
from federation.errors import InvalidRequest
from federation.schema import chat
from federation.schema.chat import Message
from federation.schema.parts import Fields, Foreign, Text, Thinking, ToolCall, ToolResult

_ROLES: Final = {
    chat.USER: USER,
    chat.TOOL: USER,
    chat.ASSISTANT: ASSISTANT,
    chat.SYSTEM: SYSTEM,
    chat.DEVELOPER: SYSTEM,
}


class Turn(msgspec.Struct):
    """One turn that is being written."""

    role: str
    content: list[Block | Raw]
    extra: Fields = {}
    results: int = 0
    """So many results of tools are known to stand first."""


def write_turns(
    writer: Writer, wire: Wire, messages: tuple[Message, ...]
) -> tuple[list[Block | Raw], list[Turn]]:
    """The blocks of the system text, and the turns. Raises `InvalidRequest` for what the loss
    table refuses and for a conversation without anything to answer."""
    system: list[Block | Raw] = []
    turns: list[Turn] = []
    cut_off = False
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        role = _ROLES.get(message.role, USER)
        if message.name:
            writer.losses.note("message_name", f"{where}.name")
        blocks = writer.blocks(message.parts, where)
        if role == SYSTEM and not (turns and writer.own):
            if turns and blocks:
                writer.losses.note("system_place", where)
            system += blocks
        elif blocks or (writer.own and message.extra):
            cut_off = cut_off or (role == ASSISTANT and _is_thought(blocks))
            last = turns[-1] if turns else None
            extra = message.extra if writer.own else {}
            if last is not None and last.role == role and role != SYSTEM and last.extra == extra:
                _join(last, blocks, first=message.role == chat.TOOL)
            else:
                turns.append(Turn(role, blocks, extra))
    if cut_off and any(turn.role == ASSISTANT and _is_thought(turn.content) for turn in turns):
        turns = _without_last_thoughts(writer, turns)
    _begin(writer, system, turns)
    _end(writer, wire, turns, messages)
    return system, turns


def rendered(turns: list[Turn]) -> list[dict[str, Any]]:
    """The turns as JSON objects; a single plain text as a string."""
    written: list[dict[str, Any]] = []
    for turn in turns:
        item: dict[str, Any] = {"role": turn.role}
        if turn.content:
            item["content"] = simplified(turn.content)
        if turn.extra:
            item.update(turn.extra)
        written.append(item)
    return written


def simplified(blocks: list[Block | Raw]) -> str | list[Block | Raw]:
    """A content of one plain text as the string that stands for it."""
    if len(blocks) == 1:
        block = blocks[0]
        if isinstance(block, dict) and len(block) == 2 and block["type"] == "text":
            text: str = block["text"]
            return text
    return blocks


def is_begun(turns: list[Turn]) -> bool:
    """Whether the caller began the answer, beside which there is no thinking."""
    last = turns[-1]
    block = last.content[-1] if last.role == ASSISTANT and last.content else None
    return isinstance(block, dict) and block["type"] == "text"


def is_complete(messages: tuple[Message, ...]) -> bool:
    """Whether thinking with a budget may go on: the turn whose tool calls are being answered,
    if the conversation stands in one, begins with thinking that can be sent back."""
    first: Message | None = None
    place = len(messages)
    while place:
        message = messages[place - 1]
        if message.role == chat.ASSISTANT:
            first = message
        elif message.role == chat.USER and not any(
            isinstance(part, ToolResult) for part in message.parts
        ):
            # A user's turn right behind results belongs to the same turn on the wire.
            behind = messages[place - 2] if place > 1 else None
            if behind is None or behind.role != chat.TOOL:
                break
        place -= 1
    if first is None or not any(isinstance(part, ToolCall) for part in first.parts):
        return True
    for part in first.parts:
        if isinstance(part, Thinking):
            if part.signature or part.sealed:
                return True
        elif not isinstance(part, Text) or part.text.strip():
            return False
    return False


def _join(turn: Turn, blocks: list[Block | Raw], *, first: bool) -> None:
    """Add blocks to a turn; results of tools stand before everything else in it."""
    if not first:
        turn.content += blocks
        return
    place, content = turn.results, turn.content
    while place < len(content) and _is_result(content[place]):
        place += 1
    content[place:place] = blocks
    turn.results = place


def _is_result(block: Block | Raw) -> bool:
    return isinstance(block, dict) and block["type"] == "tool_result"


_THOUGHTS: Final = frozenset(("thinking", "redacted_thinking"))


def _is_thought(content: list[Block | Raw]) -> bool:
    """Whether a content ends with thinking."""
    block = content[-1] if content else None
    return isinstance(block, dict) and block["type"] in _THOUGHTS


def _without_last_thoughts(writer: Writer, turns: list[Turn]) -> list[Turn]:
    """The turns with no thinking at a turn's end, where the vendor refuses it: such a turn was
    cut off by its limit. A turn of nothing else goes, and its neighbors are joined."""
    writer.losses.note("thinking_history", "messages")
    kept: list[Turn] = []
    for turn in turns:
        while turn.role == ASSISTANT and _is_thought(turn.content):
            turn.content.pop()
        if not turn.content and not turn.extra:
            continue
        if kept and kept[-1].role == turn.role != SYSTEM and kept[-1].extra == turn.extra:
            results = [block for block in turn.content if _is_result(block)]
            _join(kept[-1], results, first=True)
            kept[-1].content += [block for block in turn.content if not _is_result(block)]
        else:
            kept.append(turn)
    return kept


def _begin(writer: Writer, system: list[Block | Raw], turns: list[Turn]) -> None:
    if not turns:
        if not system:
            raise InvalidRequest(
                "'messages' holds nothing that could be answered.", param="messages"
            )
        # The vendor answers a user; instructions alone become what the user says.
        writer.losses.note("system_place", "messages[0]")
        turns.append(Turn(USER, list(system)))
        system.clear()
    elif turns[0].role == ASSISTANT:
        turns.insert(0, Turn(USER, [{"type": "text", "text": STARTER}]))


def _end(writer: Writer, wire: Wire, turns: list[Turn], messages: tuple[Message, ...]) -> None:
    last = turns[-1]
    if last.role != ASSISTANT:
        return
    final = messages[-1].parts
    paused = bool(final) and isinstance(final[-1], Foreign)
    if not paused and not wire.can(Ability.PREFILL):
        writer.losses.note("prefill", f"messages[{len(messages) - 1}]")
    block = last.content[-1] if last.content else None
    if isinstance(block, dict) and block.get("type") == "text":
        block["text"] = block["text"].rstrip()
