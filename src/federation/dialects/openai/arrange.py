"""Moves, joins and parts messages for hosts that are strict about their order.

References: https://docs.perplexity.ai/guides/prompt-guide (turns alternate, system first),
https://docs.databricks.com/aws/en/machine-learning/model-serving/function-calling
"""

from __future__ import annotations

from msgspec import structs

from federation.dialects.losses import Losses
from federation.dialects.openai.row import Row
from federation.schema.chat import ASSISTANT, DEVELOPER, SYSTEM, TOOL, USER, Message
from federation.schema.parts import Part, Text, ToolCall, ToolResult

_SETTINGS = (SYSTEM, DEVELOPER)


def arrange(messages: tuple[Message, ...], row: Row, losses: Losses) -> tuple[Message, ...]:
    """The messages in an order that the row accepts."""
    if row.system_first:
        messages = _system_first(messages, losses)
    if row.results_apart:
        messages = _results_apart(messages)
    if row.alternate:
        messages = _alternated(messages)
    return messages


def _system_first(messages: tuple[Message, ...], losses: Losses) -> tuple[Message, ...]:
    """All system text in one message in front; text from further down is said to have moved."""
    settings: list[Part] = []
    rest: list[Message] = []
    role = SYSTEM
    for index, message in enumerate(messages):
        if message.role not in _SETTINGS:
            rest.append(message)
            continue
        if rest:
            losses.note("system_place", f"messages[{index}]")
        role = role if settings else message.role
        settings += message.parts
    return (Message(role, tuple(settings)), *rest) if settings else tuple(rest)


def _results_apart(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Each tool call in a turn of its own, followed by its result."""
    arranged: list[Message] = []
    held: list[Message] = []
    results: list[ToolResult] = []
    for message in messages:
        if held and message.role == TOOL:
            results += [part for part in message.parts if isinstance(part, ToolResult)]
            continue
        arranged += _answered(held, results)
        held, results = [], []
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        if message.role == ASSISTANT and len(calls) > 1:
            held = _parted(message, calls)
        else:
            arranged.append(message)
    return (*arranged, *_answered(held, results))


def _parted(message: Message, calls: list[ToolCall]) -> list[Message]:
    said = tuple(part for part in message.parts if not isinstance(part, ToolCall))
    first = structs.replace(message, parts=(*said, calls[0]))
    return [first, *(Message(ASSISTANT, (call,)) for call in calls[1:])]


def _answered(turns: list[Message], results: list[ToolResult]) -> list[Message]:
    """Each turn with the results of its call behind it; results of no call come last."""
    written: list[Message] = []
    left: dict[str, list[ToolResult]] = {}
    for item in results:
        left.setdefault(item.call_id, []).append(item)
    for turn in turns:
        call = turn.parts[-1]
        call_id = call.id if isinstance(call, ToolCall) else ""
        written.append(turn)
        written += [Message(TOOL, (item,)) for item in left.pop(call_id, ())]
    return written + [Message(TOOL, (item,)) for item in results if item.call_id in left]


def _alternated(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Neighbors of one role joined, with a blank line between their texts."""
    joined: list[tuple[Message, list[Part]]] = []
    for message in messages:
        role = message.role
        if joined and joined[-1][0].role == role and role in (USER, ASSISTANT):
            parts = joined[-1][1]
            if role == ASSISTANT:
                parts.append(Text("\n\n"))
            parts += message.parts
        else:
            joined.append((message, list(message.parts)))
    return tuple(
        message
        if len(parts) == len(message.parts)
        else structs.replace(message, parts=tuple(parts))
        for message, parts in joined
    )
