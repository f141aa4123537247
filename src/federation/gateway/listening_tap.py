"""A stream's tap that tells a listener what it is fed."""

from __future__ import annotations

from collections.abc import Callable

from federation.errors import UpstreamError
from federation.schema.glance import Answer
from federation.schema.tap import StreamTap


class ListeningTap:
    """Implements `schema.tap.StreamTap` around another one. `listen` is told what the provider
    said; it must not raise."""

    __slots__ = ("_listen", "_tap")

    def __init__(self, tap: StreamTap, listen: Callable[[bytes], None]) -> None:
        self._tap = tap
        self._listen = listen

    @property
    def events(self) -> int:
        """See `StreamTap`."""
        return self._tap.events

    @property
    def error(self) -> UpstreamError | None:
        """See `StreamTap`."""
        return self._tap.error

    @property
    def malformed(self) -> int:
        """See `StreamTap`."""
        return self._tap.malformed

    @property
    def started(self) -> bool:
        """See `StreamTap`."""
        return self._tap.started

    @property
    def done(self) -> bool:
        """See `StreamTap`."""
        return self._tap.done

    @property
    def complete(self) -> bool:
        """See `StreamTap`."""
        return self._tap.complete

    def feed(self, data: bytes) -> bytes:
        """See `StreamTap`."""
        out = self._tap.feed(data)
        self._listen(data)
        return out

    def close(self) -> bytes:
        """See `StreamTap`."""
        return self._tap.close()

    def answer(self) -> Answer:
        """See `StreamTap`."""
        return self._tap.answer()
