"""Reads a provider's stream into chunks.

Every event is a small answer: text comes in pieces, function calls come whole. The vendor
once sent a finish reason with every event and marks no end, so the end of a choice is told
when the stream ends. A signature closes the text that it stands on; one that comes with empty
text belongs to the text before.

Reference: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.decoding import Decoder
from federation.dialects.gemini.answers import (
    FEEDBACK,
    UNREADABLE,
    Candidate,
    Event,
    block_reason,
    created_s,
    decoded,
    extra_of,
    finish_of,
    response_extra,
    with_searches,
)
from federation.dialects.gemini.errors import error_in_answer
from federation.dialects.gemini.framing import Framing
from federation.dialects.gemini.grounding import count_searches, read_citations
from federation.dialects.gemini.ids import answer_id
from federation.dialects.gemini.logprobs import read_logprobs
from federation.dialects.gemini.names import NULL, tidy
from federation.dialects.gemini.partial_args import PartialCall, is_partial
from federation.dialects.gemini.read_parts import STRING, read_answered_call, read_part
from federation.dialects.gemini.tables import NAME
from federation.dialects.gemini.usage import read_usage
from federation.dialects.gemini.wire import Wire
from federation.dialects.tokenizer import Members
from federation.dialects.whole import digest, is_torn, said
from federation.errors import InvalidRequest, UpstreamError, UpstreamGarbled
from federation.schema.chat import FILTER
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
from federation.schema.parts import Fields, Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

_BARE: Final = Text("")


class _Choice:
    """One of the answers, as far as it came."""

    __slots__ = (
        "calls", "cited", "coming", "extra", "grounding", "index", "kind", "open", "parts",
        "ratings", "reason", "signed", "texts",
    )  # fmt: skip

    def __init__(self, index: int) -> None:
        self.index = index
        self.parts = 0
        """Parts that have begun."""
        self.open = False
        self.kind: type[Part] = Text
        self.signed = False
        """The open part has its signature: what comes next is another part."""
        self.calls = 0
        self.coming: PartialCall | None = None
        """The call whose arguments are still coming."""
        self.texts: dict[int, list[str]] = {}
        """Words of text parts, for citations that count in them."""
        self.reason = ""
        self.ratings: Raw | None = None
        self.grounding = NULL
        self.cited = NULL
        self.extra: Fields = {}


def _whole_call(choice: _Choice, part: Members) -> Members | None:
    """The part of a call that is whole; None for a piece of one that is not yet."""
    coming = choice.coming
    if coming is None:
        if not is_partial(part):
            return part
        coming = choice.coming = PartialCall(part)
    whole = coming.add(part)
    if whole is not None:
        choice.coming = None
    return whole


class StreamDecoder(Decoder[Wire]):
    """See `faces.StreamDecoder`."""

    __slots__ = (
        "_begun", "_blocked", "_choices", "_closed", "_error", "_event", "_feedback",
        "_framing", "_id", "_name", "_seen", "_usage",
    )  # fmt: skip

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._framing = Framing()
        self._begun = False
        self._id = ""
        self._event = b""
        """The event that is being read."""
        self._name = ""
        """What the ids of its calls are made of, once that is known."""
        self._choices: dict[int, _Choice] = {}
        self._blocked = ""
        self._feedback = NULL
        self._usage: Usage | None = None
        self._seen = NULL
        self._error: UpstreamError | None = None
        self._closed = False

    @property
    def complete(self) -> bool:
        """Every choice has a finish reason and no call that is still coming, or the prompt was
        refused; and no error."""
        if self._error is not None:
            return False
        choices = self._choices
        if not choices:
            return bool(self._blocked)
        return all(one.reason and one.coming is None for one in choices.values())

    def feed(self, data: bytes) -> list[Chunk]:
        """See `faces.StreamDecoder.feed`."""
        out: list[Chunk] = []
        for _, text in self._framing.feed(data):
            if text is not None and self._error is None:
                self._read(text, out)
        if self._framing.ended and not self.done:
            self.done = True
            self._end(out)
        return out

    def close(self) -> list[Chunk]:
        """See `faces.StreamDecoder.close`."""
        out: list[Chunk] = []
        _, text = self._framing.rest()
        if text is not None and self._error is None:
            self._read(text, out)
        self._end(out)
        return out

    def _read(self, text: bytes, out: list[Chunk]) -> None:
        try:
            text = self._halves.mend(text)
            event = decoded(text)
        except UNREADABLE:
            self._skip(text)
            return
        if event.error != NULL and self._fail(text, out):
            return
        if not self._begun:
            self._begin(event, out)
        self._event, self._name = text, self._id
        for place, candidate in enumerate(event.candidates or ()):
            self._read_candidate(candidate, place, out)
        if event.prompt_feedback != NULL:
            self._feedback = event.prompt_feedback
            if not event.candidates and (reason := block_reason(event)):
                self._blocked = reason
                self.started = True
        raw = event.usage_metadata
        if raw != NULL and raw != self._seen:
            self._seen = raw
            usage = read_usage(raw)
            if usage is not None:
                self._usage = usage
                out.append(UsageSeen(usage))

    def _skip(self, text: bytes) -> None:
        """Leave out what cannot be read. Raises `UpstreamGarbled` for what holds a candidate,
        or may have held one (every event does): without it the rest would look whole."""
        self.malformed += 1
        if said(text, "candidates") or is_torn(text):
            raise self._garbled("an answer that cannot be read")

    def _begin(self, event: Event, out: list[Chunk]) -> None:
        self._begun = True
        self._id = event.response_id or ""
        out.append(
            Begun(
                self._id,
                event.model_version or "",
                created_s(event),
                extra=response_extra(event),
                dialect=NAME,
            )
        )

    def _fail(self, text: bytes, out: list[Chunk]) -> bool:
        failure = error_in_answer(self._wire, text)
        if failure is None:
            return False
        if not self.started:
            raise failure
        self._error = failure
        out.append(Failed(failure))
        return True

    def _read_candidate(self, candidate: Candidate, place: int, out: list[Chunk]) -> None:
        index = candidate.index if candidate.index is not None else place
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index)
        content = candidate.content
        if content is not None and content.parts:
            for part in content.parts:
                self._read_part(choice, part, out)
        if candidate.logprobs_result != NULL:
            tokens = read_logprobs(candidate.logprobs_result)
            if tokens:
                out.append(Logprobs(index, tokens))
        if candidate.finish_reason:
            choice.reason = candidate.finish_reason
            self.started = True
        if candidate.safety_ratings != NULL:
            choice.ratings = candidate.safety_ratings
        extra = extra_of(candidate)
        if extra:
            choice.extra |= extra
            if candidate.grounding_metadata != NULL:
                choice.grounding = candidate.grounding_metadata
            if candidate.citation_metadata != NULL:
                choice.cited = candidate.citation_metadata

    def _read_part(self, choice: _Choice, part: Members, out: list[Chunk]) -> None:
        text = part.get("text")
        if text is not None and len(part) == 1:
            try:
                words = STRING.decode(text)
            except msgspec.ValidationError:
                raise self._garbled("a text that is none") from None
            if words:
                self._text(choice, words, "", _BARE, out)
            return
        try:
            self._read_kind(choice, tidy(part, ""), out)
        except InvalidRequest:
            # Skipped, it would leave an answer that looks whole; the whole answer is refused too.
            raise self._garbled("a part that cannot be read") from None

    def _garbled(self, what: str) -> UpstreamGarbled:
        return UpstreamGarbled(f"{self._wire.deployment} sent {what}.")

    def _read_kind(self, choice: _Choice, part: Members, out: list[Chunk]) -> None:
        if "functionCall" in part:
            whole = _whole_call(choice, part)
            if whole is None:
                return
            part = whole
            if not self._name:
                self._name = digest(self._event)
            call = read_answered_call(part, answer_id(self._name, choice.index, choice.calls))
            choice.calls += 1
            self._call(choice, call, out)
            return
        read = read_part(part, "")
        if isinstance(read, Text | Thinking):
            if read.text or read.signature:
                self._text(choice, read.text, read.signature, read, out)
            return
        number = self._begin_part(choice, read, out)
        out.append(PartEnded(choice.index, number))
        choice.open = False

    def _begin_part(self, choice: _Choice, head: Part, out: list[Chunk]) -> int:
        """Open a part after the one that is open; its number."""
        if choice.open:
            out.append(PartEnded(choice.index, choice.parts - 1))
        self.started = True
        number = choice.parts
        choice.parts += 1
        choice.open, choice.signed, choice.kind = True, False, type(head)
        out.append(PartBegun(choice.index, number, head))
        return number

    def _text(
        self, choice: _Choice, words: str, signature: str, read: Text | Thinking, out: list[Chunk]
    ) -> None:
        kind = type(read)
        if not choice.open or choice.kind is not kind or choice.signed:
            head = (
                Text("", extra=read.extra)
                if kind is Text
                else Thinking("", summary=True, extra=read.extra)
            )
            number = self._begin_part(choice, head, out)
            choice.texts[number] = []
        else:
            number = choice.parts - 1
        if words and kind is Text:
            choice.texts[number].append(words)
        out.append(Delta(choice.index, number, words, signature))
        choice.signed = bool(signature)

    def _call(self, choice: _Choice, call: ToolCall, out: list[Chunk]) -> None:
        head = ToolCall(call.id, call.name, "", signature=call.signature, extra=call.extra)
        number = self._begin_part(choice, head, out)
        out.append(Delta(choice.index, number, call.arguments))
        out.append(PartEnded(choice.index, number))
        choice.open = False

    def _end(self, out: list[Chunk]) -> None:
        """Tell the end of every choice, once, where the answer is whole."""
        if self._closed or not self.complete:
            return
        self._closed = True
        if not self._choices:
            self._choices[0] = blocked = _Choice(0)
            blocked.reason = self._blocked
        searches = 0
        for index in sorted(self._choices):
            choice = self._choices[index]
            searches += count_searches(choice.grounding)
            self._cite(choice, out)
            if choice.open:
                out.append(PartEnded(index, choice.parts - 1))
                choice.open = False
            out.append(self._told_finish(choice))
        if searches and self._usage is not None:
            usage = with_searches(self._usage, searches)
            if usage is not None:
                out.append(UsageSeen(usage))

    def _cite(self, choice: _Choice, out: list[Chunk]) -> None:
        """Citations, which the vendor tells last: of texts that have ended too."""
        if not choice.extra:
            return
        texts = ["".join(choice.texts.get(number, ())) for number in range(choice.parts)]
        for part, citation in read_citations(choice.grounding, choice.cited, texts):
            if part < choice.parts and texts[part]:
                out.append(Delta(choice.index, part, citation=citation))

    def _told_finish(self, choice: _Choice) -> Finished:
        extra = choice.extra
        if self._feedback != NULL and choice.index == 0:
            extra = {**extra, FEEDBACK: self._feedback}
        if self._blocked and not choice.parts:
            return Finished(choice.index, FILTER, choice.reason, detail=self._feedback, extra=extra)
        finish = finish_of(choice.reason, called=choice.calls > 0)
        return Finished(choice.index, finish, choice.reason, detail=choice.ratings, extra=extra)
