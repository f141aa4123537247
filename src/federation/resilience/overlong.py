"""Whether an answer that was given up was longer than its call allowed.

A client that asks for a long answer gets one, and a client without the time for it leaves:
neither says anything about the provider. But an answer longer than the call allows would never
have ended, and that is the provider's failure. The bounds are far above what sound answers need:
a token comes in one event or a few, and with the log probabilities of twenty others it fills some
kilobytes.
"""

from __future__ import annotations

EVENTS_PER_TOKEN = 8
BYTES_PER_TOKEN = 8 * 1024
SPARE_TOKENS = 64
"""Events beside the words: beginnings and ends of parts, counts."""


def overlong(allowed: int | None, *, events: int = 0, size: int = 0) -> bool:
    """Whether so many events or bytes are more than so many output tokens can be; False where
    nobody said how many may come."""
    if allowed is None:
        return False
    tokens = allowed + SPARE_TOKENS
    return events > tokens * EVENTS_PER_TOKEN or size > tokens * BYTES_PER_TOKEN
