"""Reads along while a provider's events are forwarded: usage, finish, errors, the end.

Nothing is withheld: this language always tells the usage. An event that cannot be read is
passed on as it came and counted: the client may know more of it than we do.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.anthropic.errors import error_in_stream
from federation.dialects.anthropic.events import NULL, EventHead, read_head
from federation.dialects.anthropic.stream_render import LAST
from federation.dialects.anthropic.usage import Counts, merged, read_counts, to_usage
from federation.dialects.anthropic.wire import Wire
from federation.dialects.sse import CR, EventCutter, ended, event_data
from federation.dialects.tapping import HeardEvents
from federation.dialects.whole import is_json
from federation.schema.glance import Answer

_CLOSED: Final = b"}\n\n"
_DELTA: Final = b"event: content_block_delta\ndata: {"
_MORE: Final = b"\n\n" + _DELTA


class StreamTap(HeardEvents[EventCutter]):
    """Forwards whole events and remembers what they said; see `schema.tap.StreamTap`."""

    __slots__ = ("_counts", "_wire")

    def __init__(self, wire: Wire) -> None:
        super().__init__(EventCutter())
        self._wire = wire
        self._counts: Counts | None = None

    def answer(self) -> Answer:
        """What was read off so far."""
        return Answer(self._model, self.finish, to_usage(self._counts))

    def feed(self, data: bytes) -> bytes:
        """The whole events that may go on now, unchanged and in order.

        Raises `UpstreamGarbled` for an event over the limit, and an error that the provider
        reports before the answer has started.
        """
        if self.started and self._is_plain(data):
            return data
        return super().feed(data)

    def close(self) -> bytes:
        """What was held back when the bytes ended, if it is an event that only lacks its
        blank line, and the last event of a whole answer whose host leaves it out. A torn event
        is dropped, so that an error can follow it."""
        held = b""
        rest = self._cutter.rest()
        if rest.rstrip(b"\r\n") and read_head(ended(rest)) is not None:
            held = ended(rest)
            self._look(held)
        if self.complete and not self.done:
            self.done = True
            held += LAST
        return held

    def _is_plain(self, data: bytes) -> bool:
        """Whether these are whole events that say nothing but more of the answer; counts them.

        A line break cannot stand raw inside JSON, so lines are found as such.
        """
        if self._cutter.held or not data.startswith(_DELTA) or data[-2:] != b"\n\n":
            return False
        count = data.count(b"\n\n")
        if data.count(_CLOSED) != count:
            return False
        if CR in data or data.count(_MORE) != count - 1 or data.count(b"\n") != 3 * count:
            return False
        self.events += count
        return True

    def _look(self, event: bytes) -> bool:
        """Whether an event may go on: one that is no JSON would break its reader."""
        if self.started and event.startswith(_DELTA) and event.endswith(_CLOSED):
            self.events += 1
            return True
        head = read_head(event)
        if head is None:
            data = event_data(event)
            self.malformed += data is not None
            return data is None or is_json(data)
        if head.type == "content_block_delta":
            self.started = True
            self.events += 1
        elif head.type == "message_start":
            self._begin(head)
        elif head.type == "message_delta":
            self._end(head)
        elif head.type == "message_stop":
            self.done = self.started = True
            self.complete = self.error is None
        elif head.error != NULL:
            self._break(error_in_stream(self._wire, head.error))
        return True

    def _begin(self, head: EventHead) -> None:
        message = head.message
        if message is not None:
            self._model = message.model or ""
            self._counts = read_counts(message.usage) if message.usage != NULL else None

    def _end(self, head: EventHead) -> None:
        if head.usage != NULL:
            self._counts = merged(self._counts, read_counts(head.usage))
        if head.delta is not None and head.delta.stop_reason:
            self.started = True
            self.finish = head.delta.stop_reason
            self.complete = self.error is None
