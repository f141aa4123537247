"""What the taps of all dialects have in common: what was heard so far, and what an error does.

A dialect's tap says how bytes are cut into pieces and what a piece means. The trap: an error
before the answer has started is raised, because another deployment can still answer; a later one
has been forwarded with its event and is only kept.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from federation.errors import UpstreamError
from federation.schema.glance import Answer
from federation.schema.usage import Usage


class Cutter(Protocol):
    """Cuts a stream's bytes into its events, and keeps what is not whole yet."""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are whole now; raises `UpstreamGarbled` for one over the limit."""
        ...

    def rest(self) -> bytes:
        """What is not whole, when the stream is over."""
        ...


C = TypeVar("C", bound=Cutter)


class Heard:
    """What was heard of one stream; see `schema.tap.StreamTap` for what the names promise."""

    __slots__ = (
        "_model",
        "_usage",
        "complete",
        "done",
        "error",
        "events",
        "finish",
        "malformed",
        "started",
    )

    def __init__(self) -> None:
        self._model = ""
        self._usage: Usage | None = None
        self.finish = ""
        self.started = False
        self.done = False
        self.complete = False
        self.events = 0
        self.malformed = 0
        self.error: UpstreamError | None = None

    def answer(self) -> Answer:
        """What was read off so far."""
        return Answer(self._model, self.finish, self._usage)

    def _break(self, failure: UpstreamError) -> None:
        if not self.started:
            raise failure
        self.error = failure
        self.complete = False


class HeardEvents(Heard, ABC, Generic[C]):
    """The same for streams whose events are forwarded as they came, or left out."""

    __slots__ = ("_cutter",)

    def __init__(self, cutter: C) -> None:
        super().__init__()
        self._cutter = cutter

    def feed(self, data: bytes) -> bytes:
        """The whole events that may go on now, unchanged and in order.

        Raises `UpstreamGarbled` for an event over the limit, and an error that the provider
        reports before the answer has started.
        """
        events = self._cutter.feed(data)
        if len(events) == 1:
            return events[0] if self._look(events[0]) else b""
        return b"".join([event for event in events if self._look(event)])

    @abstractmethod
    def _look(self, event: bytes) -> bool:
        """Whether an event may go on: one that is no JSON would break its reader."""
