"""Files of policies that differ between replicas of one store: each change can be decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import pytest
from governed_world import policy
from sql_stores import KINDS, sql_engine
from sqlalchemy import Engine

from federation.config.settings import Loaded
from federation.control.file_policies import FilePolicies
from federation.domain.approvals import PolicyVersion, Stage
from federation.domain.policies import Policy, Residency
from federation.domain.routes import Settings
from federation.storage.approvals import SqlPolicyVersions

EU, UK, US = (
    policy(Residency(places=places), name="place") for places in (("eu",), ("uk",), ("us",))
)


@dataclass
class Store:
    """The store of versions, and each step that was put on record."""

    versions: SqlPolicyVersions
    noted: list[PolicyVersion] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=count)

    def replica(self) -> FilePolicies:
        return FilePolicies(
            self.versions, lambda: f"prop_{next(self.ids)}", lambda: 5, self.noted.append
        )

    def waiting(self) -> dict[str, str]:
        """Digests that wait, by proposal."""
        found = self.versions.list(None, Stage.PROPOSED)
        return {each.proposal.id: each.digest for each in found}

    def decide(self, digest: str, stage: Stage) -> None:
        (found,) = [x for x in self.versions.list(None, Stage.PROPOSED) if x.digest == digest]
        after = replace(found, proposal=replace(found.proposal, stage=stage))
        assert self.versions.decide(after, lambda: None)


def saying(*policies: Policy) -> Loaded:
    return Loaded(Settings(), {}, frozenset(), {}, policies=policies, approve_files=True)


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with sql_engine(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def store(engine: Engine) -> Store:
    """One in which EU is approved."""
    made = Store(SqlPolicyVersions(engine))
    made.replica().settle(saying(EU))
    made.noted.clear()
    return made


def test_replicas_whose_files_differ_propose_side_by_side_and_come_to_rest(store: Store) -> None:
    one, other = store.replica(), store.replica()
    for _ in range(3):
        one.settle(saying(UK))
        other.settle(saying(US))
    waiting, steps = store.waiting(), len(store.noted)
    assert sorted(waiting.values()) == sorted((UK.digest, US.digest))
    for _ in range(20):
        one.settle(saying(UK))
        other.settle(saying(US))
    assert (store.waiting(), len(store.noted)) == (waiting, steps)


def test_each_of_the_two_can_be_decided(store: Store) -> None:
    one, other = store.replica(), store.replica()
    for _ in range(3):
        one.settle(saying(UK))
        other.settle(saying(US))
    store.decide(US.digest, Stage.REJECTED)
    store.decide(UK.digest, Stage.APPROVED)
    for _ in range(5):
        one.settle(saying(UK))
        other.settle(saying(US))
    assert store.waiting() == {}


def test_a_replica_whose_file_is_as_approved_leaves_the_others_change_alone(store: Store) -> None:
    one, behind = store.replica(), store.replica()
    behind.settle(saying(EU))
    one.settle(saying(UK))
    waiting = store.waiting()
    for _ in range(5):
        behind.settle(saying(EU))
        one.settle(saying(UK))
    assert store.waiting() == waiting


def test_a_change_that_reaches_replicas_one_after_the_other_withdraws_what_was_before(
    store: Store,
) -> None:
    one, other = store.replica(), store.replica()
    for _ in range(3):
        one.settle(saying(UK))
        other.settle(saying(UK))
    for _ in range(3):
        one.settle(saying(US))
        other.settle(saying(UK))
    assert sorted(store.waiting().values()) == sorted((UK.digest, US.digest))
    for _ in range(3):
        one.settle(saying(US))
        other.settle(saying(US))
    assert list(store.waiting().values()) == [US.digest]
    steps = len(store.noted)
    one.settle(saying(US))
    assert len(store.noted) == steps


def test_a_process_that_starts_withdraws_what_the_one_before_it_proposed(store: Store) -> None:
    store.replica().settle(saying(UK))
    store.replica().settle(saying(EU))
    assert store.waiting() == {}
    again = store.replica()
    again.settle(saying(UK))
    again.settle(saying(UK, replace(US, name="more")))
    assert sorted(store.waiting().values()) == sorted((UK.digest, US.digest))
    again.settle(saying(UK))
    assert list(store.waiting().values()) == [UK.digest]


def test_what_was_rejected_stays_so_over_a_start_until_the_file_says_it_anew(store: Store) -> None:
    store.replica().settle(saying(UK))
    store.decide(UK.digest, Stage.REJECTED)
    again = store.replica()
    again.settle(saying(UK))
    again.settle(saying(UK))
    assert store.waiting() == {}
    again.settle(saying(US))
    again.settle(saying(UK))
    assert list(store.waiting().values()) == [UK.digest]


def test_of_the_same_proposed_twice_at_once_the_newest_stands(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = store.replica(), store.replica()
    one.settle(saying(UK))
    with monkeypatch.context() as late:
        late.setattr(SqlPolicyVersions, "list", lambda self, name, stage: list_without(self, stage))
        other.settle(saying(UK))
    assert list(store.waiting().values()) == [UK.digest, UK.digest]
    newest = list(store.waiting())[-1]
    for _ in range(3):
        one.settle(saying(UK))
        other.settle(saying(UK))
    assert list(store.waiting()) == [newest]
    store.decide(UK.digest, Stage.APPROVED)
    one.settle(saying(UK))
    assert store.waiting() == {}


_list = SqlPolicyVersions.list


def list_without(versions: SqlPolicyVersions, stage: Stage | None) -> list[PolicyVersion]:
    """As it was before the other replica proposed."""
    return [each for each in _list(versions, None, stage) if each.proposal.stage is Stage.APPROVED]


def test_a_look_reads_only_what_waits_and_what_is_in_force(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = store.replica()
    one.settle(saying(UK))
    read: list[Stage | None] = []

    def listed(self: SqlPolicyVersions, name: str | None, stage: Stage | None) -> object:
        read.append(stage)
        return _list(self, name, stage)

    monkeypatch.setattr(SqlPolicyVersions, "list", listed)
    one.settle(saying(UK))
    assert set(read) == {Stage.APPROVED, Stage.PROPOSED}
