"""What the gateway needs of a dialect's stream tap, whatever the dialect."""

from __future__ import annotations

from typing import Protocol

from federation.schema.glance import Answer


class StreamTap(Protocol):
    """Reads along while a provider's events are forwarded."""

    started: bool
    """An event that belongs to the answer was seen; keep-alives do not count."""
    done: bool
    """The provider said that the stream is over."""
    complete: bool
    """The answer is whole: its finish reason or the end marker was seen."""
    events: int
    """Events with content so far."""

    def feed(self, data: bytes) -> bytes:
        """Return the whole events that may be forwarded now, unchanged and in order."""
        ...

    def close(self) -> bytes:
        """Return what was held back when the bytes ended."""
        ...

    def answer(self) -> Answer:
        """What was read off so far."""
        ...
