"""Writes chunks as a stream of this API: items one after the other, then the whole response.

Chunks of parallel calls may interleave and items may not, so a part that begins while
another is open waits for it. An item stays open after its last part until the next begins,
for a text that follows a text belongs to the same message. The last event repeats the whole
response, and there is no other end marker.

Reference: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.end_mark import MARK, said_of
from federation.dialects.openai_responses.decode import OBJECT
from federation.dialects.openai_responses.echo import echo_of
from federation.dialects.openai_responses.errors import error_event, failure_item, stream_error
from federation.dialects.openai_responses.item_streams import (
    CallStream,
    Events,
    ItemStream,
    MessageStream,
    ReasoningStream,
)
from federation.dialects.openai_responses.render import (
    ItemWriter,
    ending,
    picture_item,
    response_item,
)
from federation.dialects.openai_responses.tables import INCOMPLETE, NAME
from federation.errors import FederationError
from federation.schema.chat import ChatRequest, TokenLogprob
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
from federation.schema.parts import (
    IMAGE,
    Foreign,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from federation.schema.usage import Usage

_NOBODY: Final = -1
_json: Final = msgspec.json.encode


class StreamRenderer:
    """One client's stream; see `faces.StreamRenderer` for what it promises."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._events = Events()
        self._response: dict[str, Any] = {}
        self._writer: ItemWriter | None = None
        self._item: ItemStream | None = None
        self._output: list[bytes] = []
        self._now = _NOBODY
        """The part that is open."""
        self._silent = False
        """The open part has no item in this API."""
        self._waiting: dict[int, list[Chunk]] = {}
        self._tokens: tuple[TokenLogprob, ...] = ()
        """Probabilities that came before their text."""
        self._finished = Finished(0, "")
        self._usage: Usage | None = None
        self._over = False
        self._mended = ""
        self._mark: dict[str, Any] = {}
        """What the end says of itself."""

    def render(self, chunks: list[Chunk]) -> bytes:
        """The events for these chunks."""
        last = len(chunks) - 1
        for index, chunk in enumerate(chunks):
            if isinstance(chunk, Delta):
                follower = chunks[index + 1] if index < last else None
                if isinstance(follower, Logprobs) and chunk.text and not chunk.choice:
                    self._tokens += follower.tokens
                self._take(chunk)
            elif isinstance(chunk, Logprobs):
                self._note_logprobs(chunk, chunks[index - 1] if index else None)
            elif isinstance(chunk, PartBegun | PartEnded):
                self._take(chunk)
            else:
                self._take_other(chunk)
        return self._events.take()

    def close(self) -> bytes:
        """The events that end the stream of a whole answer."""
        if self._over:
            return self._events.take()
        self._open_response(Begun("", ""))
        self._end_all()
        self._over = True
        finish = self._finished
        output = [Raw(item) for item in self._output]
        body = self._response | ending(finish.finish, output, self._usage)
        if self._mended:
            body["model"] = self._mended
        if self._mark:
            body[MARK] = self._mark
        if self._writer is not None and self._writer.own:
            body |= finish.extra
        cut = INCOMPLETE.get(finish.finish) is not None
        name = b"response.incomplete" if cut else b"response.completed"
        self._events.write(name, b'"response":%b' % _json(body))
        return self._events.take()

    def fail(self, error: FederationError) -> bytes:
        """The events that end a broken stream: the error, and the response as far as it came."""
        if self._over:
            return self._events.take()
        self._over = True
        events = self._events
        if self._writer is None:
            return stream_error(error)
        self._close_item("incomplete")
        events.out.append(error_event(error, events.number))
        events.number += 1
        body = self._response | {
            "status": "failed",
            "error": failure_item(error),
            "output": [Raw(item) for item in self._output],
        }
        events.write(b"response.failed", b'"response":%b' % _json(body))
        return events.take()

    def _take_other(self, chunk: Chunk) -> None:
        match chunk:
            case Begun():
                self._open_response(chunk)
            case Finished() if not chunk.choice:
                self._finished = chunk
            case UsageSeen():
                self._usage = chunk.usage
            case Resumed():
                self._mended = chunk.model
                self._mark |= said_of(chunk)
            case LeftOut():
                self._mark |= said_of(chunk)
            case _:
                pass

    def _note_logprobs(self, chunk: Logprobs, before: Chunk | None) -> None:
        """Keep probabilities for the next text, unless they went along with the one before."""
        if chunk.choice or (isinstance(before, Delta) and before.text and not before.choice):
            return
        self._tokens += chunk.tokens

    def _open_response(self, begun: Begun) -> None:
        if self._writer is not None:
            return
        own = begun.extra.get("object") == OBJECT
        self._writer = ItemWriter(begun.id, self._request, own=own)
        echo = echo_of(self._request) | (begun.extra if own else {})
        self._response = response_item(begun.id, begun.model, begun.created, echo)
        if begun.service_tier:
            self._response["service_tier"] = begun.service_tier
        held = b'"response":%b' % _json(self._response)
        self._events.write(b"response.created", held)
        self._events.write(b"response.in_progress", held)

    def _take(self, chunk: Delta | PartBegun | PartEnded) -> None:
        if chunk.choice or self._over:
            return
        if chunk.part == self._now:
            self._write(chunk)
            if self._now == _NOBODY and self._waiting:
                self._release()
        elif self._now == _NOBODY and isinstance(chunk, PartBegun):
            self._write(chunk)
        elif isinstance(chunk, PartBegun) or chunk.part in self._waiting:
            self._waiting.setdefault(chunk.part, []).append(chunk)
        # Else a citation of a text whose item may be closed: it is told as left out.

    def _release(self) -> None:
        """Write what waited, up to the next part that is still open."""
        while self._waiting and self._now == _NOBODY:
            for chunk in self._waiting.pop(min(self._waiting)):
                self._write(chunk)

    def _write(self, chunk: Chunk) -> None:
        match chunk:
            case Delta():
                if self._item is not None and not self._silent:
                    tokens: tuple[TokenLogprob, ...] = ()
                    if chunk.text:
                        tokens, self._tokens = self._tokens, ()
                    self._item.add(chunk, tokens)
            case PartBegun():
                self._begin(chunk)
            case PartEnded():
                if self._item is not None and not self._silent:
                    self._item.end()
                self._now = _NOBODY
            case _:
                pass

    def _begin(self, chunk: PartBegun) -> None:
        self._open_response(Begun("", ""))
        head = chunk.head
        self._now, self._silent = chunk.part, False
        if self._item is None or not self._item.continues(head):
            self._close_item("completed")
            self._item = self._opened(head)
        if self._item is None:
            self._silent = True
        else:
            self._item.begin(head)

    def _opened(self, head: Part) -> ItemStream | None:
        writer, events = self._writer, self._events
        if writer is None:
            return None
        match head:
            case Text() | Refusal():
                return MessageStream(events, writer, head)
            case Thinking():
                return ReasoningStream(events, writer, head)
            case ToolCall():
                return CallStream(events, writer, head)
            case Media() if head.kind == IMAGE and head.data:
                identity = writer.identity("ig", events.index)
                self._at_once(_json(picture_item(head, identity)))
            case Foreign() if head.dialect == NAME:
                self._at_once(bytes(head.raw))
            case _:
                pass
        return None

    def _at_once(self, item: bytes) -> None:
        self._events.close(self._events.open(Raw(item)), item)
        self._output.append(item)

    def _close_item(self, status: str) -> None:
        if self._item is not None:
            self._output += self._item.close(status)
            self._item = None

    def _end_all(self) -> None:
        """Close what is open; a part that waits for one that never ended follows it."""
        while self._now != _NOBODY or self._waiting:
            if self._now != _NOBODY:
                self._write(PartEnded(0, self._now))
            self._release()
        cut = INCOMPLETE.get(self._finished.finish) is not None
        self._close_item("incomplete" if cut else "completed")
