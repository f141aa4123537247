"""What time it is for whatever is deleted because of its age: a clock that leaps ahead is not
believed at once. Pure: both clocks are arguments.

The trap is that a clock which was wrong for a minute cannot be put right again for what went with
it: the keys of contents are destroyed by then. So what a leap alone has made old waits for an
hour, in which somebody may set the clock back. A machine that slept looks the same, and waits, too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from typing import Final

LEAP_S: Final = 60.0
"""By less than this a clock is only set right."""
WAIT_S: Final = 3600.0

log = logging.getLogger(__name__)


class Age:
    """Unix seconds, for any thread. `clock` is the time of day, `steady` one that nobody sets."""

    def __init__(self, clock: Callable[[], float], steady: Callable[[], float]) -> None:
        self._clock = clock
        self._steady = steady
        self._lock = Lock()
        self._ahead_s: float | None = None
        """By how much the time of day that is believed is before the steady clock."""
        self._leapt_s: float | None = None
        """When a leap was first seen that is not believed yet."""

    def __call__(self) -> float:
        """The time of day, without a leap of less than an hour ago. Ask at least once a minute: it
        is when it is asked that a leap is seen."""
        with self._lock:
            now_s = self._steady()
            ahead_s = self._clock() - now_s
            if self._ahead_s is None or ahead_s - self._ahead_s < LEAP_S:
                self._follow(ahead_s)
            elif self._leapt_s is None:
                self._leapt_s = now_s
                leap = {"seconds": round(ahead_s - self._ahead_s)}
                log.warning("the clock has leapt ahead: nothing is deleted for it yet", extra=leap)
            elif now_s - self._leapt_s >= WAIT_S:
                self._follow(ahead_s)
            return now_s + (self._ahead_s or 0.0)

    def _follow(self, ahead_s: float) -> None:
        if self._ahead_s is not None and ahead_s - self._ahead_s < -LEAP_S:
            log.warning("the clock was set back", extra={"seconds": round(self._ahead_s - ahead_s)})
        self._ahead_s, self._leapt_s = ahead_s, None
