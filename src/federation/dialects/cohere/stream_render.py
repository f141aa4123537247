"""Writes chunks as a stream of this dialect.

Blocks come one after the other here, so a part that begins while another is open waits until
that has ended. The last event holds finish reason and usage together, so it is written when
the stream is over and not when the finish is known.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.cohere import usage as counts
from federation.dialects.cohere.citations import is_own, read_citation, write_citation
from federation.dialects.cohere.errors import stream_error
from federation.dialects.cohere.logprobs import write_logprob
from federation.dialects.cohere.render import state_of, word_for
from federation.dialects.cohere.tables import FINISH, PLAN
from federation.dialects.end_mark import MARK, said_of
from federation.errors import FederationError
from federation.schema.chat import STOP, ChatRequest, TokenLogprob
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    LeftOut,
    Logprobs,
    PartBegun,
    PartEnded,
    Resumed,
    UsageSeen,
)
from federation.schema.parts import Citation, Fields, Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

_json: Final = msgspec.json.Encoder().encode
_RAWS: Final = msgspec.json.Decoder(list[Raw])
_PLAN, _TEXT, _THINKING, _CALL, _SKIPPED = range(5)

_BEGIN: Final = (
    b'event: message-start\ndata: {"id":%b,"type":"message-start","delta":{"message":'
    b'{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}\n\n'
)
_START: Final = (
    b'event: content-start\ndata: {"type":"content-start","index":%d,"delta":{"message":'
    b'{"content":{"type":"%b","%b":""}}}}\n\n'
)
_MORE: Final = (
    b'event: content-delta\ndata: {"type":"content-delta","index":%d,"delta":{"message":'
    b'{"content":{"%b":%b}}}}\n\n'
)
_ODDS: Final = (
    b'event: content-delta\ndata: {"type":"content-delta","index":%d,"delta":{"message":'
    b'{"content":{"text":""}}},"logprobs":%b}\n\n'
)
_SIGNED: Final = (
    b'event: content-delta\ndata: {"type":"content-delta","index":%d,"delta":{"message":'
    b'{"content":%b}}}\n\n'
)
_STOP: Final = b'event: content-end\ndata: {"type":"content-end","index":%d}\n\n'
_PLANNED: Final = (
    b'event: tool-plan-delta\ndata: {"type":"tool-plan-delta","delta":{"message":'
    b'{"tool_plan":%b}}}\n\n'
)
_CALLED: Final = (
    b'event: tool-call-start\ndata: {"type":"tool-call-start","index":%d,"delta":{"message":'
    b'{"tool_calls":{"id":%b,"type":"function","function":{"name":%b,"arguments":""}}}}}\n\n'
)
_ARGUED: Final = (
    b'event: tool-call-delta\ndata: {"type":"tool-call-delta","index":%d,"delta":{"message":'
    b'{"tool_calls":{"function":{"arguments":%b}}}}}\n\n'
)
_CALL_OVER: Final = b'event: tool-call-end\ndata: {"type":"tool-call-end","index":%d}\n\n'
_CITED: Final = (
    b'event: citation-start\ndata: {"type":"citation-start","index":%d,"delta":{"message":'
    b'{"citations":%b}}}\n\n'
    b'event: citation-end\ndata: {"type":"citation-end","index":%d}\n\n'
)
_END: Final = (
    b'event: message-end\ndata: {"id":%b,"type":"message-end","delta":{"finish_reason":%b%b}%b}\n\n'
)


class StreamRenderer:
    """See `faces.StreamRenderer`; one for each stream. Only the first answer has a place."""

    __slots__ = (
        "_blocks",
        "_calls",
        "_citations",
        "_finished",
        "_id",
        "_index",
        "_kind",
        "_mark",
        "_open",
        "_out",
        "_text",
        "_texts",
        "_usage",
        "_waiting",
    )

    def __init__(self, request: ChatRequest) -> None:
        del request
        self._id = b'""'
        self._out: list[bytes] = []
        self._open: int | None = None
        self._kind = _SKIPPED
        self._index = 0
        self._blocks = self._calls = self._citations = 0
        self._text: list[str] = []
        """Of the open text; for the words that a foreign citation does not repeat."""
        self._texts: dict[int, tuple[int, list[str]]] = {}
        """Texts by their parts, with the index of the block: one that has ended may be cited."""
        self._waiting: dict[int, list[Chunk]] = {}
        self._usage: Usage | None = None
        self._finished = Finished(0, STOP)
        self._mark: dict[str, Any] = {}
        """What the end says of itself."""

    def render(self, chunks: list[Chunk]) -> bytes:
        """The events for these chunks."""
        for chunk in chunks:
            if isinstance(chunk, PartBegun | Delta | PartEnded):
                if chunk.choice == 0:
                    self._place(chunk)
            else:
                self._beside(chunk)
        return self._taken()

    def close(self) -> bytes:
        """The event that ends the stream of a whole answer."""
        for chunks in list(self._waiting.values()):
            self._end_part()
            for chunk in chunks:
                self._write(chunk)
        self._waiting.clear()
        self._end_part()
        end = self._finished
        extra: Fields = end.extra
        for item in _listed(extra.get("citations")):
            citation = read_citation(item)[0]
            if citation is None or is_own(citation):
                self._cite_raw(bytes(item))
        own = end.reason if end.reason in FINISH else ""
        reason = _json(word_for(end.finish, own, end))
        said = extra.get("usage")
        usage = b""
        if said is not None and counts.is_own(said):
            usage = b',"usage":' + bytes(said)
        elif self._usage is not None:
            usage = b',"usage":' + _json(counts.write_usage(self._usage))
        said_of_it = b',"%b":%b' % (MARK.encode(), _json(self._mark)) if self._mark else b""
        self._out.append(_END % (self._id, reason, usage, said_of_it))
        return self._taken()

    def fail(self, error: FederationError) -> bytes:
        """The in-band error that ends a broken stream."""
        return stream_error(error)

    def _taken(self) -> bytes:
        out, self._out = self._out, []
        return b"".join(out)

    def _beside(self, chunk: Chunk) -> None:
        if isinstance(chunk, Begun):
            self._id = _json(chunk.id)
            self._out.append(_BEGIN % self._id)
        elif isinstance(chunk, UsageSeen):
            self._usage = chunk.usage
        elif isinstance(chunk, Resumed | LeftOut):
            self._mark |= said_of(chunk)
        elif isinstance(chunk, Finished):
            if chunk.choice == 0:
                self._finished = chunk
        elif isinstance(chunk, Logprobs) and chunk.choice == 0:
            self._odds(chunk.tokens)

    def _place(self, chunk: PartBegun | Delta | PartEnded) -> None:
        """Write a chunk of the open part; let one of another part wait."""
        part = chunk.part
        late = part in self._texts and isinstance(chunk, Delta)
        if part == self._open or late or (self._open is None and not self._waiting):
            self._write(chunk)
        else:
            self._waiting.setdefault(part, []).append(chunk)
        while self._open is None and self._waiting:
            first = next(iter(self._waiting))
            for held in self._waiting.pop(first):
                self._write(held)

    def _write(self, chunk: Chunk) -> None:
        if isinstance(chunk, Delta):
            if chunk.text:
                self._say(chunk.text)
            if chunk.signature or chunk.sealed:
                self._sign(chunk.signature, chunk.sealed)
            if chunk.citation is not None and chunk.part in self._texts:
                self._cite(chunk.citation, *self._texts[chunk.part])
        elif isinstance(chunk, PartBegun):
            self._open = chunk.part
            self._begin(chunk.head)
        elif isinstance(chunk, PartEnded):
            self._end_part()

    def _begin(self, head: Part) -> None:
        self._text = []
        match head:
            case Text() | Refusal():
                self._kind, text = _TEXT, head.text
            case Thinking():
                self._kind = _PLAN if PLAN in head.extra else _THINKING
                text = head.text
            case ToolCall():
                self._kind, text = _CALL, head.arguments
            case _:
                self._kind = _SKIPPED
                return
        if self._kind == _CALL and isinstance(head, ToolCall):
            self._index, self._calls = self._calls, self._calls + 1
            self._out.append(_CALLED % (self._index, _json(head.id), _json(head.name)))
        elif self._kind != _PLAN:
            self._index, self._blocks = self._blocks, self._blocks + 1
            name = b"text" if self._kind == _TEXT else b"thinking"
            if self._kind == _TEXT and self._open is not None:
                self._texts[self._open] = (self._index, self._text)
            self._out.append(_START % (self._index, name, name))
        if text:
            self._say(text)
        if isinstance(head, Thinking):
            self._sign(head.signature, head.sealed)
        if isinstance(head, Text):
            self._sign(head.signature, "")
            for citation in head.citations:
                self._cite(citation, self._index, self._text)

    def _say(self, text: str) -> None:
        kind = self._kind
        if kind == _TEXT:
            self._text.append(text)
            self._out.append(_MORE % (self._index, b"text", _json(text)))
        elif kind == _THINKING:
            self._out.append(_MORE % (self._index, b"thinking", _json(text)))
        elif kind == _CALL:
            self._out.append(_ARGUED % (self._index, _json(text)))
        elif kind == _PLAN:
            self._out.append(_PLANNED % _json(text))

    def _sign(self, signature: str, sealed: str) -> None:
        """A state goes with its block, in a piece of its own."""
        state = state_of(signature, sealed)
        if state and self._kind in (_TEXT, _THINKING):
            name = "text" if self._kind == _TEXT else "thinking"
            self._out.append(_SIGNED % (self._index, _json({name: "", **state})))

    def _end_part(self) -> None:
        if self._open is not None:
            if self._kind in (_TEXT, _THINKING):
                self._out.append(_STOP % self._index)
            elif self._kind == _CALL:
                self._out.append(_CALL_OVER % self._index)
        self._open = None
        self._kind = _SKIPPED

    def _cite(self, citation: Citation, index: int, texts: list[str]) -> None:
        own = is_own(citation)
        text = "" if own else "".join(texts)
        self._cite_raw(_json(write_citation(citation, index, own=own, text=text)))

    def _cite_raw(self, rendered: bytes) -> None:
        index, self._citations = self._citations, self._citations + 1
        self._out.append(_CITED % (index, rendered, index))

    def _odds(self, tokens: tuple[TokenLogprob, ...]) -> None:
        index = self._index if self._kind == _TEXT else 0
        for token in tokens:
            self._out.append(_ODDS % (index, _json(write_logprob(token))))


def _listed(raw: Raw | None) -> list[Raw]:
    """The objects of an array that a dialect put beside an answer."""
    try:
        found = _RAWS.decode(raw) if raw is not None else []
    except msgspec.ValidationError:
        return []
    return [item for item in found if bytes(item)[:1] == b"{"]
