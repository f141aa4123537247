"""How clients are told of their limits."""

from __future__ import annotations

import pytest

from federation.dialects.rate_headers import duration, names_of, reset_text
from federation.dialects.retry_after import read_retry_after
from federation.domain.limits import Counted

WALL = 1_764_000_000.25


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3.0, b"0ms"),
        (0.0, b"0ms"),
        (0.0125, b"12ms"),
        (1.0, b"1s"),
        (8.64, b"8.6s"),
        (59.99, b"59.9s"),
        (360.0, b"6m0s"),
        (3599.0, b"59m59s"),
        (86_400.0, b"24h0m0s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, text: bytes) -> None:
    assert duration(seconds) == text


def test_most_languages_count_down() -> None:
    for dialect in ("openai", "gemini", "cohere"):
        names = names_of(dialect, Counted.REQUESTS)
        assert names is not None
        assert names[:3] == (
            b"x-ratelimit-limit-requests",
            b"x-ratelimit-remaining-requests",
            b"x-ratelimit-reset-requests",
        )
        assert reset_text(names, 9.0, WALL) == b"9s"


def test_one_language_names_moments() -> None:
    names = names_of("anthropic", Counted.OUTPUT_TOKENS)
    assert names is not None
    assert names[:3] == (
        b"anthropic-ratelimit-output-tokens-limit",
        b"anthropic-ratelimit-output-tokens-remaining",
        b"anthropic-ratelimit-output-tokens-reset",
    )
    assert reset_text(names, 2.0, WALL) == b"2025-11-24T16:00:02Z"
    assert reset_text(names, -2.0, WALL) == b"2025-11-24T16:00:00Z"


def test_slots_have_no_headers() -> None:
    assert names_of("openai", Counted.CONCURRENCY) is None


def test_what_we_write_we_can_read() -> None:
    names = names_of("openai", Counted.TOKENS)
    assert names is not None
    told = {names.remaining: b"0", names.reset: reset_text(names, 75.0, WALL)}
    assert read_retry_after(told, "") == 75.0
