"""Reads along while a provider's events are forwarded: usage, finish, errors, the end."""

from __future__ import annotations

from typing import Final

import msgspec

from federation.dialects.cohere.errors import error_in_answer
from federation.dialects.cohere.events import DONE, NULL, PASSING, TELLING, End, data_of
from federation.dialects.cohere.tables import FAILURES
from federation.dialects.cohere.usage import read_usage
from federation.dialects.cohere.wire import Wire
from federation.dialects.sse import EventCutter, ended, event_name
from federation.dialects.tapping import HeardEvents
from federation.dialects.whole import is_json, salvaged, unreadable

_CONTENT: Final = frozenset(
    ("content-delta", "tool-plan-delta", "tool-call-start", "tool-call-delta")
)
_CLOSED: Final = b"}\n\n"
_PLAIN: Final = tuple(
    f'event: {kind}\ndata: {{"type":"{kind}",'.encode()
    for kind in ("content-delta", "tool-call-delta", "tool-plan-delta")
)
"""How the vendor begins events that hold content and nothing that is read off here."""


class StreamTap(HeardEvents[EventCutter]):
    """See `schema.tap.StreamTap`; one for each stream. Usage is part of the last event, which
    every client of this dialect gets, so nothing is withheld."""

    __slots__ = ("_wire",)

    def __init__(self, wire: Wire) -> None:
        super().__init__(EventCutter())
        self._wire = wire

    def close(self) -> bytes:
        """What was held back, if it is an event that only lacks its blank line; a torn event
        is dropped, so that an error can follow it."""
        rest = self._cutter.rest()
        if not rest:
            return b""
        event = ended(rest)
        data = data_of(event)
        if data is None or not _is_whole(data):
            return b""
        self._look(event)
        return event

    def _look(self, event: bytes) -> bool:
        """Whether an event may go on: one that is no JSON would break its reader. Raises
        `UpstreamGarbled` where such a one is a piece of the answer by its name."""
        if event.startswith(_PLAIN) and event.endswith(_CLOSED):
            self.started = True
            self.events += 1
            return True
        data = data_of(event)
        if data is None:
            return True
        if data.startswith(DONE):
            self.done = True
            return True
        try:
            found = PASSING.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            again = salvaged(PASSING, data)
            if again is None:
                self.malformed += 1
                if is_json(data):
                    return True
                if event_name(event) in TELLING:
                    raise unreadable(self._wire.deployment) from None
                return False
            found = again
        if found.type in _CONTENT:
            self.started = True
            self.events += 1
        elif found.type == "message-end":
            self._end(found.delta or End())
        elif not found.type and found.message is not None:
            self._fail("")
        return True

    def _end(self, delta: End) -> None:
        if delta.usage != NULL:
            self._usage = read_usage(delta.usage)
        self.finish = delta.finish_reason or ""
        if self.finish in FAILURES or (delta.error and not self.finish):
            self._fail(self.finish)
            return
        self.started = self.done = True
        self.complete = self.error is None

    def _fail(self, reason: str) -> None:
        self._break(error_in_answer(self._wire, reason))
        self.done = True


def _is_whole(data: bytes) -> bool:
    if data.startswith(DONE):
        return True
    try:
        PASSING.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
