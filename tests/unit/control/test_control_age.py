"""A clock that leaps: nothing is deleted for an hour, and nothing waits for the old time."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sealing_world import World

from federation.control.age import WAIT_S, Age
from federation.storage.last_time import FILE, keep_time, read_time

DAY_S = 86_400.0
NOW_S = 1_800_000_000.0


class Clocks:
    """The time of day, and one that nobody sets."""

    def __init__(self) -> None:
        self.wall = NOW_S
        self.steady = 50.0
        self.age = Age(lambda: self.wall, lambda: self.steady)

    def go(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_time_that_passes_is_believed() -> None:
    clocks = Clocks()
    for _ in range(100):
        assert clocks.age() == clocks.wall
        clocks.go(1000.0)
    clocks.wall += 5.0
    assert clocks.age() == clocks.wall, "a clock is set right by some seconds"


def test_a_leap_ahead_is_believed_after_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    clocks = Clocks()
    clocks.age()
    clocks.wall += DAY_S
    for _ in range(60):
        assert clocks.age() == clocks.wall - DAY_S
        clocks.go(WAIT_S / 60)
    assert clocks.age() == clocks.wall
    assert [record.message for record in caplog.records] == [
        "the clock has leapt ahead, or all stood still: nothing is deleted for it yet"
    ]


def started(clocks: Clocks, kept: list[float], last_s: float | None) -> Age:
    return Age(lambda: clocks.wall, lambda: clocks.steady, last_s, kept.append)


def test_a_clock_that_is_wrong_at_a_start_is_judged_by_the_time_that_was_kept() -> None:
    clocks, kept = Clocks(), list[float]()
    age = started(clocks, kept, None)
    for _ in range(4):
        age()
        clocks.go(30.0)
    assert kept == [NOW_S, NOW_S + 60.0]

    clocks.wall, clocks.steady = NOW_S + 365 * DAY_S, 3.0
    for _ in range(2):  # a start that is soon followed by another one
        again = started(clocks, kept, kept[-1])
        assert again() == kept[-1] < NOW_S + 2 * DAY_S
        for _ in range(30):
            clocks.go(60.0)
            assert again() < NOW_S + DAY_S
    for _ in range(30):
        clocks.go(60.0)
        found = again()
    assert found == clocks.wall, "an hour of its own, and it is believed"


def test_a_gateway_that_was_stopped_for_a_moment_or_whose_clock_was_set_back_goes_by_it() -> None:
    clocks = Clocks()
    for last_s in (NOW_S - 30.0, NOW_S + DAY_S):
        assert started(clocks, [], last_s)() == NOW_S


def test_the_time_that_is_kept_is_read_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read_time(tmp_path) is None
    keep_time(tmp_path, NOW_S + 0.25)
    assert read_time(tmp_path) == NOW_S
    for broken in ("", "inf", "soon"):
        (tmp_path / FILE).write_text(broken)
        assert read_time(tmp_path) is None
    keep_time(tmp_path / "away", NOW_S)
    assert "the time of now cannot be kept" in caplog.text


def test_a_leap_that_is_taken_back_within_the_hour_was_none() -> None:
    clocks = Clocks()
    clocks.age()
    for _ in range(3):
        clocks.wall += DAY_S
        clocks.go(WAIT_S / 2)
        assert clocks.age() == clocks.wall - DAY_S
        clocks.wall -= DAY_S
        assert clocks.age() == clocks.wall


def test_each_leap_waits_for_an_hour_of_its_own() -> None:
    """A machine sleeps for two minutes, and an hour later its clock goes wrong by years."""
    clocks = Clocks()
    clocks.age()
    clocks.wall += 120.0
    clocks.age()
    clocks.go(WAIT_S - 10.0)
    clocks.wall += 3650 * DAY_S
    assert clocks.age() == clocks.wall - 3650 * DAY_S - 120.0
    clocks.go(15.0)
    assert clocks.age() == clocks.wall - 3650 * DAY_S, "the short one has lasted"
    clocks.go(WAIT_S - 20.0)
    assert clocks.age() == clocks.wall - 3650 * DAY_S
    clocks.go(10.0)
    assert clocks.age() == clocks.wall


def test_of_a_leap_that_is_taken_back_in_part_the_rest_waits_no_longer() -> None:
    clocks = Clocks()
    clocks.age()
    clocks.wall += 2 * DAY_S
    clocks.age()
    clocks.go(WAIT_S / 2)
    clocks.wall -= DAY_S
    assert clocks.age() == clocks.wall - DAY_S
    clocks.go(WAIT_S / 2)
    assert clocks.age() == clocks.wall


def test_a_clock_that_is_set_back_is_believed_at_once(caplog: pytest.LogCaptureFixture) -> None:
    clocks = Clocks()
    clocks.age()
    clocks.wall -= DAY_S
    with caplog.at_level(logging.WARNING):
        assert clocks.age() == clocks.wall
    assert "the clock was set back" in caplog.text


def test_the_key_of_spools_is_due_where_the_clock_was_set_back(tmp_path: Path) -> None:
    """It would be due a day late, or a year."""
    world = World(tmp_path / "data")
    assert not world.spool_keys.due()
    world.clock.now -= DAY_S
    assert world.spool_keys.due()
    world.close()
