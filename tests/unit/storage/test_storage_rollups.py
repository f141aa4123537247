from __future__ import annotations

from ledger_lines import lines

from federation.schema.records import AttemptRecord, CallEnded
from federation.schema.usage import Usage
from federation.storage.analytics_entries import DAY_MS, HOUR_MS, Sums
from federation.storage.analytics_spans import GRAINS, LONG_MS, Span, cover
from federation.storage.journal_reader import Began, Ended
from federation.storage.rollups import (
    BY_KEY,
    BY_PLACE,
    BY_TAG,
    BY_USER,
    GRAINS_OF,
    TAGGED,
    Tally,
)
from federation.storage.rollups_facts import line_of

AT = 20_000 * DAY_MS + 5 * HOUR_MS


def ended(name: str, at_ms: int = AT, **more: object) -> Began | Ended:
    attempt = AttemptRecord("p/m", at_ms, 200, "", 1.0, 2.0, Usage(10, 5), 7)
    record = CallEnded(
        *(name, at_ms + 5, "acme", "key_1", "chat", "auto", "ok", 200),
        deployment="p/m",
        started_ms=at_ms,
        duration_ms=5.0,
        usage=Usage(10, 5),
        cost_nano=7,
        attempts=(attempt,),
        **more,  # type: ignore[arg-type]
    )
    return line_of(lines(record)[0].json)


def sums_by(tally: Tally) -> dict[tuple[str, int], list[Sums]]:
    found: dict[tuple[str, int], list[Sums]] = {}
    for row in tally.rows():
        found.setdefault((row[0], row[1]), []).append(Sums(*row[10:]))
    return found


def test_many_calls_alike_are_one_row_of_each_kind_and_grain() -> None:
    tally = Tally()
    for n in range(1000):
        tally.add(ended(f"c{n}"))
    assert len(tally) == 1
    found = sums_by(tally)
    assert found.keys() == {(kind, grain) for kind in (BY_PLACE, BY_KEY) for grain in GRAINS}
    for sums in found.values():
        assert sums == [Sums(1000, 0, 5_000_000, 1000, input=10_000, output=5_000, cost_nano=7_000)]


def test_only_calls_that_name_a_user_or_have_tags_pay_for_it() -> None:
    tally = Tally()
    tally.add(ended("c1"))
    tally.add(ended("c2", user="ann"))
    tally.add(ended("c3", tags={"a": "1", "b": "2"}))
    calls = {key: sum(each.calls for each in sums) for key, sums in sums_by(tally).items()}
    for kind, count in ((BY_PLACE, 3), (BY_KEY, 3), (BY_USER, 1), (BY_TAG, 2), (TAGGED, 1)):
        assert {grain: n for (each, grain), n in calls.items() if each == kind} == dict.fromkeys(
            GRAINS_OF[kind], count
        )


def test_what_is_taken_back_leaves_no_row() -> None:
    tally = Tally()
    tally.add(ended("c1"))
    tally.take_back(ended("c1"))
    assert tally.rows() == []


def test_a_long_time_is_covered_by_the_longest_roll_ups() -> None:
    start = 700 * LONG_MS - DAY_MS
    assert cover(start, 702 * LONG_MS + HOUR_MS, None, "UTC") == [
        Span(start, 700 * LONG_MS, DAY_MS),
        Span(700 * LONG_MS, 702 * LONG_MS, LONG_MS),
        Span(702 * LONG_MS, 702 * LONG_MS + HOUR_MS, HOUR_MS),
    ]
