"""Reads a stream of this language into chunks.

Blocks come one after the other. What a newcomer would get wrong: a block that only this
language knows also comes in pieces (the input of a hosted tool), and is a whole part only at
its end; the counts of `message_delta` are totals and replace those of `message_start`; and a
call without arguments sends no piece at all.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.anthropic.blocks import read_block, read_citation
from federation.dialects.anthropic.decode import finish_of
from federation.dialects.anthropic.errors import error_in_stream
from federation.dialects.anthropic.events import NULL, Event, EventDelta, data_of, read_event
from federation.dialects.anthropic.tables import ANSWER_TOOL, NAME
from federation.dialects.anthropic.usage import Counts, merged, read_counts, tier_of, to_usage
from federation.dialects.anthropic.wire import Wire
from federation.dialects.decoding import PieceDecoder
from federation.dialects.sse import EventCutter
from federation.dialects.tokenizer import Members
from federation.dialects.whole import said, unreadable
from federation.errors import InvalidRequest
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Failed,
    Finished,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import Fields, Foreign, Part, Thinking, ToolCall

_EMPTY_INPUT: Final = "{}"
_QUIET: Final = (Raw(b'"text"'), Raw(b'"thinking"'))
"""Kinds of blocks whose opening says nothing yet."""
_ANSWER: Final = Raw(msgspec.json.encode(ANSWER_TOOL))


_TELLING: Final = frozenset(
    ("content_block_start", "content_block_delta", "content_block_stop", "message_delta")
)


class _Block(msgspec.Struct):
    """A block that is coming."""

    part: int = -1
    """Its number among the parts; -1 for one that is held until it is whole."""
    members: Members = {}
    call: bool = False
    answer: bool = False
    pieces: list[str] = []
    later: dict[str, list[str]] = {}


class StreamDecoder(PieceDecoder[Wire]):
    """Chunks of one stream; see `faces.StreamDecoder`."""

    __slots__ = ("_blocks", "_counts", "_heads")

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, EventCutter())
        self._blocks: dict[int, _Block] = {}
        self._heads: list[Part] = []
        self._counts: Counts | None = None

    def _read(self, raw: bytes, chunks: list[Chunk]) -> None:
        data = data_of(raw)
        if data is None or self._failed:
            return
        event = read_event(self._halves.mend(data))
        if event is None:
            self._skip(data)
            return
        kind = event.type
        if kind == "content_block_delta":
            if event.delta is not None:
                self._continue(event.index, event.delta, chunks)
        elif kind == "content_block_start":
            self._open(event, chunks)
        elif kind == "content_block_stop":
            block = self._blocks.pop(event.index, None)
            if block is not None:
                self._end(block, chunks)
        elif kind == "message_start":
            self._begin(event, chunks)
        elif kind == "message_delta":
            self._finish(event, chunks)
        elif kind == "message_stop":
            self.done = self.started = True
        elif event.error != NULL:
            self._fail(event.error, chunks)

    def _skip(self, data: bytes) -> None:
        """Leave out what cannot be read. Raises `UpstreamGarbled` for a piece of the answer: the
        client of a forwarded stream was told it, and without it the rest would look whole."""
        self.malformed += 1
        if str(said(data, "type")) in _TELLING:
            raise unreadable(self._wire.deployment)

    def _fail(self, error: Raw, chunks: list[Chunk]) -> None:
        failure = error_in_stream(self._wire, error)
        if not self.started:
            raise failure
        self._failed = True
        chunks.append(Failed(failure))

    def _begin(self, event: Event, chunks: list[Chunk]) -> None:
        message = event.message
        if message is None:
            return
        self._counts = read_counts(message.usage) if message.usage != NULL else None
        tier = tier_of(self._counts)
        chunks.append(Begun(message.id or "", message.model or "", service_tier=tier))
        self._tell_usage(chunks)

    def _tell_usage(self, chunks: list[Chunk]) -> None:
        usage = to_usage(self._counts)
        if usage is not None:
            chunks.append(UsageSeen(usage))

    def _open(self, event: Event, chunks: list[Chunk]) -> None:
        members = event.content_block
        if members is None or event.index in self._blocks:
            return
        try:
            head = read_block(members, "content_block")
        except InvalidRequest:
            self.malformed += 1
            return
        if members.get("type") not in _QUIET:
            self.started = True
        if isinstance(head, Foreign):
            # A piece may follow that belongs into it, so it is told when it is whole.
            copied = {name: Raw(bytes(raw)) for name, raw in members.items()}
            self._blocks[event.index] = _Block(members=copied, pieces=[], later={})
            return
        block = _Block(len(self._heads), pieces=[], later={})
        if isinstance(head, ToolCall):
            block.call = True
            given = "" if head.arguments.strip() == _EMPTY_INPUT else head.arguments
            block.pieces += [given] if given else []
            head = structs.replace(head, arguments=given)
        elif members.get("name") == _ANSWER:
            block.answer = True
            head = structs.replace(head, text="")
        self._blocks[event.index] = block
        self._heads.append(head)
        chunks.append(PartBegun(0, block.part, head))

    def _continue(self, index: int, delta: EventDelta, chunks: list[Chunk]) -> None:
        block = self._blocks.get(index)
        if block is not None:
            self.started = True
            self._add(block, delta, chunks)
        elif delta.text:
            self.malformed += 1  # words of a block that nobody opened

    def _add(self, block: _Block, delta: EventDelta, chunks: list[Chunk]) -> None:
        part = block.part
        if part < 0:
            self._hold(block, delta)
        elif delta.text:
            chunks.append(Delta(0, part, delta.text))
        elif delta.partial_json and (block.call or block.answer):
            if block.call and not block.pieces:
                block.pieces.append(delta.partial_json)
            chunks.append(Delta(0, part, delta.partial_json))
        elif delta.thinking:
            chunks.append(Delta(0, part, delta.thinking))
        elif delta.signature and isinstance(self._heads[part], Thinking):
            chunks.append(Delta(0, part, signature=delta.signature))
        elif delta.citation != NULL:
            try:
                citation = read_citation(delta.citation)
            except msgspec.DecodeError:
                return
            chunks.append(Delta(0, part, citation=citation))

    def _hold(self, block: _Block, delta: EventDelta) -> None:
        if delta.partial_json:
            block.pieces.append(delta.partial_json)
        for name in ("content", "encrypted_content"):
            more = getattr(delta, name)
            if more:
                block.later.setdefault(name, []).append(more)

    def _end(self, block: _Block, chunks: list[Chunk]) -> None:
        if block.part >= 0:
            if block.call and not block.pieces:
                chunks.append(Delta(0, block.part, _EMPTY_INPUT))
            chunks.append(PartEnded(0, block.part))
            return
        members = block.members
        given = Raw("".join(block.pieces).encode())
        if block.pieces and _is_json(given):
            members["input"] = given
        for name, pieces in block.later.items():
            members[name] = Raw(msgspec.json.encode("".join(pieces)))
        whole = Foreign(NAME, Raw(msgspec.json.encode(members)))
        chunks.append(PartBegun(0, len(self._heads), whole))
        chunks.append(PartEnded(0, len(self._heads)))
        self._heads.append(whole)

    def _finish(self, event: Event, chunks: list[Chunk]) -> None:
        if event.usage != NULL:
            counts = read_counts(event.usage)
            if counts is not None:
                self._counts = merged(self._counts, counts)
                self._tell_usage(chunks)
        delta = event.delta
        if delta is None or not delta.stop_reason or self._finished:
            return
        self.started = True
        for index in sorted(self._blocks):
            self._end(self._blocks.pop(index), chunks)
        self._finished = True
        chunks.append(
            Finished(
                0,
                finish_of(delta.stop_reason, self._heads),
                delta.stop_reason,
                delta.stop_sequence,
                Raw(bytes(delta.stop_details)) if delta.stop_details != NULL else None,
                _extra(event, delta),
            )
        )


def _extra(event: Event, delta: EventDelta) -> Fields:
    said = {
        "container": delta.container,
        "context_management": event.context_management,
        "input_transformations": event.input_transformations,
    }
    return {name: Raw(bytes(raw)) for name, raw in said.items() if raw != NULL}


def _is_json(raw: Raw) -> bool:
    try:
        msgspec.json.decode(raw, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
