from __future__ import annotations

from federation.resilience.overlong import (
    BYTES_PER_TOKEN,
    EVENTS_PER_TOKEN,
    SPARE_TOKENS,
    overlong,
)


def test_only_what_is_far_beyond_the_allowance_is_overlong() -> None:
    tokens = 100 + SPARE_TOKENS
    assert not overlong(100, events=tokens * EVENTS_PER_TOKEN, size=tokens * BYTES_PER_TOKEN)
    assert overlong(100, events=tokens * EVENTS_PER_TOKEN + 1)
    assert overlong(100, size=tokens * BYTES_PER_TOKEN + 1)


def test_where_nobody_said_how_much_may_come_nothing_is_overlong() -> None:
    assert not overlong(None, events=10**9, size=10**12)
