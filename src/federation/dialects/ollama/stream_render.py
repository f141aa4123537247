"""Writes chunks as lines of this dialect.

A call is written whole, when its arguments have ended. The last line holds finish and counts
together, so it is written when the stream is over and not when the finish is known.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import structs

from federation.dialects.end_mark import MARK, said_of
from federation.dialects.ollama.errors import stream_error
from federation.dialects.ollama.render import ending, moment_of, write_call, write_logprob
from federation.dialects.ollama.states import State, member, state_of
from federation.dialects.ollama.tables import FINISH, GENERATE
from federation.errors import FederationError
from federation.schema.chat import STOP, ChatRequest
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
from federation.schema.parts import IMAGE, Media, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

_GAP: Final = "\n\n"
_json: Final = msgspec.json.Encoder().encode


class StreamRenderer:
    """See `faces.StreamRenderer`; one for each stream. Only the first answer has a place."""

    __slots__ = (
        "_arguments",
        "_begun",
        "_calls",
        "_finished",
        "_fresh",
        "_generate",
        "_head",
        "_heads",
        "_mark",
        "_model",
        "_out",
        "_spoken",
        "_thoughts",
        "_usage",
    )

    def __init__(self, request: ChatRequest) -> None:
        self._model = request.model
        self._generate = request.dialect == GENERATE
        self._begun = Begun("", "")
        self._mark: dict[str, Any] = {}
        """What the end says of itself."""
        self._head = b""
        """What every line begins with."""
        self._out: list[bytes] = []
        self._heads: dict[int, Any] = {}
        """Parts that are open, by number."""
        self._arguments: dict[int, list[str]] = {}
        self._spoken: set[type] = set()
        """Kinds of text that an earlier part had: the next one stands apart from it."""
        self._fresh = -1
        """The part that has begun and said nothing yet."""
        self._thoughts: dict[int, State] = {}
        """Of every part of reasoning; its states are told at the end."""
        self._calls = 0
        self._usage: Usage | None = None
        self._finished = Finished(0, STOP)

    def render(self, chunks: list[Chunk]) -> bytes:
        """The lines for these chunks."""
        for chunk in chunks:
            if isinstance(chunk, Delta):
                if chunk.choice == 0:
                    self._more(chunk)
            elif isinstance(chunk, PartBegun | PartEnded):
                if chunk.choice == 0:
                    self._turn(chunk)
            else:
                self._beside(chunk)
        return self._taken()

    def close(self) -> bytes:
        """The line that ends the stream of a whole answer."""
        for part in list(self._heads):
            self._end_part(part)
        end = self._finished
        reason = end.reason if end.reason in FINISH else ""
        said = ending(end.finish, reason, self._usage, end.extra)
        if self._mark:
            said = said | {MARK: self._mark}
        members = _json(said)
        states = member(list(self._thoughts.values()))
        message = _json({"role": "assistant", "content": "", **states})
        self._line(b'"message":' + message, b'"response":""', members[1:-1])
        return self._taken()

    def fail(self, error: FederationError) -> bytes:
        """The in-band error that ends a broken stream."""
        return stream_error(error)

    def _taken(self) -> bytes:
        out, self._out = self._out, []
        return b"".join(out)

    def _begin(self, begun: Begun) -> None:
        self._begun = begun
        created = moment_of(begun.created, begun.extra)
        self._head = b'{"model":%b,"created_at":%b,' % (
            _json(begun.model or self._model),
            _json(created),
        )

    def _line(self, chat: bytes, generate: bytes, end: bytes = b"") -> None:
        if not self._head:
            self._begin(Begun("", ""))
        said = generate if self._generate else chat
        done = b"true," + end if end else b"false"
        self._out.append(b'%b%b,"done":%b}\n' % (self._head, said, done))

    def _beside(self, chunk: Chunk) -> None:
        if isinstance(chunk, Begun):
            self._begin(chunk)
        elif isinstance(chunk, Resumed):
            self._mark |= said_of(chunk)
            self._begin(structs.replace(self._begun, model=chunk.model))
        elif isinstance(chunk, LeftOut):
            self._mark |= said_of(chunk)
        elif isinstance(chunk, UsageSeen):
            self._usage = chunk.usage
        elif isinstance(chunk, Finished):
            if chunk.choice == 0:
                self._finished = chunk
        elif isinstance(chunk, Logprobs) and chunk.choice == 0:
            odds = b',"logprobs":' + _json([write_logprob(token) for token in chunk.tokens])
            self._line(
                b'"message":{"role":"assistant","content":""}' + odds,
                b'"response":""' + odds,
            )

    def _turn(self, chunk: PartBegun | PartEnded) -> None:
        if isinstance(chunk, PartEnded):
            self._end_part(chunk.part)
            return
        head = chunk.head
        self._heads[chunk.part] = head
        if isinstance(head, ToolCall):
            self._arguments[chunk.part] = [head.arguments]
        elif isinstance(head, Text | Refusal | Thinking):
            if isinstance(head, Thinking):
                self._thoughts[chunk.part] = state_of(head)
            self._fresh = chunk.part
            if head.text:
                self._say(chunk.part, head.text)
        elif isinstance(head, Media) and head.kind == IMAGE and head.data:
            self._line(
                b'"message":{"role":"assistant","content":"","images":[%b]}' % _json(head.data),
                b'"response":""',
            )

    def _more(self, chunk: Delta) -> None:
        text = chunk.text
        thought = self._thoughts.get(chunk.part)
        if thought is not None:
            thought.length += len(text)
            thought.signature += chunk.signature
            thought.sealed += chunk.sealed
        if not text:
            return
        arguments = self._arguments.get(chunk.part)
        if arguments is not None:
            arguments.append(text)
        else:
            self._say(chunk.part, text)

    def _say(self, part: int, text: str) -> None:
        head = self._heads.get(part)
        if part == self._fresh:
            self._fresh = -1
            if (Thinking if isinstance(head, Thinking) else Text) in self._spoken:
                text = _GAP + text
        rendered = _json(text)
        if isinstance(head, Thinking):
            self._line(
                b'"message":{"role":"assistant","content":"","thinking":%b}' % rendered,
                b'"response":"","thinking":%b' % rendered,
            )
            self._spoken.add(Thinking)
        elif isinstance(head, Text | Refusal):
            self._line(
                b'"message":{"role":"assistant","content":%b}' % rendered,
                b'"response":%b' % rendered,
            )
            self._spoken.add(Text)

    def _end_part(self, part: int) -> None:
        head = self._heads.pop(part, None)
        if not isinstance(head, ToolCall):
            return
        arguments = "".join(self._arguments.pop(part))
        call = _json(write_call(head.id, head.name, arguments, self._calls))
        self._calls += 1
        self._line(
            b'"message":{"role":"assistant","content":"","tool_calls":[%b]}' % call,
            b'"response":""',
        )
