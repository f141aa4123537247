"""Every store of sessions, signing keys and notices holds the same promises."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from postgres_server import postgres
from sqlalchemy import Engine

from federation.control.alerts_ports import NoticeStore
from federation.control.sign_in_ports import SessionStore, TokenKeyStore
from federation.storage.alerts import SqlNotices
from federation.storage.alerts_entries import Notice
from federation.storage.alerts_memory import MemoryNotices
from federation.storage.engine import open_engine, open_postgres, prepare_schema
from federation.storage.sessions import SqlSessions, SqlTokenKeys
from federation.storage.sessions_entries import KeptKey, Session
from federation.storage.sessions_memory import MemorySessions, MemoryTokenKeys

ONE = Session("ses_1", "default", "key:key_1", b"salt", 1_000, 1_000, 9_000, ("infer", "x"))


@dataclass
class Stores:
    kind: str
    sessions: SessionStore
    keys: TokenKeyStore
    notices: NoticeStore


@contextmanager
def engine_of(kind: str, place: Path) -> Iterator[Engine]:
    path = place / "store.db"
    engine = open_engine(path) if kind == "sqlite" else open_postgres(postgres().database())
    prepare_schema(engine, path if kind == "sqlite" else None)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "memory":
        yield Stores("memory", MemorySessions(), MemoryTokenKeys(), MemoryNotices())
        return
    with engine_of(request.param, tmp_path) as engine:
        yield Stores(request.param, SqlSessions(engine), SqlTokenKeys(engine), SqlNotices(engine))


def test_a_session_is_kept_as_it_is_and_under_one_id(stores: Stores) -> None:
    assert stores.sessions.find("ses_1") is None
    assert stores.sessions.add(ONE)
    assert not stores.sessions.add(replace(ONE, tenant="other"))
    assert stores.sessions.find("ses_1") == ONE


def test_a_session_is_turned_from_where_it_stands(stores: Stores) -> None:
    sessions = stores.sessions
    sessions.add(ONE)
    assert not sessions.turn("ses_1", 1, 2_000, 10_000)
    assert sessions.turn("ses_1", 0, 2_000, 10_000)
    assert not sessions.turn("ses_1", 0, 2_000, 10_000)
    assert sessions.find("ses_1") == replace(ONE, n=1, turned_ms=2_000, expires_ms=10_000)
    assert not sessions.turn("ses_2", 0, 2_000, 10_000)
    sessions.end("ses_1", 3_000, "revoked")
    assert not sessions.turn("ses_1", 1, 4_000, 11_000)


def test_of_many_turns_at_once_one_counts(stores: Stores) -> None:
    stores.sessions.add(ONE)
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(stores.sessions.turn, "ses_1", 0, 2_000 + n, 9_000) for n in range(8)]
        assert sum(each.result() for each in tries) == 1
    found = stores.sessions.find("ses_1")
    assert found is not None
    assert found.n == 1


def test_a_session_ends_once_and_with_its_reason(stores: Stores) -> None:
    sessions = stores.sessions
    sessions.add(ONE)
    assert sessions.end("ses_1", 3_000, "revoked")
    assert not sessions.end("ses_1", 4_000, "again")
    assert not sessions.end("ses_2", 4_000, "nobody's")
    assert sessions.find("ses_1") == replace(ONE, ended_ms=3_000, reason="revoked")


def test_all_sessions_of_one_subject_end_and_nobody_else_s(stores: Stores) -> None:
    sessions = stores.sessions
    for n, subject in enumerate(["key:a", "key:a", "key:b"]):
        sessions.add(replace(ONE, id=f"ses_{n}", subject=subject))
    sessions.end("ses_0", 2_000, "first")
    assert sessions.end_all("key:a", 3_000, "all") == 1
    assert sessions.end_all("key:a", 4_000, "all") == 0
    assert sessions.ended(0, 10) == [("ses_1", 3_000), ("ses_0", 2_000)]
    assert sessions.ended(3_000, 10) == [("ses_1", 3_000)]
    assert sessions.ended(0, 1) == [("ses_1", 3_000)]
    assert sessions.ended(3_001, 10) == []


def test_what_is_long_over_is_forgotten(stores: Stores) -> None:
    sessions = stores.sessions
    sessions.add(ONE)
    sessions.add(replace(ONE, id="ses_2", expires_ms=20_000))
    assert sessions.sweep(9_000) == 0
    assert sessions.sweep(9_001) == 1
    assert sessions.find("ses_1") is None
    assert sessions.find("ses_2") is not None


def test_a_signing_key_has_a_number_of_its_own(stores: Stores) -> None:
    first = KeptKey(1, "tk_1", b"sealed", 500)
    assert stores.keys.list() == []
    assert stores.keys.add(first)
    assert not stores.keys.add(KeptKey(1, "tk_other", b"x", 600))
    assert stores.keys.add(KeptKey(2, "tk_2", b"y", 700))
    assert stores.keys.list() == [first, KeptKey(2, "tk_2", b"y", 700)]
    stores.keys.remove(1)
    stores.keys.remove(1)
    assert [key.n for key in stores.keys.list()] == [2]


A, B = Notice("a", "webhook/x", "{}", 1_000, 1_000), Notice("b", "email", "{}", 1_001, 1_001)


def test_a_notice_is_kept_once_for_each_channel(stores: Stores) -> None:
    notices = stores.notices
    assert notices.add([A, B]) == 2
    assert notices.add([A, replace(A, channel="email"), replace(B, body="other")]) == 1
    assert notices.states() == {
        ("a", "webhook/x"): "due",
        ("a", "email"): "due",
        ("b", "email"): "due",
    }


def test_a_notice_that_is_taken_is_nobody_else_s_until_its_time(stores: Stores) -> None:
    notices = stores.notices
    assert notices.take(5_000, 6_000, 10) == []
    notices.add([B, A])
    assert notices.take(999, 6_000, 10) == []
    assert notices.take(5_000, 6_000, 1) == [replace(A, due_ms=6_000)]
    assert notices.take(5_000, 6_000, 10) == [replace(B, due_ms=6_000)]
    assert notices.take(5_999, 7_000, 10) == []
    assert [notice.id for notice in notices.take(6_000, 7_000, 10)] == ["a", "b"]


def test_of_many_takers_each_notice_has_one(stores: Stores) -> None:
    stores.notices.add(replace(A, id=f"n{n}") for n in range(30))
    with ThreadPoolExecutor(4) as pool:
        taken = [pool.submit(stores.notices.take, 5_000, 60_000, 9) for _ in range(8)]
        ids = [notice.id for each in taken for notice in each.result()]
    assert len(ids) == len(set(ids))
    if stores.kind != "postgres":  # there who was too late comes back with fewer, and asks again
        assert len(ids) == 30


def test_what_failed_is_due_again_or_never(stores: Stores) -> None:
    notices = stores.notices
    notices.add([A, B])
    first, second = notices.take(5_000, 6_000, 10)
    notices.sent(first)
    notices.failed(second, 8_000, "away")
    assert notices.take(7_999, 9_000, 10) == []
    (again,) = notices.take(8_000, 9_000, 10)
    assert (again.id, again.tries) == ("b", 1)
    notices.failed(again, None, "gone")
    assert notices.take(99_999, 100_000, 10) == []
    assert notices.states() == {("a", "webhook/x"): "sent", ("b", "email"): "dead"}
    assert notices.add([A, B]) == 0


def test_only_what_is_over_and_may_be_said_again_is_forgotten(stores: Stores) -> None:
    notices = stores.notices
    kept = replace(A, id="kept/0")
    odd = replace(A, id="odd%0")
    notices.add([A, B, kept, odd])
    for notice in notices.take(5_000, 6_000, 10):
        if notice.id != "b":
            notices.sent(notice)
    assert notices.sweep(1_000, "/0") == 0
    assert notices.sweep(99_000, "/0") == 2
    assert set(notices.states()) == {("b", "email"), ("kept/0", "webhook/x")}
