"""Writes chunks as a stream of this language.

Its blocks follow one another, so a part that begins while another is open (parallel calls of
hosts that interleave them) is held back until that one has ended. `message_start` demands a
usage that most providers tell only at the end: it says what is known by then, else zero, and
`message_delta`, whose counts replace it, tells the totals. That event is written when the
stream is closed, because a usage may follow the finish reason. Pings are the gateway's.

Reference: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.anthropic.errors import stream_error
from federation.dialects.anthropic.render import message_head
from federation.dialects.anthropic.show import (
    call_head,
    show,
    show_citation,
    stop_details,
    stop_reason,
)
from federation.dialects.anthropic.usage import from_usage
from federation.dialects.end_mark import MARK, said_of
from federation.errors import FederationError
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
from federation.schema.parts import CUSTOM, Citation, Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

_ENCODER: Final = msgspec.json.Encoder()
_START: Final = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,'
    b'"content_block":%b}\n\n'
)
_DELTA: Final = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
    b'{"type":"%b":%b}}\n\n'
)
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_BEGIN: Final = b'event: message_start\ndata: {"type":"message_start","message":%b}\n\n'
_END: Final = b"event: message_delta\ndata: %b\n\n"
LAST: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_TEXT, _JSON = b'text_delta","text', b'input_json_delta","partial_json'
_THINKING, _SIGNATURE = b'thinking_delta","thinking', b'signature_delta","signature'
_CITATION: Final = b'citations_delta","citation'
_OWN_MEMBERS: Final = frozenset(("caller", "toolset_name"))
"""Members of a call that are this language's, whoever answered."""
_OWN_ENDS: Final = frozenset(("container", "context_management", "input_transformations"))
_OWN_CITATIONS: Final = b"_location"
_TOTALS: Final = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)


class StreamRenderer:
    """The events of one stream; see `faces.StreamRenderer`."""

    __slots__ = (
        "_begun",
        "_finished",
        "_index",
        "_kind",
        "_mark",
        "_open",
        "_over",
        "_refused",
        "_sealed",
        "_shown",
        "_started",
        "_usage",
        "_waiting",
        "_words",
    )

    def __init__(self) -> None:
        self._begun = Begun("", "")
        self._started = False
        self._over = False
        self._index = 0
        self._open = -1
        """The part that is being written; -1 for none."""
        self._kind = b""
        """What a delta of the open part is; empty where it gets none."""
        self._shown = False
        """The block of the open part has begun."""
        self._sealed: list[str] = []
        self._words: list[str] = []
        """A custom call's text, which is an object's member here and so comes as a whole."""
        self._waiting: dict[int, list[Chunk]] = {}
        self._usage: Usage | None = None
        self._finished: Finished | None = None
        self._refused = False
        self._mark: dict[str, Any] = {}
        """What the end says of itself."""

    def render(self, chunks: list[Chunk]) -> bytes:
        """The events for these chunks."""
        out: list[bytes] = []
        for chunk in chunks:
            match chunk:
                case Delta():
                    if chunk.part == self._open and not chunk.choice:
                        self._add(chunk, out)
                    else:
                        self._wait(chunk)
                case UsageSeen():
                    self._usage = chunk.usage
                case Begun():
                    self._begun = chunk
                case Resumed() | LeftOut():
                    self._mark |= said_of(chunk)
                case PartBegun() | PartEnded():
                    self._place(chunk, out)
                case Finished():
                    if not chunk.choice:
                        self._finished = chunk
                case _:
                    pass
        if not self._started and not self._over and chunks:
            out.insert(0, self._start())
        return out[0] if len(out) == 1 else b"".join(out)

    def close(self) -> bytes:
        """What ends the stream of a whole answer."""
        if self._over:
            return b""
        out: list[bytes] = []
        self._start_once(out)
        while self._open >= 0 or self._waiting:
            self._end(out)
            self._next(out)
        out.append(_END % _ENCODER.encode(self._ending()))
        out.append(LAST)
        self._over = True
        return b"".join(out)

    def fail(self, error: FederationError) -> bytes:
        """The in-band error that ends a broken stream."""
        if self._over:
            return b""
        self._over = True
        return stream_error(error)

    def _start(self) -> bytes:
        self._started = True
        usage = from_usage(self._usage, self._begun.service_tier)
        return _BEGIN % message_head(self._begun.id or "msg", self._begun.model, usage)

    def _start_once(self, out: list[bytes]) -> None:
        if not self._started:
            out.append(self._start())

    def _ending(self) -> dict[str, Any]:
        end = self._finished or Finished(0, "")
        reason = stop_reason(end.finish, end.reason, end.stop_sequence, refused=self._refused)
        delta: dict[str, Any] = {"stop_reason": reason, "stop_sequence": end.stop_sequence or None}
        details = stop_details(end.detail)
        if details is not None:
            delta["stop_details"] = details
        ending: dict[str, Any] = {"type": "message_delta", "delta": delta}
        for name in _OWN_ENDS & end.extra.keys():
            (delta if name == "container" else ending)[name] = end.extra[name]
        if self._mark:
            ending[MARK] = self._mark
        usage = from_usage(self._usage)
        ending["usage"] = {name: usage[name] for name in _TOTALS if name in usage}
        return ending

    def _wait(self, chunk: Delta) -> None:
        held = self._waiting.get(chunk.part) if not chunk.choice else None
        if held is not None:
            held.append(chunk)

    def _place(self, chunk: PartBegun | PartEnded, out: list[bytes]) -> None:
        if chunk.choice:
            return
        part = chunk.part
        if part in self._waiting:
            self._waiting[part].append(chunk)
        elif isinstance(chunk, PartEnded):
            if part == self._open:
                self._end(out)
                self._next(out)
        elif self._open >= 0:
            self._waiting[part] = [chunk]
        else:
            self._begin(part, chunk.head, out)

    def _next(self, out: list[bytes]) -> None:
        """Write what waited, up to the first part that is still open."""
        while self._open < 0 and self._waiting:
            part = next(iter(self._waiting))
            for chunk in self._waiting.pop(part):
                match chunk:
                    case PartBegun():
                        self._begin(part, chunk.head, out)
                    case Delta():
                        self._add(chunk, out)
                    case PartEnded():
                        self._end(out)
                    case _:
                        pass

    def _begin(self, part: int, head: Part, out: list[bytes]) -> None:
        self._start_once(out)
        self._open = part
        self._shown, self._kind = False, b""
        match head:
            case Text() | Refusal():
                self._refused = self._refused or isinstance(head, Refusal)
                self._kind = _TEXT
                self._show({"type": "text", "text": ""}, out)
                if head.text:
                    self._say(_TEXT, head.text, out)
                if isinstance(head, Text):
                    for citation in head.citations:
                        self._cite(citation, out)
            case Thinking():
                self._kind = _THINKING
                if head.sealed:
                    self._sealed.append(head.sealed)
                if head.text or head.signature:
                    self._think(head.text, head.signature, out)
            case ToolCall():
                self._kind = b"" if head.kind == CUSTOM else _JSON
                block = call_head(head) | {"input": {}}
                block |= {name: head.extra[name] for name in _OWN_MEMBERS & head.extra.keys()}
                self._show(block, out)
                if head.kind == CUSTOM:
                    self._words.append(head.arguments)
                elif head.arguments:
                    self._say(_JSON, head.arguments, out)
            case _:
                for whole in show(head, own=True):
                    self._show(whole, out)

    def _add(self, chunk: Delta, out: list[bytes]) -> None:
        kind = self._kind
        if kind == _THINKING:
            if chunk.sealed:
                self._sealed.append(chunk.sealed)
            if chunk.text or chunk.signature:
                self._think(chunk.text, chunk.signature, out)
        elif self._words:
            self._words.append(chunk.text)
        elif chunk.text and kind:
            out.append(_DELTA % (self._index, kind, _ENCODER.encode(chunk.text)))
        if chunk.citation is not None and kind == _TEXT:
            self._cite(chunk.citation, out)

    def _end(self, out: list[bytes]) -> None:
        """End the open part, if there is one, and its block."""
        if self._words:
            self._say(_JSON, _ENCODER.encode({"input": "".join(self._words)}).decode(), out)
            self._words.clear()
        if self._kind == _THINKING and not self._shown and not self._sealed:
            self._think("", "", out)
        self._hide(out)
        if self._sealed:
            self._show({"type": "redacted_thinking", "data": "".join(self._sealed)}, out)
            self._sealed.clear()
            self._hide(out)
        self._open = -1

    def _think(self, text: str, signature: str, out: list[bytes]) -> None:
        if not self._shown:
            self._show({"type": "thinking", "thinking": "", "signature": ""}, out)
        if text:
            self._say(_THINKING, text, out)
        if signature:
            self._say(_SIGNATURE, signature, out)

    def _cite(self, citation: Citation, out: list[bytes]) -> None:
        raw = citation.raw
        own = raw is not None and _OWN_CITATIONS in bytes(raw)
        shown = _ENCODER.encode(show_citation(citation, own=own))
        out.append(_DELTA % (self._index, _CITATION, shown))

    def _say(self, kind: bytes, text: str, out: list[bytes]) -> None:
        out.append(_DELTA % (self._index, kind, _ENCODER.encode(text)))

    def _show(self, block: dict[str, Any] | Raw, out: list[bytes]) -> None:
        out.append(_START % (self._index, _ENCODER.encode(block)))
        self._shown = True

    def _hide(self, out: list[bytes]) -> None:
        if self._shown:
            out.append(_STOP % self._index)
            self._index += 1
            self._shown = False
