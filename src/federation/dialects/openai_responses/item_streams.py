"""Writes one item of a streamed answer as the events that open, fill and end it.

A text stands in a stream four times: in pieces, whole when its part ends, in its item and in
the last event. It is rendered once and its bytes are used again.

Reference: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.events import on_one_line
from federation.dialects.openai_responses.fields import text_or_nothing
from federation.dialects.openai_responses.logprobs import logprob_items
from federation.dialects.openai_responses.read_items import MARK
from federation.dialects.openai_responses.render import ItemWriter
from federation.dialects.openai_responses.states import carrier
from federation.dialects.openai_responses.write_items import annotation, continues
from federation.schema.chat import TokenLogprob
from federation.schema.chunks import Delta
from federation.schema.parts import FUNCTION, Fields, Part, Refusal, Text, Thinking, ToolCall

_json: Final = msgspec.json.encode


class Events:
    """The events of one stream, numbered. `out` holds those not taken yet."""

    __slots__ = ("index", "number", "out")

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.number = 0
        """Of the next event."""
        self.index = 0
        """Of the next item."""

    def write(self, name: bytes, members: bytes) -> None:
        """An event with these members, rendered and without braces."""
        self.out.append(
            b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n'
            % (name, name, self.number, on_one_line(members))
        )
        self.number += 1

    def take(self) -> bytes:
        """What was written since the last time."""
        out, self.out = self.out, []
        return b"".join(out)

    def open(self, item: Any) -> int:
        """An item opens; its place in the output."""
        index = self.index
        self.index += 1
        self.write(
            b"response.output_item.added", b'"output_index":%d,"item":%b' % (index, _json(item))
        )
        return index

    def close(self, index: int, item: bytes) -> None:
        """The item at this place is whole."""
        self.write(b"response.output_item.done", b'"output_index":%d,"item":%b' % (index, item))


class ItemStream(Protocol):
    """An item that is being written."""

    def begin(self, head: Part) -> None:
        """A part of it opens."""
        ...

    def add(self, delta: Delta, tokens: tuple[TokenLogprob, ...]) -> None:
        """More of the open part."""
        ...

    def end(self) -> None:
        """The open part is whole."""
        ...

    def continues(self, head: Part) -> bool:
        """Whether a part that opens next belongs to this item."""
        ...

    def close(self, status: str) -> list[bytes]:
        """The item, and those that follow from it, rendered."""
        ...


class MessageStream:
    """A message: texts and refusals."""

    def __init__(self, events: Events, writer: ItemWriter, head: Part) -> None:
        self._events = events
        self._writer = writer
        mark = writer.mark(head)
        self._rest: Fields = {name: raw for name, raw in mark.items() if name != "id"}
        self._id = text_or_nothing(mark.get("id")) or writer.identity("msg", events.index)
        self._index = events.open(self._item("in_progress", []))
        self._parts: list[bytes] = []
        self._text: list[str] = []
        self._citations: list[bytes] = []
        self._tokens: list[Any] = []
        self._refuses = False
        self._extra: Fields = {}
        self._signature = ""
        self._place = self._delta = b""

    def _item(self, status: str, content: Any) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
            **self._rest,
        }

    def begin(self, head: Part) -> None:
        """A text or a refusal opens."""
        self._text, self._citations, self._tokens = [], [], []
        self._refuses = isinstance(head, Refusal)
        self._extra, self._signature = {}, ""
        if isinstance(head, Text):
            self._signature = head.signature
            if self._writer.own:
                self._extra = {name: raw for name, raw in head.extra.items() if name != MARK}
        self._place = b'"item_id":%b,"output_index":%d,"content_index":%d' % (
            _json(self._id),
            self._index,
            len(self._parts),
        )
        kind = b"refusal" if self._refuses else b"output_text"
        self._delta = b'event: response.%b.delta\ndata: {"type":"response.%b.delta",%b,' % (
            kind,
            kind,
            self._place,
        )
        empty = b'{"type":"refusal","refusal":""}' if self._refuses else _EMPTY_TEXT
        self._events.write(b"response.content_part.added", b'%b,"part":%b' % (self._place, empty))
        if isinstance(head, Text | Refusal) and head.text:
            self.add(Delta(0, 0, head.text), ())
        for citation in head.citations if isinstance(head, Text) else ():
            self.add(Delta(0, 0, citation=citation), ())

    def add(self, delta: Delta, tokens: tuple[TokenLogprob, ...]) -> None:
        """More of the text, with its probabilities, or an annotation of it."""
        self._signature += delta.signature
        if delta.text:
            events = self._events
            self._text.append(delta.text)
            if self._refuses:
                rest = b"}\n\n"
            elif tokens:
                items = logprob_items(tokens)
                self._tokens += items
                rest = b',"logprobs":%b}\n\n' % _json(items)
            else:
                rest = b',"logprobs":[]}\n\n'
            events.out.append(
                b'%b"sequence_number":%d,"delta":%b%b'
                % (self._delta, events.number, _json(delta.text), rest)
            )
            events.number += 1
        elif tokens:
            self._tokens += logprob_items(tokens)
        if delta.citation is not None and not self._refuses:
            found = _json(annotation(delta.citation, own=self._writer.own))
            self._events.write(
                b"response.output_text.annotation.added",
                b'%b,"annotation_index":%d,"annotation":%b'
                % (self._place, len(self._citations), found),
            )
            self._citations.append(found)

    def end(self) -> None:
        """The text is whole."""
        text = _json("".join(self._text))
        if self._refuses:
            part = b'{"type":"refusal","refusal":%b}' % text
            done = b'%b,"refusal":%b' % (self._place, text)
            self._events.write(b"response.refusal.done", done)
        else:
            tokens = _json(self._tokens)
            rest = b"".join([b",%b:%b" % (_json(k), bytes(v)) for k, v in self._extra.items()])
            part = b'{"type":"output_text","text":%b,"annotations":[%b],"logprobs":%b%b}' % (
                text,
                b",".join(self._citations),
                tokens,
                rest,
            )
            done = b'%b,"text":%b,"logprobs":%b' % (self._place, text, tokens)
            self._events.write(b"response.output_text.done", done)
        self._events.write(b"response.content_part.done", b'%b,"part":%b' % (self._place, part))
        self._parts.append(part)

    def continues(self, head: Part) -> bool:
        """Whether a part that opens next belongs to this message."""
        return continues(Text("", signature=self._signature), head)

    def close(self, status: str) -> list[bytes]:
        """The message, and what carries its signature."""
        content = Raw(b"[%b]" % b",".join(self._parts))
        item = _json(self._item(status, content))
        self._events.close(self._index, item)
        if not self._signature:
            return [item]
        return [item, carry(self._events, self._writer, self._signature, follows=True)]


class ReasoningStream:
    """A reasoning item: thoughts or summaries of them, sealed or not."""

    def __init__(self, events: Events, writer: ItemWriter, head: Thinking) -> None:
        self._events = events
        self._writer = writer
        self._given = head.id
        self._id = head.id or writer.identity("rs", events.index)
        self._rest = head.extra if writer.own else {}
        self._item: dict[str, Any] = {"id": self._id, "type": "reasoning", "summary": []}
        self._index = events.open(self._item | self._rest)
        self._summary: list[bytes] = []
        self._content: list[bytes] = []
        self._text: list[str] = []
        self._place = self._delta = b""
        self._summarizes = False
        self._sealed = ""

    def begin(self, head: Part) -> None:
        """A thought opens; it shows with its first words."""
        self._text, self._delta = [], b""
        if isinstance(head, Thinking):
            self._summarizes = head.summary or self._writer.summarized
            self._sealed += head.sealed
            if head.text:
                self.add(Delta(0, 0, head.text), ())

    def add(self, delta: Delta, tokens: tuple[TokenLogprob, ...]) -> None:
        """More of the thought, or of its seal."""
        self._sealed += delta.sealed
        if not delta.text:
            return
        if not self._delta:
            self._show()
        events = self._events
        self._text.append(delta.text)
        events.out.append(
            b'%b"sequence_number":%d,"delta":%b}\n\n'
            % (self._delta, events.number, _json(delta.text))
        )
        events.number += 1

    def _show(self) -> None:
        shown = self._summary if self._summarizes else self._content
        index = b"summary_index" if self._summarizes else b"content_index"
        self._place = b'"item_id":%b,"output_index":%d,"%b":%d' % (
            _json(self._id),
            self._index,
            index,
            len(shown),
        )
        kind = b"reasoning_summary_text" if self._summarizes else b"reasoning_text"
        self._delta = b'event: response.%b.delta\ndata: {"type":"response.%b.delta",%b,' % (
            kind,
            kind,
            self._place,
        )
        self._write_part(b"added", b'""')

    def _write_part(self, moment: bytes, text: bytes) -> bytes:
        kind = b"summary_text" if self._summarizes else b"reasoning_text"
        part = b'{"type":"%b","text":%b}' % (kind, text)
        name = b"reasoning_summary_part" if self._summarizes else b"content_part"
        self._events.write(
            b"response.%b.%b" % (name, moment), b'%b,"part":%b' % (self._place, part)
        )
        return part

    def end(self) -> None:
        """The thought is whole."""
        if not self._delta:
            return
        text = _json("".join(self._text))
        kind = b"reasoning_summary_text" if self._summarizes else b"reasoning_text"
        self._events.write(b"response.%b.done" % kind, b'%b,"text":%b' % (self._place, text))
        part = self._write_part(b"done", text)
        (self._summary if self._summarizes else self._content).append(part)

    def continues(self, head: Part) -> bool:
        """Whether a part that opens next belongs to this item."""
        return continues(Thinking(id=self._given), head)

    def close(self, status: str) -> list[bytes]:
        """The item. It says no status: a summary that was cut is still one."""
        item = self._item | {"summary": Raw(b"[%b]" % b",".join(self._summary))}
        if self._content:
            item["content"] = Raw(b"[%b]" % b",".join(self._content))
        if self._sealed:
            item["encrypted_content"] = self._sealed
        found = _json(item | self._rest)
        self._events.close(self._index, found)
        return [found]


class CallStream:
    """A call of a tool."""

    def __init__(self, events: Events, writer: ItemWriter, head: ToolCall) -> None:
        self._events = events
        self._writer = writer
        self._call = head
        self._signature = ""
        self._before: list[bytes] = []
        if head.signature:
            self._before.append(carry(events, writer, head.signature, follows=False))
        opened = msgspec.structs.replace(head, arguments="")
        self._id, item = writer.call(opened, events.index, "in_progress")
        self._number = events.index
        self._index = events.open(item)
        self._place = b'"item_id":%b,"output_index":%d' % (_json(self._id), self._index)
        kind = b"function_call_arguments" if head.kind == FUNCTION else b"custom_tool_call_input"
        self._kind = kind
        self._delta = b'event: response.%b.delta\ndata: {"type":"response.%b.delta",%b,' % (
            kind,
            kind,
            self._place,
        )
        self._text: list[str] = []

    def begin(self, head: Part) -> None:
        """The call opens; arguments that are there already are its first piece."""
        if self._call.arguments:
            self.add(Delta(0, 0, self._call.arguments), ())

    def add(self, delta: Delta, tokens: tuple[TokenLogprob, ...]) -> None:
        """More of the arguments."""
        self._signature += delta.signature
        if delta.text:
            events = self._events
            self._text.append(delta.text)
            events.out.append(
                b'%b"sequence_number":%d,"delta":%b}\n\n'
                % (self._delta, events.number, _json(delta.text))
            )
            events.number += 1

    def end(self) -> None:
        """The arguments are whole."""
        text = _json("".join(self._text))
        name = b"arguments" if self._call.kind == FUNCTION else b"input"
        self._events.write(
            b"response.%b.done" % self._kind, b'%b,"%b":%b' % (self._place, name, text)
        )

    def continues(self, head: Part) -> bool:
        """Never: a call is an item of its own."""
        return False

    def close(self, status: str) -> list[bytes]:
        """The call, and what carries its signature."""
        whole = msgspec.structs.replace(self._call, arguments="".join(self._text))
        item = _json(self._writer.call(whole, self._number, status)[1])
        self._events.close(self._index, item)
        found = [*self._before, item]
        if self._signature:
            found.append(carry(self._events, self._writer, self._signature, follows=True))
        return found


def carry(events: Events, writer: ItemWriter, signature: str, *, follows: bool) -> bytes:
    """A reasoning item that only carries a signature."""
    identity = writer.identity("rs", events.index)
    opened = {"id": identity, "type": "reasoning", "summary": []}
    index = events.open(opened)
    item = _json(opened | {"encrypted_content": carrier(signature, follows=follows)})
    events.close(index, item)
    return item


_EMPTY_TEXT: Final = b'{"type":"output_text","text":"","annotations":[],"logprobs":[]}'
