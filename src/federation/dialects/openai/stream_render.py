"""Writes chunks as the events of a client's stream.

A text delta is by far the most frequent, so what stands around its text is rendered once.
Reasoning goes out as `reasoning_content`; where it has a state, an entry with the whole of
it follows when the part has ended, because a client returns the entry and may not the text.
Entries of lists carry an `index`: the official client cannot add them up without.

Reference: https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.end_mark import MARK, said_of
from federation.dialects.openai.details import (
    BETWEEN_THOUGHTS,
    has_state,
    signature_member,
    write_details,
)
from federation.dialects.openai.errors import render_stream_error
from federation.dialects.openai.render_parts import (
    answers_in_functions,
    write_citation,
    write_logprobs,
    write_media,
)
from federation.dialects.openai.usage import write_usage
from federation.dialects.openai.words import FINISH_WORDS
from federation.errors import FederationError
from federation.schema.chat import TOOL_CALLS, ChatRequest
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
from federation.schema.parts import CUSTOM, Media, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

DONE: Final = b"data: [DONE]\n\n"
_TEXT, _THINKING, _REFUSAL, _CALL, _OTHER = range(5)
_FIELDS: Final = {_TEXT: "content", _THINKING: "reasoning_content", _REFUSAL: "refusal"}
_HANDED_ON: Final = ("system_fingerprint",)
"""Extras that mean the same in every event of this language."""
_encode: Final = msgspec.json.Encoder().encode


class _Written:
    """A part as far as it was written."""

    __slots__ = ("call", "custom", "head", "kind", "length", "offset", "texts")

    def __init__(self, kind: int, head: Any) -> None:
        self.kind = kind
        self.head = head
        self.texts: list[str] = []
        """Of reasoning, to write it again with its state."""
        self.call = 0
        self.custom = False
        self.offset = 0
        self.length = 0


class _Choice:
    """What a choice has shown so far."""

    __slots__ = ("annotations", "calls", "length", "prefix", "spoke", "thoughts")

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        """An event up to its delta."""
        self.spoke = False
        """The role was sent."""
        self.calls = 0
        self.thoughts = 0
        self.length = 0
        self.annotations = 0


class StreamRenderer:
    """See `faces.StreamRenderer`; one for each stream."""

    __slots__ = (
        "_begun", "_choices", "_failed", "_head", "_legacy", "_mark", "_parts", "_usage",
        "_wants_usage",
    )  # fmt: skip

    def __init__(self, request: ChatRequest) -> None:
        self._legacy = answers_in_functions(request)
        self._wants_usage = request.usage_in_stream
        self._begun = Begun("", "")
        self._head = _opening(self._begun)
        self._mark: dict[str, Any] = {}
        """What the end says of itself."""
        self._choices: dict[int, _Choice] = {}
        self._parts: dict[tuple[int, int], _Written] = {}
        self._usage: Usage | None = None
        self._failed = False

    def render(self, chunks: list[Chunk]) -> bytes:
        """The events for these chunks."""
        events: list[bytes] = []
        last = len(chunks) - 1
        for place, chunk in enumerate(chunks):
            if isinstance(chunk, Delta):
                follows = chunks[place + 1] if place < last else None
                self._delta(chunk, follows, events)
            elif isinstance(chunk, Logprobs):
                if place == 0 or not self._carries(chunks[place - 1], chunk):
                    self._logprobs(chunk, events)
            else:
                self._other(chunk, events)
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

    def _other(self, chunk: Chunk, events: list[bytes]) -> None:
        match chunk:
            case PartBegun():
                self._begin(chunk, events)
            case PartEnded():
                self._end(chunk, events)
            case Begun():
                self._begun = chunk
                self._head = _opening(chunk)
            case Resumed():
                self._resume(chunk.model)
                self._mark |= said_of(chunk)
            case LeftOut():
                self._mark |= said_of(chunk)
            case Finished():
                self._finish(chunk, events)
            case UsageSeen():
                self._usage = chunk.usage
            case _:
                return

    def _resume(self, model: str) -> None:
        self._head = _opening(structs.replace(self._begun, model=model, extra={}))
        for index, choice in self._choices.items():
            choice.prefix = self._prefix(index)

    def _prefix(self, index: int) -> bytes:
        return b'%b[{"index":%d,"delta":' % (self._head, index)

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(self._prefix(index))
        return choice

    def _write(self, choice: _Choice, delta: dict[str, Any], events: list[bytes]) -> None:
        """An event with this delta; the first of a choice names the role."""
        if not choice.spoke:
            choice.spoke = True
            delta = {"role": "assistant", "content": None, **delta}
        events.append(
            b'%b%b,"logprobs":null,"finish_reason":null}]}\n\n' % (choice.prefix, _encode(delta))
        )

    def _begin(self, chunk: PartBegun, events: list[bytes]) -> None:
        head = chunk.head
        choice = self._choice(chunk.choice)
        part = _Written(_KINDS.get(type(head), _OTHER), head)
        self._parts[chunk.choice, chunk.part] = part
        match head:
            case Text():
                part.offset = choice.length
                self._say(choice, part, head.text, events)
                for citation in head.citations:
                    self._annotate(choice, part, citation, events)
            case Refusal():
                self._say(choice, part, head.text, events)
            case Thinking():
                self._say(choice, part, head.text, events)
            case ToolCall():
                self._call(choice, part, head, events)
            case Media():
                name, value = write_media(head)
                item = [{**value, "index": 0}] if name == "images" else value
                self._write(choice, {name: item}, events)
            case _:
                return

    def _say(self, choice: _Choice, part: _Written, text: str, events: list[bytes]) -> None:
        if text:
            part.length += len(text)
            if part.kind == _THINKING:
                self._go_on(choice, part, events)
                part.texts.append(text)
            elif part.kind == _TEXT:
                choice.length += len(text)
            self._write(choice, {_FIELDS[part.kind]: text}, events)

    def _go_on(self, choice: _Choice, part: _Written, events: list[bytes]) -> None:
        """Set a thought that begins to speak apart from the one before."""
        if not part.texts:
            choice.thoughts += 1
            if choice.thoughts > 1:
                self._write(choice, {"reasoning_content": BETWEEN_THOUGHTS}, events)

    def _delta(self, chunk: Delta, follows: Chunk | None, events: list[bytes]) -> None:
        part = self._parts.get((chunk.choice, chunk.part))
        if part is None:
            return
        choice = self._choice(chunk.choice)
        text = chunk.text
        if text:
            kind = part.kind
            if isinstance(follows, Logprobs) and self._carries(chunk, follows):
                self._say_probably(choice, part, text, follows, events)
            elif kind == _TEXT and choice.spoke:
                part.length += len(text)
                choice.length += len(text)
                events.append(
                    b'%b{"content":%b},"logprobs":null,"finish_reason":null}]}\n\n'
                    % (choice.prefix, _encode(text))
                )
            elif kind == _CALL:
                self._arguments(choice, part, text, events)
            elif kind != _OTHER:
                self._say(choice, part, text, events)
        if chunk.citation is not None:
            self._annotate(choice, part, chunk.citation, events)
        if chunk.signature or chunk.sealed:
            self._state(choice, part, chunk, events)

    def _state(self, choice: _Choice, part: _Written, chunk: Delta, events: list[bytes]) -> None:
        head = part.head
        if isinstance(head, Thinking):
            part.head = structs.replace(
                head,
                signature=head.signature + chunk.signature,
                sealed=head.sealed + chunk.sealed,
            )
        elif isinstance(head, ToolCall) and not self._legacy:
            member = {"index": part.call, "extra_content": signature_member(chunk.signature)}
            self._write(choice, {"tool_calls": [member]}, events)
        elif isinstance(head, Text):
            self._write(choice, {"extra_content": signature_member(chunk.signature)}, events)

    def _end(self, chunk: PartEnded, events: list[bytes]) -> None:
        part = self._parts.get((chunk.choice, chunk.part))
        if part is None or isinstance(part.head, Text):  # which may be cited later
            return
        del self._parts[chunk.choice, chunk.part]
        if not isinstance(part.head, Thinking):
            return
        whole = structs.replace(part.head, text="".join(part.texts))
        if has_state(whole):
            entries = write_details(whole, chunk.part)
            self._write(self._choice(chunk.choice), {"reasoning_details": entries}, events)

    def _call(self, choice: _Choice, part: _Written, head: ToolCall, events: list[bytes]) -> None:
        part.call = choice.calls
        part.custom = head.kind == CUSTOM
        choice.calls += 1
        if self._legacy:
            if part.call == 0:
                call = {"name": head.name, "arguments": head.arguments}
                self._write(choice, {"function_call": call}, events)
            return
        inner = {"name": head.name, "input" if part.custom else "arguments": head.arguments}
        item: dict[str, Any] = {"index": part.call, "id": head.id, "type": head.kind}
        item["custom" if part.custom else "function"] = inner
        if head.signature:
            item["extra_content"] = signature_member(head.signature)
        self._write(choice, {"tool_calls": [item]}, events)

    def _arguments(self, choice: _Choice, part: _Written, text: str, events: list[bytes]) -> None:
        if self._legacy:
            if part.call == 0:
                self._write(choice, {"function_call": {"arguments": text}}, events)
            return
        inner = b'"custom":{"input":' if part.custom else b'"function":{"arguments":'
        events.append(
            b'%b{"tool_calls":[{"index":%d,%b%b}}]},"logprobs":null,"finish_reason":null}]}\n\n'
            % (choice.prefix, part.call, inner, _encode(text))
        )

    def _annotate(
        self, choice: _Choice, part: _Written, citation: Any, events: list[bytes]
    ) -> None:
        written = write_citation(citation, part.offset, part.length)
        if isinstance(written, dict):
            item = {**written, "index": choice.annotations}
            choice.annotations += 1
            self._write(choice, {"annotations": [item]}, events)

    def _carries(self, before: Chunk, tokens: Logprobs) -> bool:
        """Whether the event of the chunk before can also hold the probabilities."""
        if not isinstance(before, Delta) or before.choice != tokens.choice or not before.text:
            return False
        part = self._parts.get((before.choice, before.part))
        return part is not None and part.kind in (_TEXT, _REFUSAL)

    def _say_probably(
        self,
        choice: _Choice,
        part: _Written,
        text: str,
        tokens: Logprobs,
        events: list[bytes],
    ) -> None:
        """A text with the probabilities of its tokens, in one event as the vendor does."""
        written = write_logprobs(tokens.tokens, refused=part.kind == _REFUSAL)
        part.length += len(text)
        if part.kind == _TEXT:
            choice.length += len(text)
        delta: dict[str, Any] = {} if choice.spoke else {"role": "assistant"}
        choice.spoke = True
        delta[_FIELDS[part.kind]] = text
        events.append(
            b'%b%b,"logprobs":%b,"finish_reason":null}]}\n\n'
            % (choice.prefix, _encode(delta), _encode(written))
        )

    def _logprobs(self, chunk: Logprobs, events: list[bytes]) -> None:
        choice = self._choice(chunk.choice)
        written = write_logprobs(chunk.tokens, refused=False)
        delta = b"{}" if choice.spoke else b'{"role":"assistant"}'
        choice.spoke = True
        events.append(
            b'%b%b,"logprobs":%b,"finish_reason":null}]}\n\n'
            % (choice.prefix, delta, _encode(written))
        )

    def _finish(self, chunk: Finished, events: list[bytes]) -> None:
        choice = self._choice(chunk.choice)
        word = FINISH_WORDS.get(chunk.finish, "stop")
        if self._legacy and chunk.finish == TOOL_CALLS:
            word = "function_call"
        delta = b"{}" if choice.spoke else b'{"role":"assistant","content":""}'
        choice.spoke = True
        beside = chunk.extra.get("content_filter_results")
        more = b"" if beside is None else b',"content_filter_results":%b' % bytes(beside)
        said = b',"%b":%b' % (MARK.encode(), _encode(self._mark)) if self._mark else b""
        events.append(
            b'%b%b,"logprobs":null,"finish_reason":"%b"%b}]%b}\n\n'
            % (choice.prefix, delta, word.encode(), more, said)
        )


_KINDS: Final[dict[type, int]] = {
    Text: _TEXT,
    Thinking: _THINKING,
    Refusal: _REFUSAL,
    ToolCall: _CALL,
}


def _opening(begun: Begun) -> bytes:
    """An event up to its choices."""
    head: dict[str, Any] = {
        "id": begun.id,
        "object": "chat.completion.chunk",
        "created": begun.created,
        "model": begun.model,
    }
    if begun.service_tier:
        head["service_tier"] = begun.service_tier
    for name in _HANDED_ON:
        raw: Raw | None = begun.extra.get(name)
        if raw is not None:
            head[name] = raw
    return b'data: %b,"choices":' % _encode(head)[:-1]
