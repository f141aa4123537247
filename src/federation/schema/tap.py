"""What the gateway needs of a dialect's stream tap, whatever the dialect."""

from __future__ import annotations

from typing import Protocol

from federation.errors import UpstreamError
from federation.schema.glance import Answer


class FormedTap(Protocol):
    """A tap whose nearly every event needs no reading.

    An event that begins and ends with `form`, and holds neither a quote nor a line break
    between, says nothing but text: it may go on by itself, counted in `events`, in place of
    `feed`. An empty end means that none may: the form is not known, or a part of an event is held.
    """

    form: tuple[bytes, bytes]
    events: int


class StreamTap(Protocol):
    """Reads along while a provider's events are forwarded."""

    @property
    def events(self) -> int:
        """Events with content so far."""
        ...

    @property
    def error(self) -> UpstreamError | None:
        """What the provider reported inside the stream after the answer began; it was forwarded."""
        ...

    @property
    def malformed(self) -> int:
        """Events that could not be read, and were left out."""
        ...

    @property
    def started(self) -> bool:
        """An event that belongs to the answer was seen; keep-alives do not count."""
        ...

    @property
    def done(self) -> bool:
        """The provider said that the stream is over."""
        ...

    @property
    def complete(self) -> bool:
        """The answer is whole: its finish reason or the end marker was seen."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that may be forwarded now, unchanged and in order."""
        ...

    def close(self) -> bytes:
        """Return what was held back when the bytes ended."""
        ...

    def answer(self) -> Answer:
        """What was read off so far."""
        ...
