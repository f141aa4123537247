"""A listener hears what a tap is fed, and the tap is what it was."""

from __future__ import annotations

from federation.errors import UpstreamError
from federation.gateway.listening_tap import ListeningTap
from federation.schema.glance import Answer


class Tap:
    events = 3
    error: UpstreamError | None = None
    malformed = 1
    started = True
    done = False
    complete = True

    def feed(self, data: bytes) -> bytes:
        return data.upper()

    def close(self) -> bytes:
        return b"END"

    def answer(self) -> Answer:
        return Answer("large", "stop")


def test_what_is_fed_is_heard_and_all_else_is_handed_on() -> None:
    heard: list[bytes] = []
    tap = Tap()
    both = ListeningTap(tap, heard.append)

    assert (both.feed(b"abc"), both.close()) == (b"ABC", b"END")

    assert heard == [b"abc"]
    for name in ("events", "error", "malformed", "started", "done", "complete"):
        assert getattr(both, name) == getattr(tap, name)
    assert both.answer() == tap.answer()
