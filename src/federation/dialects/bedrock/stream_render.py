"""Writes chunks as a ConverseStream: binary frames, one block after the other.

Only calls and pictures have an opening event; text and reasoning open with their first
delta, and a part that stays empty is never seen. Parts that overlap (parallel calls) are
written one after the other. The usage comes last, in the event that ends the stream.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from federation.dialects.aws_eventstream import write_frame, write_headers
from federation.dialects.bedrock.citations import write_citation
from federation.dialects.bedrock.errors import render_stream_error
from federation.dialects.bedrock.render import (
    call_head,
    image_of,
    is_base64,
    response_fields,
    stop_reason,
)
from federation.dialects.bedrock.tables import NAME
from federation.dialects.bedrock.usage import write_usage
from federation.dialects.end_mark import MARK, said_of
from federation.errors import FederationError
from federation.schema.chat import ChatRequest
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    LeftOut,
    PartBegun,
    PartEnded,
    Resumed,
    UsageSeen,
)
from federation.schema.parts import (
    Fields,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from federation.schema.usage import Usage

_NO_METRICS: Final = {"latencyMs": 0}
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])


def _headers(name: str) -> bytes:
    return write_headers(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    )


_START: Final = _headers("messageStart")
_BLOCK_START: Final = _headers("contentBlockStart")
_DELTA: Final = _headers("contentBlockDelta")
_BLOCK_STOP: Final = _headers("contentBlockStop")
_STOP: Final = _headers("messageStop")
_METADATA: Final = _headers("metadata")
_encode: Final = msgspec.json.Encoder().encode


class _Open:
    """The part that is being written."""

    __slots__ = ("head", "part", "sealed", "signature", "written")

    def __init__(self, part: int, head: Part) -> None:
        self.part = part
        self.head = head
        self.written = False
        """Its block has begun on the wire."""
        self.signature: list[str] = []
        self.sealed: list[str] = []


class StreamRenderer:
    """One stream; see `faces.StreamRenderer` for the promises."""

    __slots__ = ("_block", "_extra", "_held", "_mark", "_open", "_out", "_request", "_usage")

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._open: _Open | None = None
        self._held: dict[int, list[PartBegun | Delta | PartEnded]] = {}
        self._block = 0
        self._out: list[bytes] = []
        self._usage: Usage | None = None
        self._extra: Fields = {}
        self._mark: dict[str, Any] = {}
        """What the end says of itself."""

    def render(self, chunks: list[Chunk]) -> bytes:
        """The frames for these chunks; may be empty where something is held back."""
        for chunk in chunks:
            match chunk:
                case Delta() | PartBegun() | PartEnded():
                    if chunk.choice == 0:
                        self._take(chunk)
                case Begun():
                    self._out.append(write_frame(_START, b'{"role":"assistant"}'))
                case UsageSeen():
                    self._usage = chunk.usage
                case Resumed() | LeftOut():
                    self._mark |= said_of(chunk)
                case Finished():
                    if chunk.choice == 0:
                        self._finish(chunk)
                case _:
                    pass
        out, self._out = self._out, []
        return out[0] if len(out) == 1 else b"".join(out)

    def close(self) -> bytes:
        """The end of the message and its metadata."""
        said: dict[str, Any] = {"usage": write_usage(self._usage), "metrics": _NO_METRICS}
        said.update({name: raw for name, raw in self._extra.items() if name in _IN_METADATA})
        if self._mark:
            said[MARK] = self._mark
        return write_frame(_METADATA, _encode(said))

    def fail(self, error: FederationError) -> bytes:
        """The exception that ends a broken stream."""
        return render_stream_error(error)

    def _take(self, chunk: PartBegun | Delta | PartEnded) -> None:
        """Write a chunk of the open part; hold one of a later part back."""
        now = self._open
        if now is None and isinstance(chunk, PartBegun):
            self._begin(chunk)
        elif now is not None and chunk.part == now.part:
            if isinstance(chunk, Delta):
                self._write(now, chunk)
            elif isinstance(chunk, PartEnded):
                self._end(now)
                self._release()
        elif isinstance(chunk, PartBegun) or chunk.part in self._held:
            self._held.setdefault(chunk.part, []).append(chunk)

    def _release(self) -> None:
        """Write the parts that were held back, as far as they go."""
        while self._held and self._open is None:
            chunks = self._held.pop(min(self._held))
            if isinstance(chunks[0], PartBegun):
                for chunk in chunks:
                    self._take(chunk)

    def _begin(self, chunk: PartBegun) -> None:
        head = chunk.head
        self._open = now = _Open(chunk.part, head)
        match head:
            case ToolCall():
                self._start({"toolUse": call_head(head)}, now)
                self._write(now, Delta(0, chunk.part, head.arguments, head.signature))
            case Text():
                self._write(now, Delta(0, chunk.part, head.text, head.signature))
                for citation in head.citations:
                    self._delta({"citation": write_citation(citation)}, now)
            case Refusal():
                self._write(now, Delta(0, chunk.part, head.text))
            case Thinking():
                whole = Delta(0, chunk.part, head.text, head.signature, head.sealed)
                self._write(now, whole)
            case Media():
                self._picture(head, now)
            case Foreign() if head.dialect == NAME:
                self._foreign(head, now)

    def _write(self, now: _Open, delta: Delta) -> None:
        head = now.head
        if delta.text:
            if isinstance(head, ToolCall):
                self._delta({"toolUse": {"input": delta.text}}, now)
            elif isinstance(head, Thinking):
                self._delta({"reasoningContent": {"text": delta.text}}, now)
            else:
                self._delta({"text": delta.text}, now)
        if delta.citation is not None:
            self._delta({"citation": write_citation(delta.citation)}, now)
        # Written whole when the part ends: not every client joins the pieces of a state.
        if delta.signature:
            now.signature.append(delta.signature)
        if delta.sealed:
            now.sealed.append(delta.sealed)

    def _end(self, now: _Open) -> None:
        if isinstance(now.head, Thinking):
            self._end_thinking(now)
        self._stop(now)
        self._open = None

    def _end_thinking(self, now: _Open) -> None:
        if now.signature:
            self._delta({"reasoningContent": {"signature": "".join(now.signature)}}, now)
        sealed = "".join(now.sealed)
        if sealed and is_base64(sealed):
            if now.written:
                self._stop(now)
            self._delta({"reasoningContent": {"redactedContent": sealed}}, now)

    def _start(self, start: dict[str, Any], now: _Open) -> None:
        now.written = True
        self._send(_BLOCK_START, {"start": start, "contentBlockIndex": self._block})

    def _delta(self, delta: dict[str, Any], now: _Open) -> None:
        now.written = True
        self._send(_DELTA, {"contentBlockIndex": self._block, "delta": delta})

    def _stop(self, now: _Open) -> None:
        if now.written:
            self._send(_BLOCK_STOP, {"contentBlockIndex": self._block})
            self._block += 1

    def _send(self, headers: bytes, event: Any) -> None:
        self._out.append(write_frame(headers, _encode(event)))

    def _picture(self, head: Media, now: _Open) -> None:
        image = image_of(head)
        if image is not None:
            self._start({"image": {"format": image["format"]}}, now)
            self._delta({"image": {"source": image["source"]}}, now)

    def _foreign(self, head: Foreign, now: _Open) -> None:
        """A tool that the provider ran, as far as a stream can show it."""
        block = _OBJECT.decode(head.raw)
        if "toolUse" in block:
            call = dict(block["toolUse"])
            given = call.pop("input", {})
            self._start({"toolUse": call}, now)
            self._delta({"toolUse": {"input": _encode(given).decode()}}, now)
        elif "toolResult" in block:
            result = dict(block["toolResult"])
            content = result.pop("content", [])
            self._start({"toolResult": result}, now)
            self._delta({"toolResult": content}, now)

    def _finish(self, chunk: Finished) -> None:
        while self._open is not None or self._held:
            if self._open is not None:
                self._end(self._open)
            self._release()
        self._extra = chunk.extra
        event: dict[str, Any] = {
            "stopReason": stop_reason(chunk.finish, chunk.reason, chunk.stop_sequence)
        }
        fields = response_fields(chunk.stop_sequence, chunk.extra, self._request)
        if fields is not None:
            event["additionalModelResponseFields"] = fields
        self._send(_STOP, event)


_IN_METADATA: Final = frozenset(("metrics", "trace", "performanceConfig", "serviceTier"))
