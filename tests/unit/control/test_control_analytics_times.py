from __future__ import annotations

from datetime import UTC, datetime

import pytest

from federation.control.analytics_times import moment, said, stretch, zone_of
from federation.errors import InvalidRequest

BERLIN, UTC_ZONE = zone_of("Europe/Berlin"), zone_of("UTC")
NOW = int(datetime(2026, 3, 30, 12, tzinfo=UTC).timestamp() * 1000)


def told(start: str | None, end: str | None, zone: str = "UTC") -> tuple[str, str]:
    found = stretch(start, end, zone_of(zone), NOW)
    return moment(found[0], UTC_ZONE), moment(found[1], UTC_ZONE)


def test_a_date_is_its_whole_day_in_the_zone() -> None:
    assert told("2026-01-01", "2026-01-31") == (
        "2026-01-01T00:00:00+00:00",
        "2026-02-01T00:00:00+00:00",
    )
    assert told("2026-03-29", "2026-03-29", "Europe/Berlin") == (
        "2026-03-28T23:00:00+00:00",
        "2026-03-29T22:00:00+00:00",
    )


def test_a_moment_is_exact_and_not_part_as_an_end() -> None:
    assert told("2026-01-01T10:00:00+02:00", "2026-01-01T09:30:00Z") == (
        "2026-01-01T08:00:00+00:00",
        "2026-01-01T09:30:00+00:00",
    )
    assert told("2026-01-01T10:00:00", None, "Europe/Berlin")[0] == "2026-01-01T09:00:00+00:00"


def test_thirty_days_are_meant_where_nothing_is_said() -> None:
    assert told(None, None) == ("2026-03-01T00:00:00+00:00", "2026-03-30T12:00:00.001000+00:00")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-02-30", None),
        ("yesterday", None),
        ("1900-01-01T00:00:00Z", None),
        ("2026-01-02", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("1980-01-01", "2026-01-01"),
        (None, "9999-12-31"),
        (None, "9999-12-31T23:59:59-12:00"),
        ("9999-12-01", "9999-12-31T12:00:00Z"),
    ],
)
def test_what_is_no_stretch_of_time_is_refused(start: str | None, end: str | None) -> None:
    with pytest.raises(InvalidRequest):
        stretch(start, end, UTC_ZONE, NOW)


@pytest.mark.parametrize("name", ["", "Mars/Base", "../../etc/passwd", "/etc/passwd", "a\0b"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        zone_of(name)


def test_groups_are_said_as_people_read_them() -> None:
    assert said("day", NOW // 86_400_000, BERLIN) == "2026-03-30"
    assert said("hour", NOW, BERLIN) == "2026-03-30T14:00:00+02:00"
    assert said("key", "key_1", BERLIN) == "key_1"
