"""Reads a call's `input` into canonical messages: a turn of the model is one message.

The API has a flat list of items where other dialects have turns, so items of the model that
follow one another (reasoning, text, calls) become the parts of one assistant message, and
outputs of tools that follow one another one message of results. A reasoning item that only
carries a signature gives it to its neighbor and vanishes.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, structs

from federation.dialects.malformed import missing, not_one_of
from federation.dialects.openai_responses.fields import needed_text, text
from federation.dialects.openai_responses.read_items import (
    is_unasked,
    item_rest,
    read_call,
    read_content,
    read_message,
    read_output,
    read_reasoning,
)
from federation.dialects.openai_responses.states import read_carrier
from federation.dialects.openai_responses.tables import (
    CALLER_ITEMS,
    CALLS,
    MESSAGE,
    NAME,
    OUTPUTS,
    REASONING,
    REFERENCE,
    ROLES,
)
from federation.dialects.tokenizer import Members, objects_unchecked
from federation.schema.chat import ASSISTANT, TOOL, USER, Message
from federation.schema.parts import Foreign, Part, Text, ToolCall

_WITH_ID = frozenset(("type", "role", "content", "id"))


def parse_input(raw: Raw) -> tuple[Message, ...]:
    """The messages of `input`. Raises `InvalidRequest` with the path of the item."""
    if bytes(raw)[:1] == b'"':
        return (Message(USER, (Text(needed_text({"input": raw}, "input", "")),)),)
    turns = _Turns()
    for index, item in enumerate(objects_unchecked(raw, "input")):
        turns.add(item, f"input[{index}]")
    return turns.messages()


def item_kind(item: Members, where: str) -> str:
    """An item's type; what has a role and no type is a message, an id alone a reference."""
    kind = text(item, "type", where)
    if kind:
        return kind
    if "role" in item:
        return MESSAGE
    if item.keys() == {"id"}:
        return REFERENCE
    raise missing(f"{where}.type")


class _Turns:
    """Gathers items into messages."""

    __slots__ = ("_done", "_parts", "_results", "_signature")

    def __init__(self) -> None:
        self._done: list[Message] = []
        self._parts: list[Part] = []
        self._results: list[Part] = []
        self._signature = ""
        """Belongs to the next part of the model."""

    def messages(self) -> tuple[Message, ...]:
        self._end_turn()
        self._end_results()
        return tuple(self._done)

    def add(self, item: Members, where: str) -> None:
        if "type" not in item and "role" in item:
            self._add_message(item, where)
            return
        kind = item_kind(item, where)
        if kind == MESSAGE:
            self._add_message(item, where)
        elif kind in CALLS:
            self._say((read_call(item, kind, where),))
        elif kind in OUTPUTS and is_unasked(item):
            self._tell(Message(USER, read_content(item, "output", where)))
        elif kind in OUTPUTS:
            self._end_turn()
            self._results.append(read_output(item, kind, where))
        elif kind == REASONING:
            self._add_reasoning(item, where)
        else:
            foreign = Foreign(NAME, Raw(msgspec.json.encode(item)))
            if kind in CALLER_ITEMS:
                self._tell(Message(USER, (foreign,)))
            else:
                self._say((foreign,))

    def _add_message(self, item: Members, where: str) -> None:
        role = needed_text(item, "role", where)
        if role == ASSISTANT:
            self._say(read_message(item, where))
        elif role in ROLES:
            parts = read_content(item, "content", where)
            if len(item) == 2:
                self._tell(Message(role, parts))
            else:
                extra = item_rest(item, _WITH_ID)
                self._tell(Message(role, parts, id=text(item, "id", where), extra=extra))
        else:
            raise not_one_of(f"{where}.role", ROLES)

    def _add_reasoning(self, item: Members, where: str) -> None:
        carried = read_carrier(text(item, "encrypted_content", where))
        if carried is None:
            self._say(tuple(read_reasoning(item, where)))
            return
        signature, follows = carried
        if not follows:
            self._signature = signature
        elif self._parts:
            self._parts[-1] = _signed(self._parts[-1], signature)

    def _say(self, parts: tuple[Part, ...]) -> None:
        """The model's parts, in its present turn."""
        self._end_results()
        if self._signature and parts:
            parts = (_signed(parts[0], self._signature), *parts[1:])
            self._signature = ""
        self._parts.extend(parts)

    def _tell(self, message: Message) -> None:
        """A message of the caller."""
        self._end_turn()
        self._end_results()
        self._done.append(message)

    def _end_turn(self) -> None:
        self._signature = ""
        if self._parts:
            self._done.append(Message(ASSISTANT, tuple(self._parts)))
            self._parts = []

    def _end_results(self) -> None:
        if self._results:
            self._done.append(Message(TOOL, tuple(self._results)))
            self._results = []


def _signed(part: Part, signature: str) -> Part:
    if isinstance(part, Text | ToolCall):
        return structs.replace(part, signature=signature)
    return part
