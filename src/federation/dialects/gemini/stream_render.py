"""Writes chunks as a client's stream: server-sent events, or one JSON array bit by bit.

Every event is a small answer with at least one part, because official clients drop a turn
from a chat's history otherwise. Function calls go whole, in the order in which they began.
The finish waits for the end of the stream: it stands in the last event, with the usage.

Reference: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, structs

from federation.dialects.end_mark import MARK, said_of
from federation.dialects.gemini.answers import FEEDBACK
from federation.dialects.gemini.errors import render_stream_error, rendered
from federation.dialects.gemini.grounding import write_citations
from federation.dialects.gemini.ids import answer_id
from federation.dialects.gemini.logprobs import write_logprobs
from federation.dialects.gemini.own import GeminiRequest
from federation.dialects.gemini.show import (
    EMPTY,
    end_members,
    is_blocked,
    shown_call,
    shown_reason,
    shown_text,
    shown_whole,
)
from federation.dialects.gemini.tables import MALFORMED, MODEL, NAME
from federation.dialects.gemini.usage import write_usage
from federation.dialects.gemini.write_parts import Json
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
from federation.schema.parts import Citation, Part, Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage


class _Choice:
    """One of the answers, as far as it was written."""

    __slots__ = (
        "calls", "citations", "finished", "logprobs", "malformed", "open", "parts", "said",
        "texts", "waiting",
    )  # fmt: skip

    def __init__(self) -> None:
        self.parts: list[Json] = []
        """Of the next event."""
        self.logprobs: list[TokenLogprob] = []
        self.open: dict[int, _Open] = {}
        self.texts: dict[int, _Open] = {}
        """Texts, for what cites them when they have ended."""
        self.waiting: dict[int, _Call] = {}
        """Calls by part, in the order in which they began; the first goes first."""
        self.calls = 0
        self.said = False
        self.malformed = ""
        self.citations: list[tuple[_Open | None, Citation]] = []
        self.finished: Finished | None = None


class _Open:
    """A text that is being written."""

    __slots__ = ("head", "plain", "signature", "texts")

    def __init__(self, head: Text | Thinking | Refusal) -> None:
        self.head = head
        self.plain = type(head) is Text and not head.extra
        self.signature = ""
        self.texts = [head.text]
        """For citations, whose places are counted in bytes of it."""


class _Call:
    """A function call whose arguments are still coming."""

    __slots__ = ("arguments", "call_id", "ended", "head", "signature")

    def __init__(self, head: ToolCall, call_id: str) -> None:
        self.head = head
        self.call_id = call_id
        self.arguments = [head.arguments]
        self.signature = head.signature
        self.ended = False


class StreamRenderer:
    """See `faces.StreamRenderer`."""

    __slots__ = (
        "_array", "_choices", "_id", "_long_form", "_mark", "_model", "_own", "_started",
        "_usage",
    )  # fmt: skip

    def __init__(self, request: ChatRequest) -> None:
        self._array = isinstance(request, GeminiRequest) and request.array
        self._long_form = isinstance(request, GeminiRequest) and request.long_form
        self._choices: dict[int, _Choice] = {}
        self._id = ""
        self._model = ""
        self._own = False
        self._started = False
        self._mark: dict[str, Any] = {}
        """What the end says of itself."""
        self._usage: Usage | None = None

    def render(self, chunks: list[Chunk]) -> bytes:
        """See `faces.StreamRenderer.render`."""
        for chunk in chunks:
            match chunk:
                case Delta():
                    self._more(chunk)
                case PartBegun():
                    self._begin(chunk.choice, chunk.part, chunk.head)
                case PartEnded():
                    self._end_part(chunk.choice, chunk.part)
                case UsageSeen():
                    self._usage = chunk.usage
                case Logprobs():
                    self._choice(chunk.choice).logprobs += chunk.tokens
                case Finished():
                    self._choice(chunk.choice).finished = chunk
                case Begun():
                    self._id, self._model = chunk.id, chunk.model
                    self._own = chunk.dialect == NAME
                case Resumed():
                    self._model, self._own = chunk.model, False
                    self._mark |= said_of(chunk)
                case LeftOut():
                    self._mark |= said_of(chunk)
                case _:
                    pass
        candidates = [
            self._candidate(index, choice)
            for index, choice in self._choices.items()
            if choice.parts
        ]
        return self._framed(self._event(candidates)) if candidates else b""

    def close(self) -> bytes:
        """See `faces.StreamRenderer.close`."""
        ends: list[Json] = []
        feedback: Raw | None = None
        for index, choice in self._choices.items():
            end = choice.finished or Finished(index, "")
            feedback = end.extra.get(FEEDBACK, feedback)
            if not is_blocked(end.finish, end.extra, empty=not choice.said, own=self._own):
                ends.append(self._last(index, choice, end))
        event = self._event(ends)
        if feedback is not None:
            event[FEEDBACK] = feedback
        if self._usage is not None:
            event["usageMetadata"] = write_usage(self._usage)
        if self._mark:
            event[MARK] = self._mark
        return self._framed(event) + (b"]" if self._array else b"")

    def fail(self, error: FederationError) -> bytes:
        """See `faces.StreamRenderer.fail`."""
        if not self._array:
            return render_stream_error(error)
        return (b",\r\n" if self._started else b"[") + rendered(error) + b"]"

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice

    def _begin(self, index: int, number: int, head: Part) -> None:
        choice = self._choice(index)
        choice.said = True
        if isinstance(head, ToolCall):
            made = head.id == answer_id(self._id, index, choice.calls)
            choice.calls += 1
            choice.waiting[number] = _Call(head, "" if made else head.id)
            return
        if isinstance(head, Text | Thinking | Refusal):
            opened = choice.open[number] = _Open(head)
            if head.text:
                choice.parts.append(shown_text(head, head.text, "", own=self._own))
            if isinstance(head, Text):
                opened.signature = head.signature
                choice.texts[number] = opened
                choice.citations += [(opened, citation) for citation in head.citations]
            elif isinstance(head, Thinking):
                opened.signature = head.signature or head.sealed
            return
        item = shown_whole(head, own=self._own)
        if item is not None:
            choice.parts.append(item)

    def _more(self, chunk: Delta) -> None:
        choice = self._choice(chunk.choice)
        part = choice.open.get(chunk.part)
        if part is not None:
            if chunk.text:
                part.texts.append(chunk.text)
                choice.parts.append(
                    {"text": chunk.text}
                    if part.plain
                    else shown_text(part.head, chunk.text, "", own=self._own)
                )
            part.signature += chunk.signature or chunk.sealed
        call = choice.waiting.get(chunk.part)
        if call is not None:
            call.arguments.append(chunk.text)
            call.signature += chunk.signature
        if chunk.citation is not None:
            choice.citations.append((choice.texts.get(chunk.part), chunk.citation))

    def _end_part(self, index: int, number: int) -> None:
        choice = self._choice(index)
        part = choice.open.pop(number, None)
        if part is not None and part.signature:
            last = choice.parts[-1] if choice.parts else None
            if last is None or "text" not in last or "thoughtSignature" in last:
                last = shown_text(part.head, "", "", own=self._own)
                choice.parts.append(last)
            last["thoughtSignature"] = part.signature
        call = choice.waiting.get(number)
        if call is not None:
            call.ended = True
            self._flush_calls(choice)

    def _flush_calls(self, choice: _Choice) -> None:
        """Write the calls that are whole, up to the first that is not."""
        for number, call in list(choice.waiting.items()):
            if not call.ended:
                return
            del choice.waiting[number]
            arguments = "".join(call.arguments)
            head = structs.replace(call.head, arguments=arguments, signature=call.signature)
            item = shown_call(head, call.call_id, own=self._own)
            if item is None:
                choice.malformed = arguments[:1024]
            else:
                choice.parts.append(item)

    def _candidate(self, index: int, choice: _Choice) -> Json:
        candidate: Json = {"content": {"parts": choice.parts, "role": MODEL}, "index": index}
        choice.parts = []
        if choice.logprobs:
            candidate["logprobsResult"] = write_logprobs(choice.logprobs)
            choice.logprobs = []
        return candidate

    def _last(self, index: int, choice: _Choice, end: Finished) -> Json:
        """The candidate that ends a choice."""
        for call in choice.waiting.values():
            call.ended = True
        self._flush_calls(choice)
        choice.parts = choice.parts or [dict(EMPTY)]
        candidate = self._candidate(index, choice)
        candidate["finishReason"] = shown_reason(end.finish, end.reason, own=self._own)
        if choice.malformed:
            candidate["finishReason"] = MALFORMED
            candidate["finishMessage"] = f"Malformed function call: {choice.malformed}"
        candidate.update(end_members(end.extra, end.detail, own=self._own))
        if choice.citations and not self._own:
            texts = {id(part): "".join(part.texts) for part, _ in choice.citations if part}
            cited = [(texts.get(id(part), ""), citation) for part, citation in choice.citations]
            candidate["citationMetadata"] = write_citations(cited, long_form=self._long_form)
        return candidate

    def _event(self, candidates: list[Json]) -> dict[str, Any]:
        event: dict[str, Any] = {"candidates": candidates} if candidates else {}
        event["modelVersion"] = self._model
        event["responseId"] = self._id
        return event

    def _framed(self, event: dict[str, Any]) -> bytes:
        text = msgspec.json.encode(event)
        if not self._array:
            if b"\n" in text or b"\r" in text:
                # What was handed through may be spread over lines, which would end the event.
                text = msgspec.json.format(text, indent=-1)
            return b"data: %b\r\n\r\n" % text
        before = b",\r\n" if self._started else b"["
        self._started = True
        return before + text
