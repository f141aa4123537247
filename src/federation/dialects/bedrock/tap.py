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
from federation.dialects.bedrock.streams import TELLING, error_of
from federation.dialects.bedrock.usage import read_usage
from federation.dialects.bedrock.wire import Wire
from federation.dialects.origins import Origin
from federation.dialects.tapping import Heard
from federation.dialects.whole import reads_as_json, unreadable

_START: Final = "contentBlockStart"
_CONTENT: Final = frozenset((_START, "contentBlockDelta"))


class StreamTap(Heard):
    """One stream; see `tap.StreamTap` for the promises."""

    __slots__ = ("_cutter", "_stopped", "_wire", "origin")

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire
        self._cutter = FrameCutter()
        self._stopped = False
        self.origin: Origin | None = None

    def feed(self, data: bytes) -> bytes:
        """The whole frames that may go on now, unchanged and in order.

        Raises `UpstreamGarbled` for bytes that are no frames, and an error that the provider
        reports before the answer has started; `UpstreamGarbled`, too, for a piece of the answer
        that is no JSON: it would break its reader, and left out it would not be missed.
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
        if name in TELLING and not reads_as_json(frame.payload):
            raise unreadable(self._wire.deployment)
        if name in _CONTENT:
            self.started = self.started or name == _START or _has_content(frame)
            self.events += self.started
            if self.origin is not None:
                self.origin.note(frame.payload)
            return
        kind = frame.text(":message-type")
        if kind in ("exception", "error"):
            self._break(error_of(self._wire, frame, kind))
            return
        try:
            if name == "messageStop":
                self.started = self._stopped = True
                self.complete = self.error is None
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
