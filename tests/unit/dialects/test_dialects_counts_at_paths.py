"""Counts and prices that a row says where to find: whatever else stands there, none is raised."""

from __future__ import annotations

import pytest
from msgspec import Raw

from federation.dialects.counts import cost_at, count_at

NESTED = b"[" * 3000 + b"]" * 3000


def test_a_price_is_read_from_its_text_and_exactly() -> None:
    assert cost_at("cost.total", Raw(b'{"cost": {"total": 0.123456789}}')) == 123_456_789


def test_a_count_is_found_at_a_path() -> None:
    assert count_at("cache.hits", Raw(b'{"cache": {"hits": 7}}')) == 7


@pytest.mark.parametrize(
    "usage",
    [
        b'{"\xff": 1, "at": 1}',
        b'{"at": %b}' % NESTED,
        b'{"at": "much"}',
        b'{"at": -1}',
        b'{"at": 1e400}',
        b'{"other": 1}',
        b"[]",
    ],
    ids=["no text", "too deep", "no number", "negative", "vast", "elsewhere", "no object"],
)
def test_what_makes_no_sense_is_none_and_not_an_error(usage: bytes) -> None:
    assert count_at("at", Raw(usage)) is None
    assert cost_at("at", Raw(usage)) is None
