"""Reads along while a provider's frames are forwarded: usage, finish, errors, the end.

A frame's kind stands in its headers, so only the few events that matter are decoded, and
nothing is withheld: usage comes in every stream of this language. A frame with a wrong
checksum is never passed on.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.aws_eventstream import Frame, FrameCutter
from federation.dialects.bedrock import events
from federation.dialects.bedrock.decode import invoked_model
from federation.dialects.bedrock.streams import error_of
from federation.dialects.bedrock.usage import read_usage
from federation.dialects.bedrock.wire import Wire
from federation.dialects.origins import Origin
from federation.errors import UpstreamError
from federation.schema.glance import Answer
from federation.schema.usage import Usage

_START: Final = "contentBlockStart"
_CONTENT: Final = frozenset((_START, "contentBlockDelta"))


class StreamTap:
    """One stream; see `tap.StreamTap` for the promises."""

    __slots__ = (
        "_cutter",
        "_model",
        "_stopped",
        "_usage",
        "_wire",
        "done",
        "error",
        "events",
        "finish",
        "malformed",
        "origin",
        "started",
    )

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._cutter = FrameCutter()
        self._model = ""
        self._usage: Usage | None = None
        self._stopped = False
        self.finish = ""
        self.started = False
        self.done = False
        self.events = 0
        self.malformed = 0
        self.error: UpstreamError | None = None
        self.origin: Origin | None = None

    @property
    def complete(self) -> bool:
        """The end of the message was seen, and no error."""
        return self._stopped and self.error is None

    def answer(self) -> Answer:
        """What was read off so far."""
        return Answer(self._model, self.finish, self._usage)

    def feed(self, data: bytes) -> bytes:
        """The whole frames that may go on now, unchanged and in order.

        Raises `UpstreamGarbled` for bytes that are no frames, and an error that the provider
        reports before the answer has started.
        """
        frames = self._cutter.feed(data)
        for frame in frames:
            self._read(frame)
        if len(frames) == 1:
            return frames[0].data
        return b"".join([frame.data for frame in frames])

    def close(self) -> bytes:
        """Nothing: a torn frame is dropped, so that an error can follow."""
        return b""

    def _read(self, frame: Frame) -> None:
        name = frame.text(":event-type")
        if name in _CONTENT:
            self.started = self.started or name == _START or _has_content(frame)
            self.events += self.started
            if self.origin is not None:
                self.origin.note(frame.payload)
            return
        kind = frame.text(":message-type")
        if kind in ("exception", "error"):
            error = error_of(self._wire, frame, kind)
            if not self.started:
                raise error
            self.error = error
            return
        try:
            if name == "messageStop":
                self.started = self._stopped = True
                self.finish = events.STOP.decode(frame.payload).stop_reason or ""
            elif name == "metadata":
                said = events.METADATA.decode(frame.payload)
                self._usage = read_usage(self._wire, said.usage, said.service_tier) or self._usage
                self._model = invoked_model(said.trace)
                self.done = self._stopped
        except events.UNREADABLE:
            self.malformed += 1


def _has_content(frame: Frame) -> bool:
    """Whether a delta holds more than empty text, which some models begin with."""
    try:
        delta = events.BLOCK_DELTA.decode(frame.payload).delta
    except events.UNREADABLE:
        return False
    if delta is None or delta.text is not None:
        return delta is not None and delta.text != ""
    said = delta.reasoning_content
    return said is None or bool(said.text or said.signature or said.redacted_content)
