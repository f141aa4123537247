"""The retry budget of one deployment: how much of its load may be second attempts.

A provider that is down fails every call; were each retried there, it would get twice the
load when it can bear it least. So retries are at most a fifth of its calls, but always ten in
ten seconds.
"""

from __future__ import annotations

_WINDOW_S = 10.0
_FLOOR = 10
_SHARE = 5
"""One retry for so many calls."""


class RetryBudget:
    """Counts in windows of ten seconds. Times are monotonic seconds."""

    __slots__ = ("_begun", "_ends_s", "_retries")

    def __init__(self) -> None:
        self._ends_s = 0.0
        self._begun = 0
        self._retries = 0

    def allows(self, begun: int, now_s: float) -> bool:
        """Whether there is one more retry. `begun` is the number of all attempts on the
        deployment so far."""
        if now_s >= self._ends_s:
            self._ends_s = now_s + _WINDOW_S
            self._begun = begun
            self._retries = 0
        allowed = max(_FLOOR, (begun - self._begun) // _SHARE)
        return self._retries < allowed

    def spend(self, begun: int, now_s: float) -> bool:
        """The same, and if there is one, count it."""
        allowed = self.allows(begun, now_s)
        self._retries += allowed
        return allowed
