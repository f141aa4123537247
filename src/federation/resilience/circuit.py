"""The circuit of one deployment: closed, open, half-open.

Five failures in a row, or an error rate above .8 over at least 20 outcomes, open it for 30
seconds. Then one probe at a time may pass; three successes close it, one failure opens it
again. A cooldown (Retry-After, a refused credential) is no failure and stands beside it.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

OPEN_S = 30.0
PROBE_S = 30.0
"""A probe whose end nobody reports (its worker died) frees its place after this."""
_IN_A_ROW = 5
_RATE = 0.8
_RATE_CALLS = 20
_OUTCOMES = 100
_OUTCOME_S = 300.0
_TO_CLOSE = 3


class Circuit(Enum):
    """Whether calls may pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """State and counts of one circuit. Every method takes the monotonic time in seconds."""

    __slots__ = (
        "_failures",
        "_outcomes",
        "_probe_until",
        "_reopens",
        "_row",
        "_state",
        "_successes",
        "cooling_until",
        "is_closed",
    )

    def __init__(self) -> None:
        self._state = Circuit.CLOSED
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._row = 0
        self._successes = 0
        self._reopens = 0.0
        self._probe_until = 0.0
        self.cooling_until = 0.0
        self.is_closed = True
        """Calls pass freely: then nothing but a cooldown or a failure changes it."""

    def state(self, now_s: float) -> Circuit:
        """The state now; an open circuit turns half-open by time alone."""
        if self._state is Circuit.OPEN and now_s >= self._reopens:
            self._state = Circuit.HALF_OPEN
            self._successes = 0
            self._probe_until = 0.0
        return self._state

    def down_until(self, now_s: float) -> float:
        """Before this time it should not be asked while another can be."""
        state = self.state(now_s)
        if state is Circuit.CLOSED:
            return self.cooling_until
        until = self._reopens if state is Circuit.OPEN else self._probe_until
        return max(until, self.cooling_until)

    def begin(self, now_s: float) -> None:
        """An attempt starts; in a half-open circuit it is the probe."""
        if self._state is not Circuit.CLOSED and self.state(now_s) is Circuit.HALF_OPEN:
            self._probe_until = now_s + PROBE_S

    def end(self) -> None:
        """An attempt is over, whatever came of it: the probe's place is free."""
        self._probe_until = 0.0

    def probed(self, now_s: float) -> None:
        """It answered something that is no call: an open circuit is half-open from now on."""
        if self.state(now_s) is Circuit.OPEN:
            self._reopens = now_s

    def cool(self, until_s: float) -> None:
        """Rest until then; a shorter rest does not end a longer one."""
        self.cooling_until = max(self.cooling_until, until_s)

    def succeed(self, now_s: float) -> None:
        """Count a success."""
        self._row = 0
        if self.is_closed:
            # As `_count`, of what nearly every outcome is.
            outcomes = self._outcomes
            outcomes.append((now_s, False))
            if len(outcomes) > _OUTCOMES:
                self._failures -= outcomes.popleft()[1]
            return
        state = self.state(now_s)
        if state is Circuit.HALF_OPEN:
            self._probe_until = 0.0
            self._successes += 1
            if self._successes >= _TO_CLOSE:
                self._close()

    def fail(self, now_s: float) -> None:
        """Count a failure, and open the circuit where there were too many."""
        state = self.state(now_s)
        if state is Circuit.HALF_OPEN:
            self._open(now_s)
        elif state is Circuit.CLOSED:
            self._row += 1
            self._count(now_s, failed=True)
            if self._row >= _IN_A_ROW or (
                len(self._outcomes) >= _RATE_CALLS and self.error_rate(now_s) > _RATE
            ):
                self._open(now_s)

    def error_rate(self, now_s: float) -> float:
        """Failures among the last outcomes within five minutes; 0 where there are none."""
        self._expire(now_s)
        return self._failures / len(self._outcomes) if self._outcomes else 0.0

    @property
    def outcomes(self) -> int:
        """How many outcomes the error rate rests on."""
        return len(self._outcomes)

    def _count(self, now_s: float, *, failed: bool) -> None:
        self._outcomes.append((now_s, failed))
        self._failures += failed
        if len(self._outcomes) > _OUTCOMES:
            self._failures -= self._outcomes.popleft()[1]

    def _expire(self, now_s: float) -> None:
        oldest = now_s - _OUTCOME_S
        while self._outcomes and self._outcomes[0][0] < oldest:
            self._failures -= self._outcomes.popleft()[1]

    def _open(self, now_s: float) -> None:
        self._state, self.is_closed = Circuit.OPEN, False
        self._reopens = now_s + OPEN_S

    def _close(self) -> None:
        self._state, self.is_closed = Circuit.CLOSED, True
        self._outcomes.clear()
        self._failures = 0
        self._row = 0
