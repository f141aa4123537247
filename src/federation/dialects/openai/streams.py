"""Reads a provider's stream into chunks.

An event is decoded as far as its members are known here; the first one also tells what the
host says besides. Where text carries `<think>` tags, or a content is a list, the pieces are
sorted out before they become parts. The usage may come with any event, also after the end.

Reference: https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

import contextlib
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.decoding import Decoder
from federation.dialects.openai.answer_parts import NULL, finish_of, lenient
from federation.dialects.openai.choice_stream import ChoiceStream, StreamChoice
from federation.dialects.openai.decode import rest_of
from federation.dialects.openai.errors import error_in_answer
from federation.dialects.openai.odd_events import usual
from federation.dialects.openai.text_events import Form, form_of
from federation.dialects.openai.usage import read_usage
from federation.dialects.openai.wire import Wire
from federation.dialects.sse import EventCutter, event_data
from federation.dialects.tokenizer import Members
from federation.dialects.whole import UNREADABLE, said, unreadable
from federation.errors import UpstreamGarbled
from federation.schema.chunks import Begun, Chunk, Delta, Failed, Finished, UsageSeen
from federation.schema.parts import Fields


class _Groq(msgspec.Struct):
    usage: Raw = NULL


class _Event(msgspec.Struct):
    choices: list[StreamChoice] | None = None
    id: str | None = None
    model: str | None = None
    created: int | float | None = None
    service_tier: str | None = None
    usage: Raw = NULL
    x_groq: _Groq | None = None
    error: Raw = NULL
    base_resp: Raw = NULL


_EVENT: Final = msgspec.json.Decoder(_Event)
_WHOLE: Final = msgspec.json.Decoder(Members)
_KNOWN: Final = frozenset((*_Event.__struct_fields__, "object", "obfuscation")) - {"x_groq"}


class StreamDecoder(Decoder[Wire]):
    """See `faces.StreamDecoder`; one for each stream."""

    __slots__ = ("_begun", "_choices", "_cutter", "_extra", "_form", "_id", "_metered", "_tier")

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._cutter = EventCutter()
        self._choices: dict[int, ChoiceStream] = {}
        self._extra: Fields = {}
        self._id = ""
        self._tier: str | None = None
        self._begun = False
        self._metered = False
        self._form: Form | None = None
        """How the event before this one wrote a piece of text and nothing else."""

    @property
    def complete(self) -> bool:
        """Every choice that began has finished, or the end was said; and no error."""
        if self._failed:
            return False
        if self.done:
            return True
        for choice in self._choices.values():
            if not choice.finished:
                return False
        return bool(self._choices)

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks in what has arrived; see `faces.StreamDecoder.feed`."""
        form = self._form
        if form is not None and not self._cutter.held and (more := form.more(data)) is not None:
            return [more]
        chunks: list[Chunk] = []
        for event in self._cutter.feed(data):
            self._read(event, chunks)
        return chunks

    def close(self) -> list[Chunk]:
        """The chunks of an event that only lacks its blank line, and the end of choices whose
        finish the host left out."""
        chunks: list[Chunk] = []
        rest = self._cutter.rest()
        if rest:
            self._read(rest, chunks)
        if not self._failed and (self.done or (self._wire.finish_empty and self._metered)):
            self._finish(chunks)
        return chunks

    def _read(self, event: bytes, chunks: list[Chunk]) -> None:
        form = self._form
        if form is not None and (more := form.more(event)) is not None:
            chunks.append(more)
            return
        before = len(chunks)
        self._read_anew(event, chunks)
        self._form = None
        if len(chunks) == before + 1 and isinstance(said := chunks[-1], Delta):
            state = self._choices.get(said.choice)
            if state is not None and state.tells_text and not self._failed:
                self._form = form_of(event, said)

    def _read_anew(self, event: bytes, chunks: list[Chunk]) -> None:
        data = event_data(event)
        if data is None or self._failed:
            return
        if data.startswith(b"[DONE]"):
            if not self._choices:
                raise UpstreamGarbled(f"{self._wire.deployment} ended a stream without an answer.")
            self.done = self.started = True
            self._finish(chunks)
            return
        try:
            data = self._halves.mend(data)
            found = _EVENT.decode(data)
        except UNREADABLE:
            oddly = self._oddly(data)
            if oddly is None:
                return
            found = oddly
        if (found.error != NULL or found.base_resp != NULL) and self._fails(
            found.error, found.base_resp, event, chunks
        ):
            return
        if found.choices:
            self._begin(found, data, chunks)
            for choice in found.choices:
                if choice.error != NULL and self._fails(choice.error, NULL, event, chunks):
                    return
                self._take(choice, chunks)
        elif not self._begun and found.choices is not None:
            self._extra = rest_of(lenient(_WHOLE, data) or {}, _KNOWN)
        self._meter(found, chunks)

    def _oddly(self, data: bytes) -> _Event | None:
        """An event with odd empty members; None for what cannot be read and is left out. Raises
        `UpstreamGarbled` where that holds a choice: the client of a forwarded stream was told it,
        and without it the rest would look whole."""
        again = usual(data)
        if again is not None:
            with contextlib.suppress(*UNREADABLE):
                return _EVENT.decode(again)
        self.malformed += 1
        if said(data, "choices"):
            raise unreadable(self._wire.deployment)
        return None

    def _begin(self, found: _Event, data: bytes, chunks: list[Chunk]) -> None:
        if self._begun:
            return
        self._begun = True
        self._id = found.id or ""
        self._tier = found.service_tier
        extra = rest_of(lenient(_WHOLE, data) or {}, _KNOWN)
        chunks.append(
            Begun(
                self._id,
                found.model or "",
                int(found.created or 0),
                found.service_tier or "",
                self._extra | extra,
            )
        )

    def _take(self, choice: StreamChoice, chunks: list[Chunk]) -> None:
        index = choice.index or 0
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = ChoiceStream(index, self._wire, self._id)
        state.read(choice, chunks)
        if state.has_begun or state.finished:
            self.started = True

    def _meter(self, found: _Event, chunks: list[Chunk]) -> None:
        raw = found.usage
        if raw == NULL and found.x_groq is not None:
            raw = found.x_groq.usage
        if raw == NULL:
            return
        usage = read_usage(self._wire, raw, found.service_tier or self._tier)
        if usage is not None:
            self._metered = True
            chunks.append(UsageSeen(usage))

    def _fails(self, error: Raw, base_resp: Raw, event: bytes, chunks: list[Chunk]) -> bool:
        failure = error_in_answer(self._wire, error, base_resp, event)
        if failure is None:
            return False
        if not self.started:
            raise failure
        self._failed = True
        chunks.append(Failed(failure))
        return True

    def _finish(self, chunks: list[Chunk]) -> None:
        """Finish what the host left open when it said that the stream is over."""
        if self._failed:
            return
        for index, state in self._choices.items():
            if not state.finished:
                calls = state.end(chunks)
                chunks.append(Finished(index, finish_of("", calls=calls)))
