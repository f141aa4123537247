"""Writes chunks as the events of a legacy completion stream.

Reference: https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from federation.dialects.end_mark import MARK, said_of
from federation.dialects.openai.errors import render_stream_error
from federation.dialects.openai.stream_render import DONE
from federation.dialects.openai.usage import write_usage
from federation.dialects.openai_completions.render import FINISHES, echoed, write_logprobs
from federation.errors import FederationError
from federation.schema.chat import ChatRequest
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    LeftOut,
    Logprobs,
    PartBegun,
    Resumed,
    UsageSeen,
)
from federation.schema.parts import Refusal, Text
from federation.schema.usage import Usage

_encode: Final = msgspec.json.Encoder().encode


class StreamRenderer:
    """See `faces.StreamRenderer`; one for each stream."""

    __slots__ = (
        "_before", "_begun", "_failed", "_head", "_mark", "_offsets", "_parts", "_spoke",
        "_usage", "_wants_usage",
    )  # fmt: skip

    def __init__(self, request: ChatRequest) -> None:
        self._before = echoed(request)
        self._wants_usage = request.usage_in_stream
        self._begun = Begun("", "")
        self._head = _opening(self._begun)
        self._mark: dict[str, Any] = {}
        """What the end says of itself."""
        self._parts: set[tuple[int, int]] = set()
        """Parts whose text belongs into the completion."""
        self._offsets: dict[int, int] = {}
        self._spoke: set[int] = set()
        self._usage: Usage | None = None
        self._failed = False

    def render(self, chunks: list[Chunk]) -> bytes:
        """The events for these chunks."""
        events: list[bytes] = []
        for place, chunk in enumerate(chunks):
            match chunk:
                case Delta() if chunk.text and (chunk.choice, chunk.part) in self._parts:
                    follows = chunks[place + 1] if place + 1 < len(chunks) else None
                    tokens = follows if isinstance(follows, Logprobs) else None
                    events.append(self._text(chunk.choice, chunk.text, tokens))
                case Logprobs() if place == 0 or not isinstance(chunks[place - 1], Delta):
                    events.append(self._text(chunk.choice, "", chunk))
                case PartBegun() if isinstance(chunk.head, Text | Refusal):
                    self._parts.add((chunk.choice, chunk.part))
                    if chunk.head.text:
                        events.append(self._text(chunk.choice, chunk.head.text, None))
                case Begun():
                    self._begun = chunk
                    self._head = _opening(chunk)
                case Resumed():
                    self._head = _opening(msgspec.structs.replace(self._begun, model=chunk.model))
                    self._mark |= said_of(chunk)
                case LeftOut():
                    self._mark |= said_of(chunk)
                case Finished():
                    finish = FINISHES.get(chunk.finish, "stop")
                    events.append(self._event(chunk.choice, "", None, finish))
                case UsageSeen():
                    self._usage = chunk.usage
                case _:
                    continue
        return b"".join(events)

    def close(self) -> bytes:
        """The usage, if the client wants it, and the end marker."""
        if self._failed:
            return b""
        if self._usage is None or not self._wants_usage:
            return DONE
        usage = _encode(write_usage(self._usage))
        return b'%b[],"usage":%b}\n\n%b' % (self._head, usage, DONE)

    def fail(self, error: FederationError) -> bytes:
        """The in-band error that ends a broken stream."""
        self._failed = True
        return render_stream_error(error)

    def _text(self, choice: int, text: str, tokens: Logprobs | None) -> bytes:
        written = None
        if tokens is not None and tokens.choice == choice:
            offset = self._offsets.get(choice, 0)
            written = write_logprobs(tokens.tokens, offset)
            self._offsets[choice] = offset + sum(len(token.token) for token in tokens.tokens)
        return self._event(choice, text, written, None)

    def _event(
        self, choice: int, text: str, logprobs: dict[str, Any] | None, finish: str | None
    ) -> bytes:
        if choice not in self._spoke:
            self._spoke.add(choice)
            text = self._before + text
        item = {"text": text, "index": choice, "logprobs": logprobs, "finish_reason": finish}
        end = b""
        if finish is not None and self._mark:
            end = b',"%b":%b' % (MARK.encode(), _encode(self._mark))
        return b"%b[%b]%b}\n\n" % (self._head, _encode(item), end)


def _opening(begun: Begun) -> bytes:
    """An event up to its choices."""
    head = {
        "id": begun.id,
        "object": "text_completion",
        "created": begun.created,
        "model": begun.model,
    }
    return b'data: %b,"choices":' % _encode(head)[:-1]
