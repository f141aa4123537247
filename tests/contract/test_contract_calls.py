from __future__ import annotations

import pytest
from ledger_lines import lines
from msgspec import structs

from federation.control.ports import CallStore
from federation.errors import Unavailable
from federation.schema.records import (
    AttemptRecord,
    CallEnded,
    CallStarted,
    Candidate,
    Decision,
    Features,
    Record,
)
from federation.schema.usage import Usage
from federation.storage.entries import LOST, RUNNING, CallFilter, Position, Sum

BILLIONS = 9_000_000_000_123_456_789
"""More nano-dollars than a float can count."""


def started(call: str, tenant: str = "default", at_ms: int = 1000) -> CallStarted:
    return CallStarted(call, at_ms, tenant, "key_1", "chat", "auto", "acme/large")


def ended(
    call: str,
    tenant: str = "default",
    outcome: str = "ok",
    cost_nano: int | None = 75_000,
    deployment: str = "acme/large",
    started_ms: int = 1000,
    key: str = "key_1",
    requested: str = "auto",
) -> CallEnded:
    usage = Usage(10, 5, cached=2)
    attempts = (
        AttemptRecord("slow/small", 1000, 503, "upstream_failed", 0.0, 3.0, Usage(), 0),
        AttemptRecord(deployment, 1003, 200, "", 1.5, 9.5, usage, cost_nano),
    )
    decision = Decision("auto", "priority", 7, Features("code"), (Candidate(deployment, 0.5),), 1)
    return CallEnded(
        call,
        started_ms + 12,
        tenant,
        key,
        "chat",
        requested,
        outcome,
        200,
        deployment=deployment,
        started_ms=started_ms,
        duration_ms=12.5,
        usage=usage,
        cost_nano=cost_nano,
        attempts=attempts,
        decision=decision,
        tags={"team": "search"},
    )


def take(calls: CallStore, *records: Record, writer: str = "w", seq: int = 1) -> None:
    position = Position(1, 100 * (seq + len(records)), seq + len(records) - 1)
    calls.take(writer, lines(*records, writer=writer, seq=seq), position)


def test_a_call_is_found_as_it_was_journaled(calls: CallStore) -> None:
    take(calls, started("call_1"), ended("call_1"))
    found = calls.find("call_1", "default")
    assert found is not None
    assert found.outcome == "ok"
    assert found.record == ended("call_1")


def test_a_name_that_no_column_takes_keeps_no_line_from_the_ledger(calls: CallStore) -> None:
    odd = structs.replace(ended("call_1", outcome="refused"), requested="x\0y")
    take(calls, structs.replace(started("call_2"), requested="\0"), odd, ended("call_3"))
    assert len(calls.page(CallFilter(None))) == 3
    found = calls.find("call_1", None)
    assert found is not None
    assert found.record.requested == "x\0y"
    assert calls.find("\0", None) is None


def test_there_is_one_entry_for_a_call_that_started_and_ended(calls: CallStore) -> None:
    take(calls, started("call_1"), ended("call_1"))
    take(calls, started("call_2"), seq=3)
    take(calls, ended("call_2"), seq=4)
    assert [entry.record.call for entry in calls.page(CallFilter(None))] == ["call_2", "call_1"]


def test_a_call_runs_until_its_end_is_taken_in(calls: CallStore) -> None:
    take(calls, started("call_1"))
    running = calls.find("call_1", None)
    assert running is not None
    assert (running.outcome, running.record) == (RUNNING, started("call_1"))
    take(calls, ended("call_1"), seq=2)
    done = calls.find("call_1", None)
    assert done is not None
    assert (done.n, done.outcome) == (running.n, "ok")


def test_lines_that_are_taken_twice_count_once(calls: CallStore) -> None:
    for _ in range(3):
        take(calls, started("call_1"), ended("call_1"), ended("call_2"))
    assert len(calls.page(CallFilter(None))) == 2
    assert sum(each.cost_nano for each in calls.sums(0, None)) == 150_000


def test_a_second_end_changes_nothing(calls: CallStore) -> None:
    take(calls, ended("call_1"))
    take(calls, ended("call_1", outcome="error", cost_nano=1), seq=2)
    found = calls.find("call_1", None)
    assert found is not None
    assert found.record == ended("call_1")
    assert [each.cost_nano for each in calls.sums(0, None)] == [75_000]


def test_a_start_after_the_end_changes_nothing(calls: CallStore) -> None:
    take(calls, ended("call_1"))
    take(calls, started("call_1"), seq=2)
    found = calls.find("call_1", None)
    assert found is not None
    assert found.outcome == "ok"


def test_positions_are_kept_with_the_lines(calls: CallStore) -> None:
    assert calls.positions() == {}
    take(calls, started("call_1"))
    take(calls, started("call_2"), writer="v")
    take(calls, ended("call_1"), seq=2)
    assert calls.positions() == {"w": Position(1, 300, 2), "v": Position(1, 200, 1)}


def test_calls_of_a_dead_writer_are_lost_and_its_position_closed(calls: CallStore) -> None:
    take(calls, started("call_1"), started("call_2"), ended("call_2"))
    take(calls, started("call_3"), writer="v")
    closed = Position(1, 400, 3, closed=True)
    assert [each.record.call for each in calls.running("w")] == ["call_1"]
    assert calls.close_writer("w", closed) == 1
    assert calls.running("w") == []
    assert calls.positions()["w"] == closed
    outcomes = {entry.record.call: entry.outcome for entry in calls.page(CallFilter(None))}
    assert outcomes == {"call_1": LOST, "call_2": "ok", "call_3": RUNNING}
    assert calls.close_writer("w", closed) == 0


def test_calls_that_another_replica_left_are_lost_until_its_journal_says_otherwise(
    calls: CallStore,
) -> None:
    take(calls, started("call_1"), started("call_2"))
    before = calls.positions()
    assert calls.close_writer("w", None) == 2
    assert calls.positions() == before
    take(calls, ended("call_1"), seq=3)
    outcomes = {entry.record.call: entry.outcome for entry in calls.page(CallFilter(None))}
    assert outcomes == {"call_1": "ok", "call_2": LOST}
    assert sorted(each.outcome for each in calls.sums(0, None)) == [LOST, "ok"]


def test_what_a_lost_call_cost_is_unknown(calls: CallStore) -> None:
    take(calls, started("call_1"))
    calls.close_writer("w", Position(closed=True))
    assert calls.sums(0, None) == [Sum("acme/large", LOST, 1, 0, 0, 0, 1, 0.0)]


def test_another_tenants_call_is_not_found(calls: CallStore) -> None:
    take(calls, ended("call_1", tenant="other"))
    assert calls.find("call_1", "default") is None
    assert calls.find("call_1", "other") is not None
    assert calls.find("call_1", None) is not None
    assert calls.find("nothing", None) is None


def test_pages_go_on_where_the_last_one_ended(calls: CallStore) -> None:
    take(calls, *(ended(f"call_{n}") for n in range(5)))
    first = calls.page(CallFilter(None, limit=2))
    rest = calls.page(CallFilter(None, limit=9, before=first[-1].n))
    names = [entry.record.call for entry in first + rest]
    assert names == ["call_4", "call_3", "call_2", "call_1", "call_0"]


def test_a_call_that_still_runs_is_newer_than_one_that_ended_beside_it(calls: CallStore) -> None:
    take(calls, started("call_1"), ended("call_1"), started("call_2"))
    take(calls, started("call_2"), ended("call_2"))
    names = [entry.record.call for entry in calls.page(CallFilter(None))]
    assert names == ["call_2", "call_1"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CallFilter("other"), ["call_2"]),
        (CallFilter(None, outcome="error"), ["call_1"]),
        (CallFilter(None, key=("key_2", "key_9")), ["call_3"]),
        (CallFilter(None, deployment="beta/small"), ["call_4"]),
        (CallFilter("other", outcome="error"), []),
        (CallFilter(None, requested="fast"), ["call_5"]),
        (CallFilter(None, client_id="job:7"), ["call_5", "call_1"]),
        (CallFilter(None, client_id="job:7", outcome="error"), ["call_1"]),
        (CallFilter(None, client_id="job:7", since_ms=1, until_ms=991), ["call_5"]),
        (CallFilter("other", client_id="job:7"), []),
        (CallFilter(None, client_id="job"), []),
        (CallFilter(None, since_ms=1010), ["call_6"]),
        (CallFilter(None, until_ms=1000), ["call_5"]),
        (CallFilter(None, until_ms=0), []),
        (CallFilter(None, since_ms=991, until_ms=1010, key=("key_2",)), ["call_3"]),
    ],
)
def test_calls_are_filtered(calls: CallStore, wanted: CallFilter, found: list[str]) -> None:
    take(
        calls,
        structs.replace(ended("call_1", outcome="error"), client_id="job:7"),
        ended("call_2", tenant="other"),
        ended("call_3", key="key_2"),
        ended("call_4", deployment="beta/small"),
        structs.replace(ended("call_5", requested="fast", started_ms=990), client_id="job:7"),
        started("call_6", at_ms=1010),
    )
    assert [entry.record.call for entry in calls.page(wanted)] == found


def test_sums_are_exact_beyond_what_a_float_can_count(calls: CallStore) -> None:
    take(calls, ended("call_1", cost_nano=BILLIONS), ended("call_2", cost_nano=1))
    assert [each.cost_nano for each in calls.sums(0, None)] == [BILLIONS + 1]


def test_sums_are_by_deployment_and_outcome_and_say_what_has_no_price(calls: CallStore) -> None:
    take(
        calls,
        ended("call_1"),
        ended("call_2", cost_nano=None),
        ended("call_3", outcome="error", cost_nano=0),
        ended("call_4", deployment="beta/small"),
        ended("call_5", tenant="other"),
    )
    assert calls.sums(0, "default") == [
        Sum("acme/large", "error", 1, 10, 5, 0, 0, 12.5),
        Sum("acme/large", "ok", 2, 20, 10, 75_000, 1, 25.0),
        Sum("beta/small", "ok", 1, 10, 5, 75_000, 0, 12.5),
    ]


def test_sums_begin_where_they_are_asked_to(calls: CallStore) -> None:
    take(calls, ended("call_1", started_ms=1000), ended("call_2", started_ms=2000))
    assert [each.calls for each in calls.sums(2000, None)] == [1]
    assert calls.sums(2001, None) == []


def test_lines_are_not_taken_by_a_store_that_lacks_those_before(calls: CallStore) -> None:
    taken = Position(1, 200, 1)
    calls.take("w", lines(ended("call_1")), taken, Position())
    for lacking in (Position(1, 300, 2), Position()):
        with pytest.raises(Unavailable, match="older copy"):
            calls.take("w", lines(ended("call_2"), seq=2), Position(1, 400, 3), lacking)
    assert calls.find("call_2", None) is None
    assert calls.positions()["w"] == taken
    calls.take("w", lines(ended("call_2"), seq=2), Position(1, 400, 2), taken)
    assert calls.find("call_2", None) is not None
