"""A stream's tap that tells a listener what it lets through."""

from __future__ import annotations

from collections.abc import Callable

from federation.errors import UpstreamError
from federation.schema.glance import Answer
from federation.schema.tap import StreamTap


class ListeningTap:
    """Implements `schema.tap.StreamTap` around another one. `listen` is told what the client
    gets, or, `raw`, what the provider said that it is made of; it must not raise."""

    __slots__ = ("_listen", "_raw", "_tap")

    def __init__(
        self, tap: StreamTap, listen: Callable[[bytes], None], *, raw: bool = False
    ) -> None:
        self._tap = tap
        self._listen = listen
        self._raw = raw

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
        self._listen(data if self._raw else out)
        return out

    def close(self) -> bytes:
        """See `StreamTap`."""
        out = self._tap.close()
        if not self._raw:
            self._listen(out)
        return out

    def answer(self) -> Answer:
        """See `StreamTap`."""
        return self._tap.answer()
