"""Puts the parts of a streamed answer together, event by event.

Hosts leave out what they please: the events that open an item or a part, the pieces before
the whole. So each event opens what it needs, and the events that hold a whole (`...done`)
fill in what did not come in pieces. A reasoning item's seal comes with its last event, so
its last thought stays open until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.decode import extras_of, read_item, seconds, with_text
from federation.dialects.openai_responses.events import UNREADABLE, Event
from federation.dialects.openai_responses.fields import NULL, text_or_nothing
from federation.dialects.openai_responses.logprobs import read_logprobs
from federation.dialects.openai_responses.read_items import (
    MARK,
    item_rest,
    read_call,
    read_citation,
    read_reasoning,
)
from federation.dialects.openai_responses.tables import CALLS, MESSAGE, REASONING
from federation.errors import InvalidRequest, UpstreamGarbled
from federation.schema.chat import TokenLogprob
from federation.schema.chunks import Begun, Chunk, Delta, Logprobs, PartBegun, PartEnded
from federation.schema.parts import Fields, Part, Refusal, Text, Thinking, ToolCall

_TEXT, _REFUSAL, _THOUGHT, _SUMMARY, _CALL = "text", "refusal", "thought", "summary", "call"


class _Head(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    created_at: float | None = None
    service_tier: str | None = None


class _Content(msgspec.Struct):
    type: str | None = None
    annotations: list[Raw] | None = None


_HEAD: Final = msgspec.json.Decoder(_Head)
_CONTENT: Final = msgspec.json.Decoder(_Content)
_MEMBERS: Final = msgspec.json.Decoder(Fields)
_TYPE: Final = msgspec.json.Decoder(str)


class _Item:
    """An item that is being written."""

    __slots__ = (
        "_blank", "_length", "begun", "cited", "kind", "lost", "members", "part", "place", "said"
    )  # fmt: skip

    def __init__(self, kind: str, members: Fields) -> None:
        self.kind = kind
        self.members = members
        self.part = -1
        """The number of its open part."""
        self.place: tuple[str, int] = ("", -1)
        self.begun = False
        """A part of it was opened."""
        self.said = False
        """The open part has text."""
        self.lost = False
        """It holds what stands for a lost half of a character."""
        self.cited = 0
        self._length = self._blank = 0

    def begin(self, part: int, place: tuple[str, int]) -> None:
        """A part of it opens."""
        self.part, self.place, self.begun = part, place, True
        self.said = self.lost = False
        self.cited = self._length = self._blank = 0

    def tell(self, text: str) -> None:
        """More of the open part. Its pieces are not kept: they may be millions."""
        self.said = True
        if not self._length:
            text = text.lstrip()
        bare = len(text.rstrip())
        self._length += len(text)
        self._blank = len(text) - bare if bare else self._blank + len(text)
        self.lost = self.lost or _LOST in text

    @property
    def length(self) -> int:
        """Characters of the open part without blanks before and behind it."""
        return self._length - self._blank


class Assembly:
    """The answer of one stream, as far as it came. Chunks gather in `out`."""

    def __init__(self) -> None:
        self.out: list[Chunk] = []
        self.started = False
        """Content was seen."""
        self.calls = False
        """A tool was called."""
        self.parts = 0
        """How many parts were opened."""
        self._items: dict[int, _Item] = {}
        self._begun = False
        self._open: _Item | None = None
        """The item whose text or thought is open; there is never more than one."""

    def end(self) -> None:
        """No event of an item will follow."""
        for item in self._items.values():
            self.end_part(item)

    def begin(self, event: Event) -> None:
        """The response object of an opening event."""
        if self._begun:
            return
        self._begun = True
        try:
            head, members = _HEAD.decode(event.response), _MEMBERS.decode(event.response)
        except UNREADABLE:
            head, members = _Head(), {}
        self.out.append(
            Begun(
                head.id or "",
                head.model or "",
                seconds(head.created_at),
                head.service_tier or "",
                extras_of(members)[0],
            )
        )

    def add_item(self, event: Event) -> None:
        """An item opens; a call is open from here on, a text only with its first part."""
        item = self._item_of(event)
        if item is None or event.output in self._items:
            return
        self._items[event.output] = item
        if item.kind in CALLS:
            self._begin_call(item)

    def _item_of(self, event: Event) -> _Item | None:
        try:
            members = _MEMBERS.decode(event.item)
            return _Item(_TYPE.decode(members.get("type", NULL)), members)
        except UNREADABLE:
            return None

    def _begin_call(self, item: _Item) -> None:
        members = {name: raw for name, raw in item.members.items() if name != "status"}
        members[CALLS[item.kind]] = _NOTHING
        try:
            call = read_call(members, item.kind, "item")
        except InvalidRequest:
            return
        self._close_open()
        self._begin_part(item, (_CALL, 0), call)
        self.calls = self.started = True

    def _begin_part(self, item: _Item, place: tuple[str, int], head: Part) -> None:
        if not self._begun:
            self.begin(_NO_EVENT)
        item.begin(self.parts, place)
        self.parts += 1
        self.out.append(PartBegun(0, item.part, head))

    def end_part(self, item: _Item) -> None:
        """The open part of an item is whole."""
        if item.part >= 0:
            self.out.append(PartEnded(0, item.part))
            item.part = -1
        if self._open is item:
            self._open = None

    def _close_open(self) -> None:
        if self._open is not None:
            self.end_part(self._open)

    def _part_at(self, event: Event, place: tuple[str, int]) -> _Item:
        """The item with the part at a place open."""
        index = event.output
        item = self._items.get(index)
        if item is None:
            kind = REASONING if place[0] in (_THOUGHT, _SUMMARY) else MESSAGE
            item = self._items[index] = _Item(kind, {})
        if item.part >= 0 and item.place == place:
            return item
        self._close_open()
        self.end_part(item)
        first = not item.begun
        self._begin_part(item, place, _head(item, place[0], first=first))
        self._open = item
        return item

    def _say(self, item: _Item, text: str) -> None:
        if text:
            self.started = True
            item.tell(text)
            self.out.append(Delta(0, item.part, text))

    def text_delta(self, event: Event) -> None:
        """More of an answer's text."""
        item = self._part_at(event, (_TEXT, event.content_index or 0))
        self._say(item, event.piece)
        self._note_logprobs(event.logprobs)

    def refusal_delta(self, event: Event) -> None:
        """More of a refusal."""
        self._say(self._part_at(event, (_REFUSAL, event.content_index or 0)), event.piece)

    def thought_delta(self, event: Event) -> None:
        """More of the reasoning itself."""
        self._think(event, (_THOUGHT, event.content_index or 0))

    def summary_delta(self, event: Event) -> None:
        """More of a summary of the reasoning."""
        self._think(event, (_SUMMARY, event.summary_index or 0))

    def _think(self, event: Event, place: tuple[str, int]) -> None:
        piece = event.piece
        if piece:
            self._say(self._part_at(event, place), piece)

    def call_delta(self, event: Event) -> None:
        """More of a call's arguments."""
        item = self._items.get(event.output)
        if item is not None and item.part >= 0:
            self._say(item, event.piece)

    def _note_logprobs(self, raw: Raw) -> None:
        if raw != NULL and raw != _NO_LIST:
            tokens: tuple[TokenLogprob, ...] = read_logprobs(raw)
            if tokens:
                self.out.append(Logprobs(0, tokens))

    def add_part(self, event: Event) -> None:
        """A part of a message opens. One of reasoning opens with its first words only."""
        place = _PLACES.get(_content(event.part).type or "")
        if place is not None:
            self._part_at(event, (place, event.content_index or 0))

    def cite(self, event: Event) -> None:
        """An annotation of the text."""
        item = self._part_at(event, (_TEXT, event.content_index or 0))
        if event.annotation != NULL:
            item.cited += 1
            self.started = True
            self.out.append(Delta(0, item.part, citation=read_citation(event.annotation)))

    def fill(self, event: Event) -> None:
        """The whole text of a part, where it did not come in pieces. Raises `UpstreamGarbled`
        for an answer's text that says more than its pieces: some of them were lost."""
        kind = _WHOLES[event.type]
        text = event.whole
        item = self._items.get(event.output)
        if kind == _CALL:
            if item is not None and item.part >= 0 and not item.said:
                self._say(item, text)
            return
        number = event.summary_index if kind == _SUMMARY else event.content_index
        place = (kind, number or 0)
        if not text:
            return
        if item is not None and item.place == place and (item.said or item.part < 0):
            if kind == _TEXT and _lacks(item, text):
                raise UpstreamGarbled("The provider's text is not that of its pieces.")
            return
        self._say(self._part_at(event, place), text)

    def end_content(self, event: Event) -> None:
        """A part of a message is whole; it may name annotations that did not come before."""
        item = self._items.get(event.output)
        if item is None or item.part < 0 or item.kind == REASONING:
            return
        citations = _content(event.part).annotations or []
        for raw in citations[item.cited :]:
            self.out.append(Delta(0, item.part, citation=read_citation(raw)))
        self.end_part(item)

    def end_item(self, event: Event) -> None:
        """An item is whole."""
        item = self._item_of(event)
        if item is None:
            return
        index = event.output
        known = self._items.get(index)
        if known is None or not known.begun:
            self._items[index] = item
            item.begun = True
            self.whole_item(item.members)
        elif known.kind == REASONING:
            self._seal(known, item.members)
        else:
            if known.part >= 0 and not known.said and known.kind in CALLS:
                member = CALLS[known.kind]
                self._say(known, text_or_nothing(with_text(item.members, member).get(member)))
            self.end_part(known)

    def _seal(self, item: _Item, members: Fields) -> None:
        try:
            last = read_reasoning(members, "item")[-1]
        except InvalidRequest:
            last = Thinking()
        if last.sealed:
            if item.part < 0:
                self._close_open()
                self._begin_part(item, ("", -1), Thinking(id=last.id))
            self.started = True
            self.out.append(Delta(0, item.part, sealed=last.sealed))
        self.end_part(item)

    def whole_item(self, members: Fields) -> None:
        """An item that came at once."""
        self._close_open()
        parts: list[Part] = []
        tokens: list[TokenLogprob] = []
        read_item(members, parts, tokens)
        if not self._begun:
            self.begin(_NO_EVENT)
        if tokens:
            self.out.append(Logprobs(0, tuple(tokens)))
        for part in parts:
            self.calls = self.calls or isinstance(part, ToolCall)
            self.started = True
            self.out += (PartBegun(0, self.parts, part), PartEnded(0, self.parts))
            self.parts += 1


def _lacks(item: _Item, text: str) -> bool:
    """Whether the pieces of a text are short of it. Servers trim what they tell at the end, and of
    a text with a lost half of a character nobody knows."""
    return item.length < len(text.strip()) and not item.lost and _LOST not in text


def _head(item: _Item, kind: str, *, first: bool) -> Part:
    if kind == _REFUSAL:
        return Refusal("")
    if kind == _TEXT:
        mark = item_rest({k: v for k, v in item.members.items() if k != "status"}) if first else {}
        return Text("", extra={MARK: Raw(msgspec.json.encode(mark))} if mark else {})
    members = {
        name: raw
        for name, raw in item.members.items()
        if name not in ("status", "summary", "content", "encrypted_content")
    }
    try:
        head = read_reasoning(members, "item")[0]
    except InvalidRequest:
        head = Thinking()
    return Thinking(id=head.id, summary=kind == _SUMMARY, extra=head.extra if first else {})


def _content(raw: Raw) -> _Content:
    try:
        return _CONTENT.decode(raw)
    except UNREADABLE:
        return _Content()


_LOST: Final = "\ufffd"
_NO_LIST: Final = Raw(b"[]")
_NOTHING: Final = Raw(b'""')
_NO_EVENT: Final = Event()
_PLACES: Final = {"output_text": _TEXT, "refusal": _REFUSAL}
_WHOLES: Final = {
    "response.output_text.done": _TEXT,
    "response.refusal.done": _REFUSAL,
    "response.reasoning_text.done": _THOUGHT,
    "response.reasoning_summary_text.done": _SUMMARY,
    "response.function_call_arguments.done": _CALL,
    "response.custom_tool_call_input.done": _CALL,
}
_Handler = Callable[[Assembly, Event], None]
HANDLERS: Final[dict[str, _Handler]] = {
    "response.created": Assembly.begin,
    "response.queued": Assembly.begin,
    "response.in_progress": Assembly.begin,
    "response.output_item.added": Assembly.add_item,
    "response.content_part.added": Assembly.add_part,
    "response.output_text.delta": Assembly.text_delta,
    "response.refusal.delta": Assembly.refusal_delta,
    "response.reasoning_text.delta": Assembly.thought_delta,
    "response.reasoning_summary_text.delta": Assembly.summary_delta,
    "response.function_call_arguments.delta": Assembly.call_delta,
    "response.custom_tool_call_input.delta": Assembly.call_delta,
    "response.output_text.annotation.added": Assembly.cite,
    "response.content_part.done": Assembly.end_content,
    "response.output_item.done": Assembly.end_item,
    **dict.fromkeys(_WHOLES, Assembly.fill),
}
"""What each event of content does. Any other event says nothing that a translation needs."""
