"""Reads a provider's stream into chunks.

Thinking and text come in pieces, calls whole. A line may hold several of them at once, in the
order thinking, text, calls.
"""

from __future__ import annotations

from federation.dialects.decoding import PieceDecoder
from federation.dialects.ollama.decode import (
    LINE,
    Line,
    Message,
    durations,
    finish_of,
    moment_extra,
    read_call,
    read_logprobs,
)
from federation.dialects.ollama.errors import error_in_answer
from federation.dialects.ollama.moments import name_of, read_moment
from federation.dialects.ollama.ndjson import LineCutter, is_torn_message
from federation.dialects.ollama.tables import NULL
from federation.dialects.ollama.usage import read_usage
from federation.dialects.ollama.wire import Wire
from federation.dialects.whole import UNREADABLE, said, unreadable
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
from federation.schema.parts import Part, Text, Thinking, ToolCall


class StreamDecoder(PieceDecoder[Wire]):
    """See `faces.StreamDecoder`; one for each stream."""

    __slots__ = ("_begun", "_calls", "_kind", "_moment", "_parts")

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, LineCutter())
        self._begun = False
        self._parts = 0
        self._calls = 0
        self._kind: type[Part] | None = None
        """Of the open part, which is the last one."""
        self._moment: str | None = None

    def _read(self, data: bytes, chunks: list[Chunk]) -> None:
        if self.done or len(data) <= 2:
            return
        try:
            data = self._halves.mend(data)
            if not data.isascii():
                # What is kept raw is not looked at by the decoder, and is text all the same.
                data.decode()
            line = LINE.decode(data)
        except UNREADABLE:
            self._skip(data)
            return
        if line.error != NULL:
            self._fail(line, chunks)
            return
        if not self._begun:
            self._begin(line, chunks)
        if line.message is not None:
            self._add(line.message, data, chunks)
        if line.logprobs:
            chunks.append(Logprobs(0, read_logprobs(line.logprobs)))
        if line.done:
            self._end(line, data, chunks)

    def _skip(self, data: bytes) -> None:
        """Leave out what cannot be read: the rest of the answer is not worth less. Raises
        `UpstreamGarbled` for what holds a message, or may have held one: without it the rest would
        look whole."""
        self.malformed += 1
        if said(data, "message") is not None or is_torn_message(data):
            raise unreadable(self._wire.deployment)

    def _begin(self, line: Line, chunks: list[Chunk]) -> None:
        self._begun = True
        self._moment = line.created_at
        chunks.append(
            Begun(
                "",
                line.model or "",
                read_moment(line.created_at),
                extra=moment_extra(line.created_at),
            )
        )

    def _add(self, message: Message, data: bytes, chunks: list[Chunk]) -> None:
        if message.thinking:
            self._say(Thinking, message.thinking, chunks)
        if message.content:
            self._say(Text, message.content, chunks)
        if not message.tool_calls:
            return
        name = name_of(self._moment, data)
        for call in message.tool_calls:
            whole = read_call(call, name, self._calls)
            self._calls += 1
            self._open(ToolCall(whole.id, whole.name, ""), chunks)
            chunks.append(Delta(0, self._parts - 1, whole.arguments))
            self._close(chunks)
            self.started = True

    def _say(self, kind: type[Text | Thinking], text: str, chunks: list[Chunk]) -> None:
        if self._kind is not kind:
            self._open(Text("") if kind is Text else Thinking(), chunks)
        self.started = True
        chunks.append(Delta(0, self._parts - 1, text))

    def _open(self, head: Part, chunks: list[Chunk]) -> None:
        self._close(chunks)
        chunks.append(PartBegun(0, self._parts, head))
        self._kind = type(head)
        self._parts += 1

    def _close(self, chunks: list[Chunk]) -> None:
        if self._kind is not None:
            chunks.append(PartEnded(0, self._parts - 1))
            self._kind = None

    def _end(self, line: Line, data: bytes, chunks: list[Chunk]) -> None:
        self._close(chunks)
        usage = read_usage(data)
        if usage is not None:
            chunks.append(UsageSeen(usage))
        reason = line.done_reason or ""
        finish = finish_of(reason, called=self._calls > 0)
        chunks.append(Finished(0, finish, reason, extra=durations(line)))
        self.started = self.done = self._finished = True

    def _fail(self, line: Line, chunks: list[Chunk]) -> None:
        error = error_in_answer(self._wire, line.error)
        if not self.started:
            raise error
        self.done = self._failed = True
        chunks.append(Failed(error))
