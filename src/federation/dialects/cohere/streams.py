"""Reads a provider's stream into chunks.

Citations of a text may come after its block has ended, so a text part is closed when the next
part begins and not before. What a whole answer says beside its parts is gathered and told at
the end, so that both forms of an answer are the same.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.cohere.citations import read_citation
from federation.dialects.cohere.decode import Call, arguments_of, begun_call, model_of, stopped_by
from federation.dialects.cohere.errors import error_in_answer
from federation.dialects.cohere.events import (
    DONE,
    EVENT,
    NULL,
    TELLING,
    Content,
    Event,
    Message,
    data_of,
)
from federation.dialects.cohere.logprobs import read_logprobs
from federation.dialects.cohere.tables import FAILURES, FINISH, MARK, PLAN
from federation.dialects.cohere.turns_read import joined
from federation.dialects.cohere.usage import read_usage
from federation.dialects.cohere.wire import Wire
from federation.dialects.decoding import PieceDecoder
from federation.dialects.sse import EventCutter, event_name
from federation.dialects.whole import UNREADABLE, said, unreadable
from federation.schema.chat import OTHER, TOOL_CALLS
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Failed,
    Finished,
    Logprobs,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import Fields, Part, Text, Thinking

_PLAN, _CALL, _NONE = "plan", "call", ""
_RAWS: Final = msgspec.json.Decoder(list[Raw])


class StreamDecoder(PieceDecoder[Wire]):
    """See `faces.StreamDecoder`; one for each stream."""

    __slots__ = (
        "_begun", "_calls", "_citations", "_logprobs", "_open", "_open_key", "_parts", "_texts"
    )  # fmt: skip

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, EventCutter())
        self._begun = False
        self._parts = 0
        self._calls = 0
        self._open: int | None = None
        """The part that is being written."""
        self._open_key: tuple[str, int] = (_NONE, 0)
        self._texts: dict[int, int] = {}
        """Block index of a text to its part."""
        self._citations: list[Raw] = []
        self._logprobs: list[Raw] = []

    def _read(self, framed: bytes, chunks: list[Chunk]) -> None:
        data = data_of(framed)
        if data is None or self.done:
            return
        if data.startswith(DONE):
            self.done = True
            return
        try:
            data = self._halves.mend(data)
            if not data.isascii():
                # What is kept raw is not looked at by the decoder, and is text all the same.
                data.decode()
            event = EVENT.decode(data)
            self._take(event, chunks)
        except UNREADABLE:
            self._skip(data, framed)

    def _skip(self, data: bytes, framed: bytes) -> None:
        """Leave out what cannot be read: the rest of the answer is not worth less. Raises
        `UpstreamGarbled` for a piece of the answer, which one that is no JSON is by its event's
        name: the client of a forwarded stream was told it, and without it the rest would look
        whole."""
        self.malformed += 1
        if str(said(data, "type") or event_name(framed)) in TELLING:
            raise unreadable(self._wire.deployment)

    def _take(self, event: Event, chunks: list[Chunk]) -> None:
        kind = event.type
        if not self._begun and kind:
            self._begun = True
            chunks.append(Begun(event.id or "", model_of(self._wire)))
        message = event.delta.message if event.delta is not None else None
        if kind == "message-end":
            self._end(event, chunks)
        elif message is not None:
            self._add(message, event, chunks)
        elif kind == "tool-call-end":
            self._close(chunks, _CALL)
        elif not kind and event.message is not None:
            self._fail("", chunks)

    def _add(self, message: Message, event: Event, chunks: list[Chunk]) -> None:
        kind = event.type
        if kind in ("content-delta", "content-start"):
            if isinstance(message.content, Content):
                self._content(message.content, event, chunks)
        elif kind == "tool-plan-delta":
            if message.tool_plan:
                self._enter((_PLAN, 0), Thinking(extra={PLAN: MARK}), chunks)
                self._say(message.tool_plan, chunks)
        elif kind in ("tool-call-start", "tool-call-delta"):
            calls = message.tool_calls
            for call in calls if isinstance(calls, list) else (calls,):
                if call is not None:
                    self._call(call, kind, event.index or 0, chunks)
        elif kind == "citation-start":
            self._cite(message.citations, chunks)

    def _content(self, content: Content, event: Event, chunks: list[Chunk]) -> None:
        index = event.index or 0
        thinks = content.type == "thinking" or (not content.type and content.thinking is not None)
        key = ("thinking" if thinks else "text", index)
        if key != self._open_key:
            if event.type == "content-delta" and not (content.text or content.thinking):
                return
            head: Part = Thinking() if thinks else Text("")
            if not thinks:
                self._texts[index] = self._parts
            self._enter(key, head, chunks)
        text = content.thinking if thinks else content.text
        if text:
            self._say(text, chunks)
        if event.logprobs != NULL:
            self._logprobs.append(event.logprobs)
            chunks.append(Logprobs(0, read_logprobs((event.logprobs,))))

    def _enter(self, key: tuple[str, int], head: Part, chunks: list[Chunk]) -> None:
        if key == self._open_key:
            return
        self._close(chunks)
        chunks.append(PartBegun(0, self._parts, head))
        self._open, self._open_key = self._parts, key
        self._parts += 1

    def _close(self, chunks: list[Chunk], kind: str = "") -> None:
        """End the open part; with a kind, only if it is of that kind."""
        if self._open is not None and kind in ("", self._open_key[0]):
            chunks.append(PartEnded(0, self._open))
            self._open, self._open_key = None, (_NONE, 0)

    def _say(self, text: str, chunks: list[Chunk]) -> None:
        self.started = True
        chunks.append(Delta(0, self._open or 0, text))

    def _call(self, call: Call, kind: str, index: int, chunks: list[Chunk]) -> None:
        if kind == "tool-call-start" or self._open_key != (_CALL, index):
            if call.function is None or not call.function.name:
                return
            self._close(chunks)
            self._enter((_CALL, index), begun_call(call, self._calls, ""), chunks)
            self._calls += 1
            self.started = True
        arguments = arguments_of(call)
        if arguments:
            self._say(arguments, chunks)

    def _cite(self, raw: Raw, chunks: list[Chunk]) -> None:
        if raw == NULL:
            return
        for item in _RAWS.decode(raw) if bytes(raw)[:1] == b"[" else (raw,):
            citation, index = read_citation(item)
            part = self._texts.get(min(self._texts, default=0) if index is None else index)
            if citation is not None and part is not None and part == self._open:
                chunks.append(Delta(0, part, citation=citation))
            else:
                self._citations.append(item)

    def _end(self, event: Event, chunks: list[Chunk]) -> None:
        delta = event.delta
        reason = (delta.finish_reason if delta is not None else None) or ""
        if reason in FAILURES or (delta is not None and delta.error and not reason):
            self._fail(reason, chunks)
            return
        self._close(chunks)
        extra: Fields = {}
        if self._logprobs:
            extra["logprobs"] = joined(self._logprobs)
        if self._citations:
            extra["citations"] = joined(self._citations)
        if delta is not None and delta.usage != NULL:
            usage = read_usage(delta.usage)
            if usage is not None:
                extra["usage"] = delta.usage
                chunks.append(UsageSeen(usage))
        finish = FINISH.get(reason, OTHER)
        if self._calls and reason in ("COMPLETE", ""):
            finish = TOOL_CALLS
        chunks.append(Finished(0, finish, reason, stopped_by(reason), extra=extra))
        self.started = self.done = self._finished = True

    def _fail(self, reason: str, chunks: list[Chunk]) -> None:
        error = error_in_answer(self._wire, reason)
        if not self.started:
            raise error
        self.done = self._failed = True
        chunks.append(Failed(error))
