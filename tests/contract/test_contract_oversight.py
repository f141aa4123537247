"""Violations, versions of policies and approvals: one suite for every store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledger_lines import lines
from sql_stores import KINDS, sql_engine
from sqlalchemy import Engine

from federation.domain.approvals import Approval, Change, PolicyVersion, Proposal, Stage
from federation.domain.policies import Policy, Residency
from federation.domain.violations import Kind, Remedy, Severity, Sighting, State, Violation
from federation.errors import Unavailable
from federation.schema.records import CallEnded
from federation.storage.approvals import SqlApprovals, SqlPolicyVersions
from federation.storage.calls import SqlCalls
from federation.storage.compliance import SqlRecords
from federation.storage.entries import Position
from federation.storage.violations import SqlViolations, ViolationFilter

POLICY = Policy("eu", (Residency(places=("eu",), control="GDPR"),), digest="d")


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with sql_engine(request.param, tmp_path) as made:
        yield made


def sighting(call: str, at_ms: int = 10, **more: str) -> Sighting:
    given = {"policy": "eu", "rule": "data_residency", "tenant": "a", "key": "k"} | more
    return Sighting(Kind.REFUSED, at_ms, call=call, **given)


def first(seen: Sighting) -> Violation:
    return Violation(
        id=f"vio_{seen.call}",
        kind=seen.kind,
        severity=Severity.HIGH,
        state=State.OPEN,
        count=1,
        first_ms=seen.at_ms,
        last_ms=seen.at_ms,
        due_ms=seen.at_ms + 100,
        call=seen.call,
        last_call=seen.call,
        policy=seen.policy,
        rule=seen.rule,
        tenant=seen.tenant,
        key=seen.key,
    )


def again(before: Violation, seen: Sighting) -> Violation:
    count = before.count + 1
    return replace(
        before, count=count, last_ms=seen.at_ms, last_call=seen.call, escalated=count >= 3
    )


def see(store: SqlViolations, *seen: Sighting) -> list[tuple[str, str]]:
    heard: list[tuple[str, str]] = []
    store.see(seen, first, again, lambda after, _, what: heard.append((after.id, what)))
    return heard


def test_what_is_of_a_kind_is_one_and_nothing_counts_twice(engine: Engine) -> None:
    store = SqlViolations(engine)
    heard = see(store, sighting("c1"), sighting("c2", 20), sighting("c1", 30))
    assert heard == [("vio_c1", "opened"), ("vio_c1", "seen")]
    assert see(store, sighting("c3", 40)) == [("vio_c1", "escalated")]
    assert see(store, sighting("c4", key="other")) == [("vio_c4", "opened")]
    found = store.find("vio_c1", None)
    assert found is not None
    assert (found.count, found.last_call, found.kind, found.state) == (
        3,
        "c3",
        Kind.REFUSED,
        State.OPEN,
    )
    assert store.calls("vio_c1", 2) == ["c3", "c2"]
    assert store.find("vio_c1", "another") is None
    assert store.find("none", None) is None


def test_what_nobody_could_be_told_of_is_not_kept(engine: Engine) -> None:
    store = SqlViolations(engine)

    def full(*_: object) -> None:
        raise OSError

    with pytest.raises(OSError):
        store.see([sighting("c1")], first, again, full)
    assert store.page(ViolationFilter(None)) == []
    see(store, sighting("c1"))
    with pytest.raises(OSError):
        store.change("vio_c1", None, lambda before: replace(before, note="x"), full)
    found = store.find("vio_c1", None)
    assert found is not None
    assert found.note == ""


def test_after_one_is_resolved_the_next_is_another(engine: Engine) -> None:
    store = SqlViolations(engine)
    see(store, sighting("c1"))
    resolved = store.change(
        "vio_c1", "a", lambda before: replace(before, state=State.RESOLVED), lambda _: None
    )
    assert resolved is not None
    assert see(store, sighting("c2", 50)) == [("vio_c2", "opened")]
    assert store.change("vio_c1", "b", lambda before: before, lambda _: None) is None
    sums = store.sums(0, 100, "a", 120)
    assert (sums.calls, sums.raised, sums.resolved, sums.overdue) == (2, 2, 1, 0)
    assert store.sums(0, 100, None, 1000).overdue == 1
    assert store.sums(20, 100, "b", 0).calls == 0
    assert SqlRecords(engine).open_violations("a") == {"data_residency": 1}
    assert SqlRecords(engine).open_violations(None) == {"data_residency": 1}


def test_lists_are_filtered_and_go_on_where_a_page_ended(engine: Engine) -> None:
    store = SqlViolations(engine)
    see(store, *(sighting(f"c{n}", 10 + n // 2, key=f"k{n}") for n in range(5)))
    see(store, sighting("x", tenant="b", policy="us"))
    whole = [each.id for each in store.page(ViolationFilter("a"))]
    assert whole == ["vio_c4", "vio_c3", "vio_c2", "vio_c1", "vio_c0"]
    page = store.page(ViolationFilter("a", 2))
    rest = store.page(ViolationFilter("a", 9, before=(page[-1].last_ms, page[-1].id)))
    assert [each.id for each in (*page, *rest)] == whole
    assert [each.id for each in store.page(ViolationFilter(None, policy="us"))] == ["vio_x"]
    assert store.page(ViolationFilter(None, kind=Kind.LOST)) == []
    assert store.page(ViolationFilter(None, state=State.RESOLVED)) == []


def test_a_remedy_goes_from_state_to_state_once(engine: Engine) -> None:
    store = SqlViolations(engine)
    see(store, sighting("c1"))
    remedy = Remedy("rem_1", "vio_c1", "disable_key", "k", "proposed", "federation", 5)
    assert store.add_remedy(remedy)
    assert not store.add_remedy(remedy)
    done = replace(remedy, state="done", decided_by="b", decided_ms=6, before="{}")
    assert store.change_remedy(done, remedy)
    assert not store.change_remedy(done, remedy)
    assert not store.change_remedy(remedy, replace(done, decided_ms=7)), "not by who has it"
    assert store.remedies("vio_c1") == [done]
    assert store.find_remedy("rem_1") == done
    assert store.find_remedy("none") is None
    assert (store.remedied("federation", 5), store.remedied("federation", 6)) == (1, 0)
    other = replace(remedy, id="rem_2", proposed_ms=7)
    assert not store.add_remedy(other, 1, 5)
    assert store.add_remedy(other, 1, 6)
    store.drop_remedy(replace(other, state="deciding"))
    assert store.find_remedy("rem_2") == other
    store.drop_remedy(other)
    assert store.find_remedy("rem_2") is None


def proposal(name: str = "eu", by: str = "k1") -> Proposal:
    return Proposal(f"prop_{name}_{by}", name, Stage.PROPOSED, by, f"key {by}", 5, "why")


def decided(before: Proposal, stage: Stage) -> Proposal:
    return replace(before, stage=stage, decided_by="k2", decided_ms=6, decision="yes")


def test_versions_count_up_and_the_approved_one_takes_the_place(engine: Engine) -> None:
    store = SqlPolicyVersions(engine)
    proposed: list[PolicyVersion] = []

    def make(by: str) -> PolicyVersion:
        made = store.propose(
            "eu",
            lambda n: PolicyVersion(proposal(by=by), n, Change.SET, POLICY, "text"),
            proposed.append,
        )
        assert made is not None
        return made

    one, two = make("k1"), make("k2")
    assert (one.version, two.version) == (1, 2)
    assert proposed == [one, two]
    assert store.find(one.proposal.id) == one
    heard: list[str] = []
    for each in (one, two):
        after = replace(each, proposal=decided(each.proposal, Stage.APPROVED))
        assert store.decide(after, lambda: heard.append("told"))
        assert not store.decide(after, lambda: heard.append("twice"))
    assert heard == ["told", "told"]
    assert [each.proposal.stage for each in store.list("eu", None)] == [
        Stage.SUPERSEDED,
        Stage.APPROVED,
    ]
    (found,) = store.list(None, Stage.APPROVED)
    assert (found.policy, found.digest, found.version) == (POLICY, "d", 2)
    assert store.list("other", None) == []
    retire = store.propose("us", lambda n: PolicyVersion(proposal("us"), n, Change.RETIRE), unheard)
    assert retire is not None
    assert (retire.version, retire.digest) == (1, "")
    again_ = store.propose("us", lambda _: replace(retire, version=1), proposed.append)
    assert again_ is None, "the number is taken"
    assert proposed == [one, two]


def unheard(_: object = None) -> None:
    pass


def test_a_proposal_that_is_not_put_on_record_is_none(engine: Engine) -> None:
    def refuse(_: object = None) -> None:
        raise Unavailable("The disk is full.")

    versions, approvals = SqlPolicyVersions(engine), SqlApprovals(engine)
    with pytest.raises(Unavailable):
        versions.propose("eu", lambda n: PolicyVersion(proposal(), n, Change.RETIRE), refuse)
    with pytest.raises(Unavailable):
        approvals.add(Approval(proposal("overseas"), 100, "a", "k"), refuse)
    assert versions.list(None, None) == []
    assert approvals.list(None) == []


def test_an_approval_holds_until_its_time(engine: Engine) -> None:
    store = SqlApprovals(engine)
    made = Approval(proposal("overseas"), 100, "a", "k")
    store.add(made, unheard)
    assert store.find(made.proposal.id) == made
    assert store.find("none") is None
    after = replace(made, proposal=decided(made.proposal, Stage.APPROVED))
    assert store.decide(after, Stage.PROPOSED, lambda: None)
    assert not store.decide(after, Stage.PROPOSED, lambda: None)
    assert store.list(Stage.APPROVED, 99) == [after]
    assert store.list(Stage.APPROVED, 100) == []
    assert store.list(None) == [after]


def test_a_report_counts_the_calls_of_its_period_in_order(engine: Engine) -> None:
    ended = [
        CallEnded(f"call_{n}", n, "a" if n % 2 else "b", "k", "chat", "m", "ok", 200)
        for n in range(1_500)
    ]
    SqlCalls(engine).take("w", lines(*ended, writer="w"), Position(1, 1, 1_500))
    records = SqlRecords(engine)
    counted = [found.call for outcome, found in records.calls(10, 1_400, None) if outcome == "ok"]
    assert counted == [f"call_{n}" for n in range(10, 1_400)]
    assert len(list(records.calls(0, 1_500, "a"))) == 750
    assert next(iter(records.calls(0, 1_500, "b")))[1].call == "call_0"
    assert records.knows("a")
    assert not records.knows("c")
    assert (records.kept(0, 10, "a"), records.contents(0, 10, None)) == (0, 0)
