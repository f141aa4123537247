"""Reads along while a provider's events are forwarded: usage, finish, errors, the end.

There is no end marker among server-sent events: the answer is whole when every candidate
gave its finish reason, and over when the bytes are. Usage comes with every event and is
never withheld, because the same event holds the text.
"""

from __future__ import annotations

from federation.dialects.gemini.answers import (
    EVENT,
    UNREADABLE,
    Event,
    block_reason,
    with_searches,
)
from federation.dialects.gemini.errors import error_in_answer
from federation.dialects.gemini.framing import Framing
from federation.dialects.gemini.grounding import count_searches
from federation.dialects.gemini.names import NULL
from federation.dialects.gemini.usage import read_usage
from federation.dialects.gemini.wire import Wire
from federation.dialects.origins import Origin
from federation.dialects.tapping import Heard
from federation.dialects.whole import is_json, is_torn, salvaged, unreadable
from federation.schema.glance import Answer


class StreamTap(Heard):
    """Forwards whole events and remembers what they said; one for each stream."""

    __slots__ = ("_choices", "_finished", "_framing", "_searches", "_wire", "origin")

    def __init__(self, wire: Wire, *, choices: int = 1) -> None:
        super().__init__()
        self._wire = wire
        self._choices = choices
        self._framing = Framing()
        self._finished: set[int] = set()
        self._searches: dict[int, int] = {}
        self.origin: Origin | None = None

    def answer(self) -> Answer:
        """What was read off so far."""
        usage = with_searches(self._usage, sum(self._searches.values()))
        return Answer(self._model, self.finish, usage)

    def feed(self, data: bytes) -> bytes:
        """The whole events that may go on now, unchanged and in order.

        Raises `UpstreamGarbled` for an event over the limit, and an error that the provider
        reports before the answer has started.
        """
        pieces = self._framing.feed(data)
        # Only an array is closed; server-sent events have no such end.
        self.done = self._framing.ended
        return b"".join([piece for piece, text in pieces if text is None or self._read(text)])

    def close(self) -> bytes:
        """What was held back when the bytes ended, if it is an event that only lacks its
        blank line; a torn event is dropped, so that an error can follow it."""
        piece, text = self._framing.rest()
        self.done = self._framing.ended
        if text is not None:
            self._read(text)
            return piece.rstrip(b"\r\n") + b"\r\n\r\n"
        return piece if not piece.strip() else b""

    def _read(self, text: bytes) -> bool:
        """Whether an event may go on: one that is no JSON would break its reader. Raises
        `UpstreamGarbled` where such a one may have held candidates."""
        try:
            event = EVENT.decode(text)
        except UNREADABLE:
            again = salvaged(EVENT, text)
            if again is None:
                self.malformed += 1
                if is_torn(text):
                    raise unreadable(self._wire.deployment) from None
                # Taken out of an array it would leave a hole in the punctuation.
                return self._framing.array or is_json(text)
            event = again
        if event.error != NULL:
            self._fail(text)
        if event.usage_metadata != NULL:
            self._usage = read_usage(event.usage_metadata) or self._usage
        if event.model_version and not self._model:
            self._model = event.model_version
        self._read_candidates(event)
        if self.origin is not None:
            self.origin.note(text)
        return True

    def _read_candidates(self, event: Event) -> None:
        for place, candidate in enumerate(event.candidates or ()):
            if candidate.content is not None and candidate.content.parts:
                self.started = True
                self.events += 1
            index = candidate.index if candidate.index is not None else place
            if candidate.finish_reason:
                self._end(index, candidate.finish_reason)
            if candidate.grounding_metadata != NULL:
                self._searches[index] = count_searches(candidate.grounding_metadata)
        if not event.candidates and (reason := block_reason(event)):
            for index in range(self._choices):
                self._end(index, reason)

    def _end(self, index: int, reason: str) -> None:
        self.started = True
        self._finished.add(index)
        self.complete = len(self._finished) >= self._choices and self.error is None
        if not index:
            self.finish = reason

    def _fail(self, text: bytes) -> None:
        failure = error_in_answer(self._wire, text)
        if failure is not None:
            self._break(failure)
