"""Plugged-in recognizers under a bound: what hangs is a failure, and so is what is not there.

The trap: a thread cannot be killed. One that hangs is left behind, so there may only be a few
of them before the recognizer counts as failed without being asked.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from federation.guardrails.entities import DetectorFailure, Recognizer, Span

TIMEOUT_S: Final = 5.0
_MOST_HANGING: Final = 4


class Timed:
    """A recognizer that answers in time or has failed."""

    def __init__(self, recognizer: Recognizer, timeout_s: float = TIMEOUT_S) -> None:
        self.name = recognizer.name
        self.kinds = recognizer.kinds
        self._recognizer = recognizer
        self._timeout_s = timeout_s
        self._hanging: list[threading.Thread] = []
        self._lock = threading.Lock()

    def find(self, text: str) -> Sequence[Span] | DetectorFailure:
        """See `Recognizer`. Holds the calling thread, for so long at most."""
        with self._lock:
            self._hanging = [thread for thread in self._hanging if thread.is_alive()]
            if len(self._hanging) >= _MOST_HANGING:
                return DetectorFailure(self.name, "hangs")
        said: list[Sequence[Span] | DetectorFailure] = []

        def ask() -> None:
            try:
                said.append(self._recognizer.find(text))
            except Exception as error:  # noqa: BLE001 - a plug-in's, whatever it is: nothing was read
                said.append(DetectorFailure(self.name, type(error).__name__))

        thread = threading.Thread(target=ask, name=f"recognizer {self.name}", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if not said:
            with self._lock:
                self._hanging.append(thread)
            return DetectorFailure(self.name, "timeout")
        return said[0]


class Absent:
    """Stands for types that a policy names and nothing here finds: no text was checked for them."""

    name = "no recognizer"

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self.kinds = kinds
        self.name = f"no recognizer for {', '.join(kinds)}"

    def find(self, text: str) -> DetectorFailure:
        """A failure for every text."""
        return DetectorFailure(self.name, f"absent, {len(text)} characters unread")
