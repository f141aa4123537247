"""Reads a provider's stream into chunks: what it says in `assembly`, here how it ends.

The last event holds the whole response with its usage, so nothing after it counts; a stream
that only has this event is read from it.

Reference: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from typing import Final

import msgspec

from federation.dialects.decoding import Decoder
from federation.dialects.openai_responses.assembly import HANDLERS, Assembly
from federation.dialects.openai_responses.decode import (
    Outcome,
    extras_of,
    finish_of,
    finish_word,
    read_outcome,
    usage_of,
)
from federation.dialects.openai_responses.errors import error_inside
from federation.dialects.openai_responses.events import UNREADABLE, Event, data_of
from federation.dialects.openai_responses.fields import NULL
from federation.dialects.openai_responses.tap import ENDS, TELLING, error_of
from federation.dialects.openai_responses.wire import Wire
from federation.dialects.sse import EventCutter, event_name
from federation.dialects.whole import MOST_PARTS, Few, said, unreadable
from federation.errors import UpstreamError, UpstreamGarbled
from federation.schema.chunks import Chunk, Failed, Finished, UsageSeen
from federation.schema.parts import Fields


class _Output(msgspec.Struct):
    output: Few[Fields] | None = None


_EVENT: Final = msgspec.json.Decoder(Event)
_OUTPUT: Final = msgspec.json.Decoder(_Output)
_MEMBERS: Final = msgspec.json.Decoder(Fields)


class StreamDecoder(Decoder[Wire]):
    """One provider's stream; see `faces.StreamDecoder` for what it promises."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self._cutter = EventCutter()
        self._assembly = Assembly()

    @property
    def complete(self) -> bool:
        """The answer is whole: its last event came, and no error."""
        return self.done and not self._failed

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks in what has arrived."""
        for event in self._cutter.feed(data):
            self._read(event)
        return self._taken()

    def close(self) -> list[Chunk]:
        """The chunks of an event that only lacked its blank line."""
        rest = self._cutter.rest()
        if rest:
            self._read(rest)
        return self._taken()

    def _taken(self) -> list[Chunk]:
        assembly = self._assembly
        out, assembly.out = assembly.out, []
        self.started = assembly.started or self.done
        return out

    def _read(self, raw: bytes) -> None:
        data = data_of(raw)
        if data is None or self.done or data.startswith(b"[DONE]"):
            return
        try:
            data = self._halves.mend(data)
            event = _EVENT.decode(data)
        except UNREADABLE:
            self._skip(data, raw)
            return
        kind = event.type
        handler = HANDLERS.get(kind)
        if handler is not None:
            handler(self._assembly, event)
        elif kind in ENDS:
            self._end(event)
        elif kind == "error" or (not kind and event.error != NULL):
            self._fail(error_inside(self._wire, error_of(event.error, data)))

    def _skip(self, data: bytes, raw: bytes) -> None:
        """Leave out what cannot be read. Raises `UpstreamGarbled` for a piece of the answer, which
        one that is no JSON is by its event's name: the client of a forwarded stream was told it,
        and without it the rest would look whole."""
        self.malformed += 1
        if str(said(data, "type") or event_name(raw)) in TELLING:
            raise unreadable(self._wire.host.deployment)

    def _end(self, event: Event) -> None:
        try:
            outcome = read_outcome(self._wire, event.response)
        except UpstreamGarbled:
            outcome = Outcome()
        except UpstreamError as error:
            self._fail(error)
            return
        assembly = self._assembly
        assembly.begin(event)
        if not assembly.parts:
            for item in _output_of(event):
                assembly.whole_item(item)
        assembly.end()
        usage = usage_of(self._wire, outcome)
        if usage is not None:
            assembly.out.append(UsageSeen(usage))
        finish = finish_of(outcome, calls=assembly.calls)
        extra = _ended_of(event)
        assembly.out.append(Finished(0, finish, finish_word(outcome), extra=extra))
        self.done = True

    def _fail(self, error: UpstreamError) -> None:
        if not self._assembly.started:
            raise error
        self._failed = self.done = True
        self._assembly.out.append(Failed(error))


def _output_of(event: Event) -> list[Fields]:
    """The items of a response; none where they cannot be read. Raises `UpstreamGarbled` where
    there are too many."""
    try:
        return _OUTPUT.decode(event.response).output or []
    except UNREADABLE:
        found = said(bytes(event.response), "output")
    if isinstance(found, list) and len(found) > MOST_PARTS:
        raise UpstreamGarbled("The provider answered with too many items.")
    return []


def _ended_of(event: Event) -> Fields:
    try:
        return extras_of(_MEMBERS.decode(event.response))[1]
    except UNREADABLE:
        return {}
