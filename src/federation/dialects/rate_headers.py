"""How a client is told what its limits have left, in the headers that its language knows.

The trap: one language counts down to a reset in a duration (`6m0s`, `12ms`), the other names the
moment. Languages without headers of their own get the first form, which many hosts use.

Reference: https://platform.openai.com/docs/guides/rate-limits,
https://platform.claude.com/docs/en/api/rate-limits
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from federation.domain.limits import Counted, at_utc

_KINDS: Final = {
    Counted.REQUESTS: b"requests",
    Counted.TOKENS: b"tokens",
    Counted.INPUT_TOKENS: b"input-tokens",
    Counted.OUTPUT_TOKENS: b"output-tokens",
}
_DURATIONS: Final = {
    counts: (
        b"x-ratelimit-limit-" + kind,
        b"x-ratelimit-remaining-" + kind,
        b"x-ratelimit-reset-" + kind,
    )
    for counts, kind in _KINDS.items()
}
_MOMENTS: Final = {
    counts: (
        b"anthropic-ratelimit-" + kind + b"-limit",
        b"anthropic-ratelimit-" + kind + b"-remaining",
        b"anthropic-ratelimit-" + kind + b"-reset",
    )
    for counts, kind in _KINDS.items()
}
TELLS_MOMENTS: Final = frozenset(("anthropic",))
"""The languages that name the moment of a reset."""


class LimitHeaders(NamedTuple):
    """The headers about limits of one kind, in one language."""

    limit: bytes
    remaining: bytes
    reset: bytes
    moments: bool
    """The reset is a moment."""


def names_of(dialect: str, counts: Counted) -> LimitHeaders | None:
    """The headers of a kind; None of slots, which have none."""
    if counts not in _KINDS:
        return None
    moments = dialect in TELLS_MOMENTS
    return LimitHeaders(*(_MOMENTS if moments else _DURATIONS)[counts], moments)


def reset_text(names: LimitHeaders, reset_s: float, wall_s: float) -> bytes:
    """A reset that is so far off, at the Unix time `wall_s`."""
    if names.moments:
        return _moment(int(wall_s + reset_s) if reset_s > 0.0 else int(wall_s))
    return duration(reset_s)


def duration(seconds: float) -> bytes:
    """A duration as Go prints it: `12ms`, `1.5s`, `6m0s`, `24h0m0s`."""
    if seconds < 1.0:
        return b"%dms" % (seconds * 1000.0 if seconds > 0.0 else 0)
    return _tenths(int(seconds * 10.0))


@lru_cache(4096)
def _tenths(tenths: int) -> bytes:
    whole, rest = divmod(tenths, 10)
    if whole < 60:
        return b"%d.%ds" % (whole, rest) if rest else b"%ds" % whole
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, seconds) if hours else b"%dm%ds" % (minutes, seconds)


@lru_cache(4096)
def _moment(at_s: int) -> bytes:
    return at_utc(at_s * 1000)
