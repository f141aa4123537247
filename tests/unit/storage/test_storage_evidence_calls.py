"""What logs and the ledger hold of calls, held against each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from federation.storage.evidence_calls import Apart, LedgerCall, SpooledCalls


@pytest.fixture
def calls() -> Iterator[SpooledCalls]:
    with SpooledCalls() as made:
        yield made


def line(writer: str, call: str) -> bytes:
    return b'{"writer":"%b","seq":1,"record":{"call":"%b"}}' % (writer.encode(), call.encode())


def take(calls: SpooledCalls, log: str, kind: str, call: str, writer: str = "w") -> None:
    calls.take(log, 7, kind, call, line(writer, call))
    calls.hold()


def row(call: str, outcome: str, at_ms: int = 5, writer: str = "w") -> LedgerCall:
    return LedgerCall(call, writer, outcome, at_ms, line(writer, call))


def test_a_lost_call_is_lost_in_both_or_has_only_begun_in_a_log(calls: SpooledCalls) -> None:
    take(calls, "a", "started", "both")
    take(calls, "a", "lost", "both", "control")
    take(calls, "a", "lost", "both", "control")
    take(calls, "a", "started", "begun")
    take(calls, "a", "lost", "nowhere", "control")
    take(calls, "a", "lost", "came back", "control")
    take(calls, "a", "ended", "came back")
    ledger = [row("both", "lost"), row("begun", "lost"), row("came back", "ok"), row("x", "lost")]
    assert list(calls.against(ledger, {"a": 9}, 9)) == [
        Apart("x", "unlogged", "lost", "a"),
        Apart("nowhere", "unlisted", "", "a"),
    ]
    assert (calls.compared, calls.running, calls.later) == (4, 0, 0)


def test_a_row_that_says_what_its_line_does_not_is_altered_however_it_says_to_have_ended(
    calls: SpooledCalls,
) -> None:
    for call in ("1", "2", "3", "4"):
        take(calls, "a", "ended", call)
    ledger = [
        row("1", "ok")._replace(changed=True),
        row("2", "running")._replace(changed=True),
        row("3", "ok"),
        row("4", "running")._replace(line=line("w", "its beginning")),
    ]
    assert list(calls.against(ledger, {"a": 9}, 9)) == [
        Apart("1", "altered", "ok", "a"),
        Apart("2", "altered", "running", "a"),
        Apart("4", "altered", "running", "a"),
    ]
    assert (calls.compared, calls.running) == (4, 0)


def test_how_far_a_log_goes_is_asked_of_the_one_that_the_writer_is_in(calls: SpooledCalls) -> None:
    take(calls, "a", "started", "1", "wa")
    take(calls, "b", "started", "2", "wb")
    ends_ms = {"a": 10, "b": 20}
    ledger = [
        row("1", "running"),
        row("in a", "ok", 11, "wa"),
        row("in b", "ok", 11, "wb"),
        row("in none", "ok", 11, "wc"),
    ]
    found = [each.call for each in calls.against(ledger, ends_ms, 10)]
    assert found == ["in b"]
    assert (calls.compared, calls.running, calls.later) == (3, 1, 2)


def test_what_does_not_hold_is_forgotten(calls: SpooledCalls) -> None:
    calls.take("a", 1, "ended", "1", line("w", "1"))
    calls.hold()
    calls.take("a", 2, "ended", "1", line("w", "1"))
    calls.drop()
    assert list(calls.again()) == []
    for log, n in (("b", 5), ("a", 6)):
        calls.take(log, n, "ended", "1", line("w", "1"))
    calls.hold()
    assert list(calls.again()) == [("b", 5, "1"), ("a", 6, "1")]
