"""What follows a failed attempt: a table from the error's class to the next step.

Pure: it waits for nothing. The dispatcher asks after each failure before the first byte,
sleeps `after_s`, lets the deployment rest for `cool_s` (`HealthBoard.cool`), and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from federation.errors import (
    Recovery,
    UpstreamCut,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamMissing,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)

RETRIES = 2
"""Further attempts on one deployment within a call."""
_FAILED_RETRIES = 1
_BACKOFF_S = 0.1
_BACKOFF_LIMIT_S = 1.0
_PATIENCE_S = 5.0
"""The longest Retry-After that a call waits for."""
_COOL_LIMIT_S = 3600.0
_COOL_LIMITED_S = 1.0
_COOL_DENIED_S = 60.0
_COOL_MISSING_S = 300.0
SECOND_LAP_S = 30.0
"""The age of a call, or of a break in its stream, up to which it waits for who was silent before:
what the playbook gives a call."""
_OF_THE_CREDENTIAL = (401, 402)
"""Unknown key and no funds, whatever is asked for; a 403 may be about one model."""

PACED = "paced"
"""The word for a 429 that says when to come back."""
HURRIED = "hurried"
"""The word for a client's own deadline that came before the provider had its time."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask the same deployment again after so many seconds."""

    after_s: float
    cool_s: float = 0.0
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Fallback:
    """Ask the next candidate now, and let this one rest for `cool_s` seconds."""

    cool_s: float = 0.0
    wide: bool = False
    """All that are asked with the same credential rest with it."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Ask nobody else: the caller gets the error."""

    cool_s: float = 0.0
    wide: bool = False


Action = Retry | Fallback | Fail


class Tries:
    """Counts the attempts of one call and says what follows each failure."""

    __slots__ = ("_here", "_left")

    def __init__(self, limit: int) -> None:
        """`limit` is the number of attempts that the call may make in all."""
        self._left = limit
        self._here = 0

    def leave(self) -> None:
        """Another deployment is asked from here on."""
        self._here = 0

    def return_(self) -> None:
        """Who failed before is asked from here on (`SecondLap`), each once, without retries."""
        self._here = RETRIES

    def after(self, error: UpstreamError, rng: Random, *, last: bool) -> Action:
        """Decide what follows a failed attempt; call it once for each.

        `last` says that no further candidate exists: what would be a fallback is a failure.
        """
        self._left -= 1
        self._here += 1
        action = recover(error, self._here, rng)
        if isinstance(action, Fail) or self._left <= 0 or (last and isinstance(action, Fallback)):
            return Fail(action.cool_s, action.wide)
        return action

    @property
    def left(self) -> int:
        """How many more attempts the call may make, the one under way among them."""
        return self._left

    def spend(self) -> None:
        """Count an attempt that is made beside the one under way."""
        self._left -= 1


def recover(error: UpstreamError, tries: int, rng: Random) -> Action:
    """The table. `tries` counts this deployment's attempts in this call, this one included."""
    if error.recovery is Recovery.FAIL:
        return Fail()
    if isinstance(error, UpstreamRateLimited):
        return _slow_down(error, tries, rng)
    if isinstance(error, UpstreamDenied):
        return Fallback(_COOL_DENIED_S, wide=error.upstream_status in _OF_THE_CREDENTIAL)
    if isinstance(error, UpstreamMissing):
        return Fallback(_COOL_MISSING_S)
    if error.recovery is Recovery.RETRY and tries <= _FAILED_RETRIES:
        return Retry(backoff(tries, rng))
    return Fallback()


class SecondLap:
    """Who is asked once more when all have failed: first those that answered something and may be
    well again by now, then those that were silent, while there is time for as long a silence.

    Silence is never answered with a retry: everybody else is asked before. A deployment that
    said when to come back, or that refused, is not asked again at all.
    """

    __slots__ = ("_answered", "_silent")

    def __init__(self) -> None:
        self._answered: dict[int, None] = {}
        self._silent: dict[int, float] = {}

    def note(self, who: int, error: UpstreamError, took_s: float) -> None:
        """Somebody failed after so many seconds; what was noted of it before is forgotten."""
        self._answered.pop(who, None)
        self._silent.pop(who, None)
        if isinstance(error, UpstreamTimeout):
            self._silent[who] = took_s
        elif _may_be_well(error):
            self._answered[who] = None

    def order(self, age_s: float, left_s: float) -> list[int]:
        """Who may be asked again, `age_s` into the call, `left_s` before the client gives up."""
        found = [*self._answered, *self._silent]
        return [who for who in found if self.fits(who, age_s, left_s)]

    def fits(self, who: int, age_s: float, left_s: float) -> bool:
        """Whether one is still to be asked again, and there is time for it, should it be as silent
        as before."""
        took_s = self._silent.get(who)
        if took_s is None:
            return who in self._answered
        return took_s <= min(SECOND_LAP_S - age_s, left_s)


def _may_be_well(error: UpstreamError) -> bool:
    if isinstance(error, UpstreamRateLimited):
        return error.retry_after_s is None
    return isinstance(error, UpstreamFailed | UpstreamGarbled | UpstreamCut)


def backoff(tries: int, rng: Random) -> float:
    """Seconds to wait after this many tries: up to 100 ms, doubling to 1 s, full jitter."""
    return rng.uniform(0.0, min(_BACKOFF_S * 2 ** min(tries - 1, 10), _BACKOFF_LIMIT_S))


def blame(error: UpstreamError) -> str:
    """The word for `Measure.error`: a provider that says when to come back is not ill, nor is
    one that refuses a wrong request, whose own code is for the caller and not for metrics, nor is
    one to which the caller gave no time."""
    if isinstance(error, UpstreamRejected):
        return UpstreamRejected.code
    if isinstance(error, UpstreamRateLimited) and error.retry_after_s is not None:
        return PACED
    if isinstance(error, UpstreamTimeout) and error.hurried:
        return HURRIED
    return error.code


def _slow_down(error: UpstreamRateLimited, tries: int, rng: Random) -> Action:
    wait = error.retry_after_s
    if wait is None:
        if tries <= _FAILED_RETRIES:
            return Retry(backoff(tries, rng))
        return Fallback(_COOL_LIMITED_S)
    if wait > _PATIENCE_S:
        return Fallback(min(wait, _COOL_LIMIT_S))
    if tries <= RETRIES:
        return Retry(max(wait, 0.0))
    return Fallback(max(wait, _COOL_LIMITED_S))
