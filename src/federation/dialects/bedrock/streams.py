"""Reads a provider's ConverseStream into chunks.

Text and reasoning begin without an event of their own: their first delta opens them. What
comes in pieces and has no piecewise place in the canonical form (pictures, redacted
reasoning, tools that the provider ran) is gathered until its block ends. The end of the
message is held until the metadata that follows it, whose members belong to it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.aws_eventstream import Frame, FrameCutter
from federation.dialects.bedrock import events
from federation.dialects.bedrock.citations import read_citation
from federation.dialects.bedrock.decode import (
    finish_of,
    gathered,
    stop_sequence_of,
)
from federation.dialects.bedrock.errors import exception_in_stream
from federation.dialects.bedrock.tables import JSON_ANSWER, NAME
from federation.dialects.bedrock.usage import read_usage
from federation.dialects.bedrock.wire import Wire
from federation.dialects.decoding import Decoder
from federation.dialects.whole import unreadable
from federation.errors import UpstreamError
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
from federation.schema.parts import IMAGE, Foreign, Media, Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

_NULL: Final = Raw(b"null")
_TEXT: Final = Text("")
_THINKING: Final = Thinking()
_WORDS, _THOUGHTS, _CALL, _ANSWER, _PICTURE, _HOSTED, _RESULT = range(7)


TELLING: Final = frozenset(("contentBlockDelta", "contentBlockStart", "messageStop"))
"""Events that hold a piece of the answer."""


class _Block:
    """A content block that is open."""

    __slots__ = ("head", "index", "kind", "part", "pieces", "sealed")

    def __init__(self, index: int, kind: int, part: int = -1, head: object = None) -> None:
        self.index = index
        self.kind = kind
        self.part = part
        self.head = head
        self.pieces: list[str] = []
        self.sealed: list[str] = []


class StreamDecoder(Decoder[Wire]):
    """One stream; see `faces.StreamDecoder` for the promises."""

    __slots__ = ("_begun", "_block", "_called", "_cutter", "_parts", "_stop")

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._cutter = FrameCutter()
        self._block: _Block | None = None
        self._parts = 0
        self._called = False
        self._begun = False
        self._stop: events.Stop | None = None

    @property
    def complete(self) -> bool:
        """The end of the message was seen, and no error."""
        return (self._stop is not None or self.done) and not self._failed

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks in what has arrived; see `faces.StreamDecoder.feed`."""
        chunks: list[Chunk] = []
        for frame in self._cutter.feed(data):
            if self._failed or self.done:
                break
            self._read(frame, chunks)
        return chunks

    def close(self) -> list[Chunk]:
        """The end of the message, if its metadata never came."""
        chunks: list[Chunk] = []
        if self._stop is not None and not self.done and not self._failed:
            self._finish(events.Metadata(), chunks)
        return chunks

    def _read(self, frame: Frame, chunks: list[Chunk]) -> None:
        kind = frame.text(":message-type")
        if kind in ("exception", "error"):
            self._fail(frame, kind, chunks)
            return
        name = frame.text(":event-type")
        if not self._begun:
            self._begun = True
            chunks.append(Begun("", self._wire.model))
        try:
            if name == "contentBlockDelta":
                payload = self._halves.mend(frame.payload)
                self._delta(events.BLOCK_DELTA.decode(payload), chunks)
            elif name == "contentBlockStart":
                self._start(events.BLOCK_START.decode(frame.payload), chunks)
            elif name == "contentBlockStop":
                self._end_block(chunks)
            elif name == "messageStop":
                self._stop = events.STOP.decode(frame.payload)
                self.started = True
                self._end_block(chunks)
            elif name == "metadata":
                self._finish(events.METADATA.decode(frame.payload), chunks)
        except events.UNREADABLE:
            self.malformed += 1
            if name in TELLING:
                # A client of a forwarded stream was told it; without it the rest would look whole.
                raise unreadable(self._wire.deployment) from None

    def _start(self, event: events.BlockStart, chunks: list[Chunk]) -> None:
        self._end_block(chunks)
        start, index = event.start, event.content_block_index
        if start is None:
            return
        self.started = True
        if start.tool_use is not None:
            call = start.tool_use
            if call.type is not None:
                self._block = _Block(index, _HOSTED, head=call)
            elif call.name == JSON_ANSWER:
                self._open(index, _ANSWER, _TEXT, chunks)
            else:
                self._called = True
                head = ToolCall(call.tool_use_id, call.name, "")
                self._open(index, _CALL, head, chunks)
        elif start.image is not None:
            self._block = _Block(index, _PICTURE, head=start.image.format or "")
        elif start.tool_result != _NULL:
            self._block = _Block(index, _RESULT, head=bytes(start.tool_result))

    def _delta(self, event: events.BlockDelta, chunks: list[Chunk]) -> None:
        delta = event.delta
        if delta is None:
            return
        index = event.content_block_index
        text = delta.text
        if text is not None:
            if text:
                block = self._at(index, _WORDS, _TEXT, chunks)
                chunks.append(Delta(0, block.part, text))
        elif delta.tool_use is not None:
            self._input(index, delta.tool_use.input or "", chunks)
        elif delta.reasoning_content is not None:
            self._reasoning(index, delta.reasoning_content, chunks)
        elif delta.citation != _NULL:
            try:
                citation = read_citation(delta.citation)
            except events.UNREADABLE:
                self.malformed += 1
                return
            block = self._at(index, _WORDS, _TEXT, chunks)
            chunks.append(Delta(0, block.part, citation=citation))
        elif delta.image is not None and self._block is not None:
            source = delta.image.source
            self._block.pieces.append((source.bytes if source is not None else None) or "")
        elif delta.tool_result != _NULL and self._block is not None:
            self._block.pieces.append(bytes(delta.tool_result).decode())

    def _input(self, index: int, text: str, chunks: list[Chunk]) -> None:
        block = self._block
        if block is None or block.index != index or not text:
            return
        block.pieces.append(text)
        if block.kind in (_CALL, _ANSWER):
            chunks.append(Delta(0, block.part, text))

    def _reasoning(self, index: int, said: events.Reasoned, chunks: list[Chunk]) -> None:
        if not (said.text or said.signature or said.redacted_content):
            return
        block = self._at(index, _THOUGHTS, _THINKING, chunks)
        if said.text or said.signature:
            chunks.append(Delta(0, block.part, said.text or "", said.signature or ""))
        if said.redacted_content:
            block.sealed.append(said.redacted_content)

    def _at(self, index: int, kind: int, head: Part, chunks: list[Chunk]) -> _Block:
        """The open block of this index and kind, opened where there is none."""
        block = self._block
        if block is not None and block.index == index and block.kind == kind:
            return block
        self._end_block(chunks)
        return self._open(index, kind, head, chunks)

    def _open(self, index: int, kind: int, head: Part, chunks: list[Chunk]) -> _Block:
        self.started = True
        block = self._block = _Block(index, kind, self._parts)
        self._parts += 1
        chunks.append(PartBegun(0, block.part, head))
        return block

    def _end_block(self, chunks: list[Chunk]) -> None:
        block, self._block = self._block, None
        if block is None:
            return
        if block.part < 0:
            part = _whole(block)
            if part is not None:
                chunks += (PartBegun(0, self._parts, part), PartEnded(0, self._parts))
                self._parts += 1
            return
        if block.kind == _CALL and not block.pieces:
            chunks.append(Delta(0, block.part, "{}"))
        if block.sealed:
            chunks.append(Delta(0, block.part, sealed=_joined(block.sealed)))
        chunks.append(PartEnded(0, block.part))

    def _finish(self, said: events.Metadata, chunks: list[Chunk]) -> None:
        if self.done:
            return
        self._end_block(chunks)
        stop = self._stop or events.Stop()
        fields = stop.additional_model_response_fields
        usage: Usage | None = None
        if said.usage != _NULL:
            usage = read_usage(self._wire, said.usage, said.service_tier)
        if usage is not None:
            chunks.append(UsageSeen(usage))
        if self._stop is None:
            return
        reason = stop.stop_reason or ""
        extra = gathered(
            said.metrics, said.trace, said.performance_config, said.service_tier, fields
        )
        self.done = True
        chunks.append(
            Finished(
                0,
                finish_of(reason, self._called),
                reason,
                stop_sequence_of(fields, reason),
                extra=extra,
            )
        )

    def _fail(self, frame: Frame, kind: str, chunks: list[Chunk]) -> None:
        error = error_of(self._wire, frame, kind)
        if not self.started:
            raise error
        self._failed = True
        chunks.append(Failed(error))


def error_of(wire: Wire, frame: Frame, kind: str) -> UpstreamError:
    """The error in a frame that is no event."""
    name = frame.text(":exception-type" if kind == "exception" else ":error-code")
    return exception_in_stream(wire, name, frame.text(":error-message"), frame.payload)


def _whole(block: _Block) -> Part | None:
    """The part that a gathered block is; None where it cannot be read."""
    head = block.head
    if block.kind == _PICTURE:
        return Media(IMAGE, f"image/{head}", _joined(block.pieces))
    if isinstance(head, events.CallStart):
        call = {
            "toolUseId": head.tool_use_id,
            "name": head.name,
            "input": Raw(("".join(block.pieces) or "{}").encode()),
            "type": head.type,
        }
        return _foreign({"toolUse": call})
    if not isinstance(head, bytes):
        return None
    try:
        result = msgspec.json.decode(head, type=dict[str, Raw])
        content = [
            item for piece in block.pieces for item in msgspec.json.decode(piece, type=list[Raw])
        ]
    except msgspec.DecodeError:
        return None
    return _foreign({"toolResult": {**result, "content": content}})


def _foreign(block: dict[str, object]) -> Foreign | None:
    raw = msgspec.json.encode(block)
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return Foreign(NAME, Raw(raw))


def _joined(pieces: list[str]) -> str:
    """One base64 text for blobs that came one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join([b64decode(piece) for piece in pieces])).decode()
    except (Error, ValueError):
        return "".join(pieces)
