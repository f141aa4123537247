"""What a scripted deployment answers: a word of the script to an error and to times.

The words are those of the simulated providers' faults where these have one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.errors import (
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

ANSWER: Final = "answer"


@dataclass(frozen=True, slots=True)
class Reply:
    """One attempt's course: the seconds to its first byte and to its end, and how it fails."""

    first_s: float
    total_s: float
    error: Callable[[], UpstreamError] | None = None
    streamed: bool = False
    """The failure comes when a part of a stream is with the caller."""


def _limited(after_s: float | None) -> Callable[[], UpstreamError]:
    return lambda: UpstreamRateLimited("slow down", retry_after_s=after_s, upstream_status=429)


def _failed(status: int) -> Callable[[], UpstreamError]:
    return lambda: UpstreamFailed("it failed", upstream_status=status)


REPLIES: Final[dict[str, Reply]] = {
    ANSWER: Reply(0.3, 1.3),
    "slow": Reply(3.0, 4.0),
    "error": Reply(0.05, 0.05, _failed(500)),
    "overloaded": Reply(0.05, 0.05, _failed(503)),
    "limited": Reply(0.05, 0.05, _limited(2.0)),
    "limited_long": Reply(0.05, 0.05, _limited(60.0)),
    "busy": Reply(0.05, 0.05, _limited(None)),
    "denied": Reply(0.05, 0.05, lambda: UpstreamDenied("no such key", upstream_status=401)),
    "missing": Reply(0.05, 0.05, lambda: UpstreamMissing("no such model", upstream_status=404)),
    "rejected": Reply(0.05, 0.05, lambda: UpstreamRejected("bad request", upstream_status=400)),
    "garbled": Reply(0.3, 0.3, lambda: UpstreamGarbled("that is no answer")),
    "silent": Reply(10.0, 10.0, lambda: UpstreamTimeout("nothing came in time")),
    "cut": Reply(0.3, 0.8, lambda: UpstreamCut("it ended early"), streamed=True),
}
