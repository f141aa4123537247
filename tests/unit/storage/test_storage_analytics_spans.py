from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.storage.analytics_entries import DAY_MS, HOUR_MS
from federation.storage.analytics_spans import GRAINS, Span, cover

MARCH = 1_774_742_400_000  # 2026-03-29, on which Berlin's day has 23 hours
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe")


@settings(deadline=None)
@given(
    st.integers(0, 400 * DAY_MS),
    st.integers(0, 400 * DAY_MS),
    st.sampled_from((None, HOUR_MS, DAY_MS)),
    st.sampled_from(ZONES),
)
def test_every_moment_is_covered_once_and_no_roll_up_crosses_a_border(
    begin: int, length: int, bucket: int | None, zone: str
) -> None:
    start, end = MARCH + begin, MARCH + begin + length
    at = start
    for span in cover(start, end, bucket, zone):
        assert span.start_ms == at < span.end_ms
        at = span.end_ms
        if span.grain:
            assert span.grain in GRAINS
            assert span.start_ms % span.grain == span.end_ms % span.grain == 0
        if bucket is not None:
            if span.grain:
                assert (span.start_ms + span.offset_ms) % span.grain == 0 == bucket % span.grain
            for moment in (span.start_ms, span.end_ms - 1):
                local = datetime.fromtimestamp(moment / 1000, UTC).astimezone(ZoneInfo(zone))
                offset = local.utcoffset()
                assert offset is not None
                assert offset.total_seconds() * 1000 == span.offset_ms
    assert at == end or start == end


@pytest.mark.parametrize(
    ("bucket", "zone", "grain"),
    [
        (None, "Asia/Kolkata", DAY_MS),
        (DAY_MS, "UTC", DAY_MS),
        (DAY_MS, "Asia/Tokyo", HOUR_MS),
        (DAY_MS, "Asia/Kathmandu", HOUR_MS // 4),
        (HOUR_MS, "Asia/Tokyo", HOUR_MS),
        (HOUR_MS, "Asia/Kolkata", HOUR_MS // 4),
    ],
)
def test_the_coarsest_roll_up_that_can_tell_is_used(
    bucket: int | None, zone: str, grain: int
) -> None:
    offset = 0
    if bucket is not None:
        found = ZoneInfo(zone).utcoffset(datetime(2026, 4, 1))  # noqa: DTZ001  no daylight saving
        assert found is not None
        offset = round(found.total_seconds() * 1000)
    start = MARCH + DAY_MS
    assert cover(start, start + 9 * DAY_MS, bucket, zone) == [
        Span(start, start + 9 * DAY_MS, grain, offset)
    ]


def test_ragged_ends_are_lines() -> None:
    spans = cover(MARCH + 1, MARCH + 3 * DAY_MS - 1, None, "UTC")
    quarter = HOUR_MS // 4
    assert [span.grain for span in spans] == [0, quarter, HOUR_MS, DAY_MS, HOUR_MS, quarter, 0]
    assert sum(span.end_ms - span.start_ms for span in spans if not span.grain) < 2 * quarter
