"""What time it is for whatever is deleted because of its age: a clock that leaps ahead is not
believed at once. Pure: both clocks are arguments, and so is what is kept of the time.

The trap is that a clock which was wrong for a minute cannot be put right again for what went with
it: the keys of contents are destroyed by then. So what a leap alone has made old waits for an
hour, in which somebody may set the clock back. A machine that slept looks the same, and waits, too,
and so does a gateway that was stopped: a clock that is wrong when it starts is judged by the time
that was believed last.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import Final

LEAP_S: Final = 60.0
"""By less than this a clock is only set right."""
WAIT_S: Final = 3600.0
KEEP_S: Final = 60.0
"""So often the time is kept for the next start."""

log = logging.getLogger(__name__)


class Age:
    """Unix seconds, for any thread. `clock` is the time of day, `steady` one that nobody sets;
    `last_s` is what was kept by a process before, None where nothing was, and `keep` keeps it."""

    def __init__(
        self,
        clock: Callable[[], float],
        steady: Callable[[], float],
        last_s: float | None = None,
        keep: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._keep = keep
        self._kept_s = -KEEP_S
        """When it was kept, by the steady clock."""
        self._lock = Lock()
        self._ahead_s = None if last_s is None else last_s - steady()
        """By how much the time of day that is believed is before the steady clock."""
        self._leaps: list[tuple[float, float]] = []
        """When each leap was first seen that is not believed yet, and what it made of the above."""

    def __call__(self) -> float:
        """The time of day, without a leap of less than an hour ago. Ask at least once a minute: it
        is when it is asked that a leap is seen."""
        with self._lock:
            now_s = self._steady()
            ahead_s = self._clock() - now_s
            believed_s = ahead_s if self._ahead_s is None else self._waited(now_s, ahead_s)
            if ahead_s - believed_s < LEAP_S:
                if ahead_s - believed_s < -LEAP_S:
                    back = {"seconds": round(believed_s - ahead_s)}
                    log.warning("the clock was set back", extra=back)
                believed_s, self._leaps = ahead_s, []
            self._ahead_s = believed_s
            if now_s - self._kept_s >= KEEP_S:
                self._kept_s = now_s
                self._keep(now_s + believed_s)
            return now_s + believed_s

    def _waited(self, now_s: float, ahead_s: float) -> float:
        """How far ahead is believed by now: each leap waits for an hour of its own. Behind the
        leap of a machine that slept for a minute, one of years would be believed too early."""
        believed_s = self._ahead_s or 0.0
        leaps = [(seen_s, min(to_s, ahead_s)) for seen_s, to_s in self._leaps]
        before_s = leaps[-1][1] if leaps else believed_s
        if ahead_s - before_s >= LEAP_S:
            leap = {"seconds": round(ahead_s - before_s)}
            log.warning(
                "the clock has leapt ahead, or all stood still: nothing is deleted for it yet",
                extra=leap,
            )
            leaps.append((now_s, ahead_s))
        while leaps and now_s - leaps[0][0] >= WAIT_S:
            believed_s = leaps.pop(0)[1]
        self._leaps = leaps
        return believed_s
