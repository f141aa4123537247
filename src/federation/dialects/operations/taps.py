"""Reads along while events or sound are handed on to the client.

Events of pictures are megabytes long, so they are cut here with a limit of their own. Sound
has no events: its bytes go on as they come, and are whole when the connection says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.openai.errors import error_in_answer
from federation.dialects.operations import billing, images, replies, transcription
from federation.dialects.operations.upstream import media_type
from federation.dialects.operations.wire import OperationWire
from federation.dialects.sse import ended, event_data
from federation.errors import UpstreamError, UpstreamGarbled
from federation.schema.glance import Answer
from federation.schema.http import Headers
from federation.schema.operations import IMAGE, IMAGE_EDIT, SPEECH, OperationGlance
from federation.schema.tap import StreamTap
from federation.schema.usage import Usage

LONGEST_EVENT: Final = 48 * 1024 * 1024
_EOL = rb"(?:\r\n|\n|\r(?![\n]|\Z))"
_BLANK_LINE: Final = re.compile(_EOL + _EOL)
_OVERLAP: Final = 3
"""A blank line is at most four bytes, so its start may lie this far back in what was held."""
_ENDS: Final = (".completed", ".done")

ReadUsage = Callable[[Raw], Usage]


class _Event(msgspec.Struct):
    type: str | None = None
    usage: Raw = replies.NULL
    error: Raw = replies.NULL
    base_resp: Raw = replies.NULL


_EVENT: Final = msgspec.json.Decoder(_Event)


class ByteTap:
    """Sound: bytes go on as they come; one for each answer."""

    __slots__ = ("_usage", "done", "error", "events", "malformed", "started")

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self.started = False
        self.done = False
        self.events = 0
        self.malformed = 0
        self.error: UpstreamError | None = None

    @property
    def complete(self) -> bool:
        """The connection's framing says whether the sound is whole, and the transport raises
        where it is not: so it is whole when the end was read, and never before."""
        return self.started and self.done

    def feed(self, data: bytes) -> bytes:
        """The bytes, unchanged."""
        self.started = self.started or bool(data)
        return data

    def close(self) -> bytes:
        """Nothing is ever held back."""
        self.done = True
        return b""

    def answer(self) -> Answer:
        """Our own count of what was asked for: the sound says nothing."""
        return Answer("", "", self._usage)


class EventTap:
    """Events with a `type`: forwarded whole; the last of a kind holds the usage.

    `wanted` is how many of them end the answer: each picture has its own. An error before
    the first event of the answer is raised by `feed`; a later one is kept and forwarded.
    """

    __slots__ = (
        "_ends",
        "_held",
        "_read_usage",
        "_searched",
        "_usage",
        "_wanted",
        "_wire",
        "done",
        "error",
        "events",
        "malformed",
        "started",
    )

    def __init__(self, wire: OperationWire, read_usage: ReadUsage, wanted: int = 1) -> None:
        self._wire = wire
        self._read_usage = read_usage
        self._wanted = wanted
        self._ends = 0
        self._held = bytearray()
        self._searched = 0
        self._usage: Usage | None = None
        self.started = False
        self.done = False
        self.events = 0
        self.malformed = 0
        self.error: UpstreamError | None = None

    @property
    def complete(self) -> bool:
        """Every picture, the text or the sound came to its end, and no error."""
        return (self._ends >= self._wanted or self.done) and self.error is None

    def feed(self, data: bytes) -> bytes:
        """The whole events that may go on now, unchanged and in order.

        Raises `UpstreamGarbled` for an event above `LONGEST_EVENT` bytes, and an error that the
        provider reports before the answer has started.
        """
        held = self._held
        held += data
        ends = _ends(held, self._searched)
        if not ends:
            if len(held) > LONGEST_EVENT:
                raise UpstreamGarbled(
                    f"The provider sent an event of more than {LONGEST_EVENT} bytes."
                )
            self._searched = max(len(held) - _OVERLAP, 0)
            return b""
        whole = bytes(held[: ends[-1]])
        self._held = held[ends[-1] :]
        self._searched = 0
        begin = 0
        for end in ends:
            self._look(whole[begin:end])
            begin = end
        return whole

    def close(self) -> bytes:
        """What was held back when the bytes ended, if it is an event that only lacks its
        blank line."""
        rest, self._held = bytes(self._held), bytearray()
        data = _data(rest)
        if data is None or (_decoded(data) is None and not data.startswith(b"[DONE]")):
            return b""
        self._look(rest)
        return ended(rest)

    def answer(self) -> Answer:
        """What was read off so far."""
        return Answer("", "", self._usage)

    def _look(self, event: bytes) -> None:
        data = _data(event)
        if data is None:
            return
        if data.startswith(b"[DONE]"):
            self.done = self.started = True
            return
        said = _decoded(data)
        if said is None:
            return
        if said.error != replies.NULL or said.base_resp != replies.NULL:
            self._fail(said, data)
        kind = said.type or ""
        if kind and kind != "error":
            self.started = True
            self.events += 1
        if kind.endswith(_ENDS):
            self._ends += 1
            self._add(self._read_usage(said.usage))

    def _add(self, usage: Usage) -> None:
        before = self._usage
        if before is None:
            self._usage = usage
            return
        units = {
            name: before.units.get(name, 0) + usage.units.get(name, 0)
            for name in (*before.units, *usage.units)
        }
        self._usage = Usage(
            input=before.input + usage.input,
            output=before.output + usage.output,
            cached=before.cached + usage.cached,
            audio_input=before.audio_input + usage.audio_input,
            audio_output=before.audio_output + usage.audio_output,
            units=units,
            estimated=before.estimated or usage.estimated,
        )

    def _fail(self, said: _Event, data: bytes) -> None:
        failure = error_in_answer(self._wire.chat, said.error, said.base_resp, data)
        if failure is None:
            return
        if not self.started:
            raise failure
        self.error = failure


def open_tap(wire: OperationWire, glance: OperationGlance, headers: Headers) -> StreamTap:
    """A tap for one answer that is handed on as it arrives."""
    if glance.operation == SPEECH and media_type(headers) != b"text/event-stream":
        return ByteTap(billing.estimate(glance))
    if glance.operation in (IMAGE, IMAGE_EDIT):
        return EventTap(wire, _picture_usage, glance.outputs)
    if glance.operation == SPEECH:
        return EventTap(wire, lambda raw: _speech_usage(raw, glance))
    return EventTap(wire, lambda raw: transcription.usage_of(raw, None, glance))


def _ends(held: bytearray, start: int) -> list[int]:
    """Where events end. A search for two bytes is a hundred times faster than the pattern,
    and a picture is megabytes."""
    if held.find(b"\r", start) >= 0:
        return [match.end() for match in _BLANK_LINE.finditer(held, start)]
    ends = []
    while (place := held.find(b"\n\n", start)) >= 0:
        start = place + 2
        ends.append(start)
    return ends


def _data(event: bytes) -> bytes | None:
    """As `sse.event_data`, without a pattern's walk over megabytes."""
    if b"\r" in event:
        return event_data(event)
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line[:5] == b"data:"]
    return b"\n".join(lines) if lines else None


def _picture_usage(raw: Raw) -> Usage:
    return images.usage_of(raw, 1)


def _speech_usage(raw: Raw, glance: OperationGlance) -> Usage:
    units = {"character": glance.characters}
    used = images.usage_of(raw, 0)
    if not used.input and not used.output:
        return billing.estimate(glance)
    return Usage(input=used.input, output=used.output, audio_output=used.output, units=units)


def _decoded(data: bytes) -> _Event | None:
    try:
        return _EVENT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
