"""Reads along while a provider's events are forwarded: usage, finish, errors, the end.

The pieces of content are known by the line that names the event; every other is parsed as
far as its type, because a search for words would also find them in what the model says. Only
the last one is read further: it holds the whole response. Nothing is withheld, for every
stream of this API ends with its usage.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.assembly import HANDLERS
from federation.dialects.openai_responses.decode import Outcome, finish_word, read_outcome, usage_of
from federation.dialects.openai_responses.errors import error_inside
from federation.dialects.openai_responses.events import data_of
from federation.dialects.openai_responses.fields import NULL
from federation.dialects.openai_responses.wire import Wire
from federation.dialects.origins import Origin
from federation.dialects.sse import EventCutter, ended, event_name
from federation.dialects.tapping import HeardEvents
from federation.dialects.whole import is_json, salvaged, unreadable
from federation.errors import UpstreamError, UpstreamGarbled

ENDS: Final = frozenset(("response.completed", "response.incomplete", "response.failed"))
TELLING: Final = (ENDS | HANDLERS.keys()) - {
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.output_text.annotation.added",
}
"""Events that hold a piece of the answer."""
_OPENINGS: Final = frozenset(
    (
        "response.created",
        "response.in_progress",
        "response.queued",
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
        "keepalive",
    )
)
"""Events that come before any content."""


_CLOSED: Final = b"}\n\n"
_NAMED: Final = b"event: "
_PIECES: Final = frozenset(
    (
        b"response.output_text.delta",
        b"response.refusal.delta",
        b"response.reasoning_text.delta",
        b"response.reasoning_summary_text.delta",
        b"response.function_call_arguments.delta",
        b"response.custom_tool_call_input.delta",
    )
)
"""Events whose name in the line before says all that matters; nobody parses them."""


class Event(msgspec.Struct):
    """An event, as far as the tap reads it."""

    type: str = ""
    response: Raw = NULL
    error: Raw = NULL


_EVENT: Final = msgspec.json.Decoder(Event)


class StreamTap(HeardEvents[EventCutter]):
    """Forwards whole events and remembers what they said; one for each stream."""

    __slots__ = ("_wire", "origin")

    def __init__(self, wire: Wire) -> None:
        super().__init__(EventCutter())
        self._wire = wire
        self.origin: Origin | None = None

    def close(self) -> bytes:
        """What was held back when the bytes ended, if it is an event that only lacks its
        blank line; a torn event is dropped, so that an error can follow it."""
        rest = self._cutter.rest()
        data = data_of(rest)
        if data is None:
            return b""
        try:
            _EVENT.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b""
        self._look(rest)
        return ended(rest)

    def _look(self, raw: bytes) -> bool:
        """Whether an event may go on: one that is no JSON would break its reader."""
        named = raw.startswith(_NAMED) and raw.endswith(_CLOSED)
        if named and raw[7 : raw.find(b"\n")] in _PIECES:
            self.started = True
            self.events += 1
            return True
        data = data_of(raw)
        if data is None or data.startswith(b"[DONE]"):
            return True
        try:
            event = _EVENT.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            again = salvaged(_EVENT, data)
            if again is None:
                self.malformed += 1
                return self._may_pass(raw, data)
            event = again
        kind = event.type
        if kind in ENDS:
            self._end(event)
        elif kind == "error" or (not kind and event.error != NULL):
            self._fail(error_inside(self._wire, error_of(event.error, data)))
        elif kind not in _OPENINGS:
            self.started = True
            self.events += 1
        elif not self._model and event.response != NULL:
            self._model = _model_of(event.response)
        return True

    def _may_pass(self, raw: bytes, data: bytes) -> bool:
        """Whether an event that cannot be read may go on. Raises `UpstreamGarbled` where it is no
        JSON and a piece of the answer by its name."""
        if is_json(data):
            return True
        if event_name(raw) in TELLING:
            raise unreadable(self._wire.host.deployment)
        return False

    def _end(self, event: Event) -> None:
        try:
            outcome = read_outcome(self._wire, event.response)
        except UpstreamGarbled:
            # The event says that the answer is whole; the client may read more of it.
            self.malformed += 1
            outcome = Outcome()
        except UpstreamError as error:
            self._fail(error)
            return
        self.started = self.done = True
        self.complete = self.error is None
        self._model = outcome.model or self._model
        self.finish = finish_word(outcome)
        self._usage = usage_of(self._wire, outcome)
        if self.origin is not None:
            self.origin.note(bytes(event.response))

    def _fail(self, error: UpstreamError) -> None:
        self._break(error)
        self.done = True


class _Model(msgspec.Struct):
    model: str | None = None


_MODEL: Final = msgspec.json.Decoder(_Model)


def _model_of(response: Raw) -> str:
    try:
        return _MODEL.decode(response).model or ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def error_of(error: Raw, data: bytes) -> Raw:
    """What an `error` event says: some hosts put it into an object, the API does not."""
    return error if error != NULL and bytes(error)[:1] == b"{" else Raw(data)
