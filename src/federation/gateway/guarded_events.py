"""A transcript that comes in events, under a content check.

The words of an event are a piece of a text, and a value may lie over several, so they wait in a
window as the words of a chat do. The trap: the last event repeats the whole text, and the
probabilities of tokens spell it out.

Reference: https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event
"""

from __future__ import annotations

import json
from typing import Any, Final

from federation.dialects.sse import EventCutter, event_data
from federation.errors import CallerError, Unavailable, UpstreamError, UpstreamRejected
from federation.gateway.safeguards import Guarding, TextFilter
from federation.schema.glance import Answer
from federation.schema.tap import StreamTap

_DELTA, _DONE = ".delta", ".done"
_PROBABILITIES: Final = "logprobs"


class GuardedEvents:
    """Implements `schema.tap.StreamTap` around one that reads the provider's events.

    Content that may not pass is kept in `error`, as what a provider reports is, and ends the
    stream.
    """

    __slots__ = ("_cutter", "_filters", "_guarding", "_last", "_tap", "error", "events", "refusal")

    def __init__(self, tap: StreamTap, guarding: Guarding) -> None:
        self._tap = tap
        self._guarding = guarding
        self._cutter = EventCutter()
        self._filters: dict[str, TextFilter] = {}
        self._last: dict[str, dict[str, Any]] = {}
        self.refusal: CallerError | Unavailable | None = None
        """Why nothing more is told."""
        self.error: UpstreamError | None = None
        self.events = 0

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
        return self._tap.done and self.refusal is None

    @property
    def complete(self) -> bool:
        """See `StreamTap`."""
        return self._tap.complete and self.refusal is None

    def feed(self, data: bytes) -> bytes:
        """The events as they may be told; nothing more once something was refused."""
        if self.refusal is not None:
            return b""
        events = self._cutter.feed(self._tap.feed(data))
        self.events, self.error = self._tap.events, self._tap.error
        return self._through(events)

    def close(self) -> bytes:
        """See `StreamTap`."""
        if self.refusal is not None:
            return b""
        events = self._cutter.feed(self._tap.close())
        self.events, self.error = self._tap.events, self._tap.error
        rest = self._cutter.rest()
        return self._through([*events, rest] if rest else events, last=True)

    def answer(self) -> Answer:
        """See `StreamTap`."""
        return self._tap.answer()

    def _through(self, events: list[bytes], *, last: bool = False) -> bytes:
        try:
            said = b"".join(map(self._checked, events))
            return said + self._waiting() if last else said
        except (CallerError, Unavailable) as refusal:
            self.refusal = refusal
            self.error = UpstreamRejected(refusal.message, code=refusal.code, status=refusal.status)
            return b""

    def _checked(self, event: bytes) -> bytes:
        data = event_data(event)
        if data is None:
            return event
        if data.startswith(b"[DONE]"):
            return self._waiting() + event
        try:
            said = json.loads(data)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            return b""  # nobody can tell what it says
        said.pop(_PROBABILITIES, None)
        kind = str(said.get("type") or "")
        text = said.get("delta")
        if kind.endswith(_DELTA) and isinstance(text, str):
            return self._delta(said, text)
        before = self._waiting() if kind.endswith(_DONE) else b""
        told = self._guarding.answer_text(json.dumps(said, ensure_ascii=False), "answer")
        return before + _event(json.loads(told))

    def _delta(self, said: dict[str, Any], text: str) -> bytes:
        segment = str(said.get("segment_id") or "")
        if segment not in self._filters:
            self._filters[segment] = self._guarding.words("answer")
        self._last[segment] = said
        told = self._filters[segment].feed(text)
        return _event(said | {"delta": told}) if told else b""

    def _waiting(self) -> bytes:
        """What the windows still hold, in events like the last ones."""
        said: list[bytes] = []
        for segment, words in self._filters.items():
            rest = words.close()
            if rest:
                said.append(_event(self._last[segment] | {"delta": rest}))
        self._filters.clear()
        return b"".join(said)


def _event(said: dict[str, Any]) -> bytes:
    body = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return f"event: {said.get('type', 'message')}\ndata: {body}\n\n".encode()
