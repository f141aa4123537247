"""The keys that seal contents: made, counted, rotated half-way, destroyed for good."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sealing_world import DAY_MS, NOW_S, Clock, World

from federation.control import custody as custody_module
from federation.control.custody import Custody
from federation.control.custody_parts import KeyGone
from federation.errors import EvidenceUnwritable, NotFound, Unavailable
from federation.evidence.sealing import Row, Unsealable, key_named
from federation.storage.sealing_entries import DATA, NAMES, SPOOL, TENANT, ErasureEntry
from federation.storage.sealing_keys import SqlSealingKeys, open_keys
from federation.storage.sealing_logs import open_sealing_logs
from federation.storage.sealing_roots import FileRoot

NOW_MS = int(NOW_S * 1000)
ROW = Row("acme", "payloads", "call_1")


def custody_at(data: Path, clock: Clock) -> tuple[Custody, SqlSealingKeys]:
    keys = SqlSealingKeys(lambda: open_keys(data / "keys.db"))
    logs = open_sealing_logs([data, data / "apart"])
    return Custody(keys, FileRoot(data / "root"), logs.tombstones, clock), keys


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def custody(tmp_path: Path, clock: Clock) -> Custody:
    return custody_at(tmp_path, clock)[0]


def seal(custody: Custody, subject: str = "p_1", at_ms: int = NOW_MS, row: Row = ROW) -> bytes:
    return custody.seal(row, subject, at_ms, at_ms + 30 * DAY_MS, b"secret")


def test_each_person_and_month_has_a_key_and_each_tenant_wraps_its_own(
    custody: Custody, tmp_path: Path
) -> None:
    other = Row("other", "payloads", "call_9")
    named = [
        key_named(sealed)
        for sealed in (
            seal(custody),
            seal(custody),
            seal(custody, "p_2"),
            seal(custody, at_ms=NOW_MS + 40 * DAY_MS),
            seal(custody, row=other),
        )
    ]

    assert named[0] == named[1]
    assert len(set(named)) == 4
    with sqlite3.connect(tmp_path / "keys.db") as store:
        parents = dict(store.execute("SELECT id, parent FROM sealing_keys WHERE kind = 'data'"))
    assert len({parents[each] for each in named}) == 2
    assert (tmp_path / "keys.db").stat().st_mode & 0o077 == 0


def test_what_was_sealed_opens_after_a_restart_and_for_its_row_alone(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    sealed = seal(custody)
    custody.close()
    again, _ = custody_at(tmp_path, clock)

    assert again.content(ROW, sealed) == b"secret"
    assert custody.content(ROW, sealed) == b"secret"
    with pytest.raises(Unsealable):
        again.content(Row("acme", "payloads", "call_2"), sealed)
    with pytest.raises(Unsealable):
        again.content(ROW, sealed.replace(key_named(sealed).encode(), b"seal_0123456789abcdef"))


def test_a_pseudonym_is_a_tenants_own_and_lasts(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    name = custody.name("acme", "anna")

    assert custody.name("other", "anna") != name
    assert custody_at(tmp_path, clock)[0].name("acme", "anna") == name
    custody.rotate("acme", begin=True)
    assert custody_at(tmp_path, clock)[0].name("acme", "anna") == name


def test_a_key_is_replaced_before_it_was_used_too_often(
    custody: Custody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custody_module, "USES_AT_ONCE", 2)
    monkeypatch.setattr(custody_module, "MOST_USES", 5)

    named = [key_named(seal(custody)) for _ in range(10)]

    assert [named.count(each) for each in dict.fromkeys(named)] == [4, 4, 2]


def test_uses_are_counted_before_they_happen_so_that_a_crash_forgets_none(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custody_module, "USES_AT_ONCE", 2)
    monkeypatch.setattr(custody_module, "MOST_USES", 5)

    named = [key_named(seal(custody_at(tmp_path, clock)[0])) for _ in range(3)]

    assert named[0] == named[1] != named[2]


def test_two_that_rotate_at_once_leave_nothing_under_a_key_that_is_gone(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    sealed = [seal(custody, f"p_{n}") for n in range(4)]
    other, keys = custody_at(tmp_path, clock)
    custody.rotate("acme", begin=True, most=1)
    other.rotate("acme", begin=True, most=1)
    custody.rotate("acme", begin=False)
    other.rotate("acme", begin=False)

    anew, _ = custody_at(tmp_path, clock)
    assert [anew.content(ROW, each) for each in sealed] == [b"secret"] * 4
    assert len(keys.living(TENANT, "acme")) == 1


def test_nothing_is_wrapped_by_a_key_that_another_replica_destroyed(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    seal(custody)
    _, keys = custody_at(tmp_path, clock)
    (old,) = keys.living(TENANT, "acme")
    assert keys.destroy([old.id], NOW_MS, "rotated", childless=True) == 0
    keys.destroy([old.id], NOW_MS, "elsewhere")
    (data,) = keys.living(DATA, "acme")
    with pytest.raises(Unavailable):
        keys.rewrap([(data.id, old.id, b"lost")])


def test_rotation_half_way_leaves_all_readable_and_ends_with_the_older_key_blanked(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    sealed = [seal(custody, f"p_{n}") for n in range(5)]
    custody.name("acme", "anna")
    before = custody.standing("acme")
    assert before.left == 0

    first = custody.rotate("acme", begin=True, most=2)

    assert (first.done, first.left) == (2, 4)
    assert first.newest != before.newest
    again, keys = custody_at(tmp_path, clock)
    assert [again.content(ROW, each) for each in sealed] == [b"secret"] * 5
    assert len(keys.living(TENANT, "acme")) == 2
    last = again.rotate("acme", begin=False)
    assert (last.done, last.left, last.newest) == (4, 0, first.newest)
    assert [key.id for key in keys.living(TENANT, "acme")] == [first.newest]
    assert len([each for each in keys.living() if each.parent == first.newest]) == 6
    assert [custody_at(tmp_path, clock)[0].content(ROW, each) for each in sealed] == [b"secret"] * 5
    assert again.standing("acme").by_parent == {first.newest: 6}
    with pytest.raises(NotFound):
        custody.rotate("nobody", begin=True)
    assert custody.standing("nobody").newest == ""


def test_the_root_rotates_above_all_tenants(custody: Custody, tmp_path: Path, clock: Clock) -> None:
    sealed = seal(custody)
    seal(custody, row=Row("other", "payloads", "c"))
    spool = custody.spool_key("here")

    first = custody.rotate_root(begin=True, most=1)
    assert (first.newest, first.done, first.left) == ("file:2", 1, 2)
    assert custody.standing(None).by_parent == {"file:1": 2, "file:2": 1}
    last = custody.rotate_root(begin=False)

    assert (last.done, last.left) == (2, 0)
    (tmp_path / "root" / "1.key").unlink()
    again, _ = custody_at(tmp_path, clock)
    assert again.content(ROW, sealed) == b"secret"
    assert again.key(spool.id).key == spool.key


def test_a_destroyed_key_is_gone_for_everyone_and_from_the_files(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    other, keys = custody_at(tmp_path, clock)
    sealed = seal(custody)
    assert other.content(ROW, sealed) == b"secret"
    (entry,) = custody.keys_of("acme", "p_1")
    files = list(tmp_path.glob("keys.db*"))
    assert any(entry.wrapped in path.read_bytes() for path in files)

    assert custody.destroy([entry], "erased") == 1

    for each in (custody, other):
        with pytest.raises(KeyGone):
            each.content(ROW, sealed)
    assert custody.destroy([entry.id], "erased") == 0
    assert not any(entry.wrapped in path.read_bytes() for path in tmp_path.glob("keys.db*"))
    assert custody.keys_of("acme", None) == []
    found = keys.find(entry.id)
    assert found is not None
    assert (found.wrapped, found.why) == (b"", "erased")
    with pytest.raises(NotFound):
        custody.destroy(["seal_none"], "erased")


def test_the_next_content_of_an_erased_person_has_another_key(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    other, _ = custody_at(tmp_path, clock)
    first = seal(custody)
    assert key_named(seal(other)) == key_named(first)
    custody.destroy(custody.keys_of("acme", "p_1"), "erased")

    assert key_named(seal(custody)) != key_named(first)
    clock.now += custody_module.LOOK_MS / 1000 + 1
    assert key_named(seal(other)) != key_named(first)
    clock.now += custody_module.LOOK_MS / 1000 + 1
    assert other.content(ROW, seal(other)) == b"secret"


def test_a_clock_that_was_set_back_seals_nothing_with_a_key_that_another_replica_destroyed(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    first = key_named(seal(custody))
    named = custody.name("acme", "ada")
    other, keys = custody_at(tmp_path, clock)
    other.destroy([first], "erased")
    wish = ErasureEntry("erasure_1", "acme", named, "key_1", NOW_MS)
    keys.ask_erasure(wish)
    keys.erase(wish, [], NOW_MS)
    clock.now -= 3600
    sealed = seal(custody)
    assert key_named(sealed) != first
    assert custody.content(ROW, sealed) == b"secret"
    assert custody.name("acme", "ada") != named


def test_nothing_is_destroyed_that_cannot_be_written_down_first(
    custody: Custody, tmp_path: Path
) -> None:
    sealed = seal(custody)
    (tmp_path / "apart").write_text("a file where a directory should be")

    with pytest.raises(EvidenceUnwritable):
        custody.destroy(custody.keys_of("acme", "p_1"), "erased")

    assert custody.content(ROW, sealed) == b"secret"


def test_a_key_that_was_moved_to_another_owner_does_not_open(
    custody: Custody, tmp_path: Path, clock: Clock
) -> None:
    sealed = seal(custody)
    custody.close()
    with sqlite3.connect(tmp_path / "keys.db") as store:
        store.execute("UPDATE sealing_keys SET subject = 'p_2' WHERE kind = 'data'")

    with pytest.raises(Unavailable, match="changed"):
        custody_at(tmp_path, clock)[0].content(ROW, sealed)


def test_keys_held_open_are_bounded(custody: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody_module, "KEPT", 3)

    sealed = [seal(custody, f"p_{n}") for n in range(6)]

    assert [custody.content(ROW, each) for each in sealed] == [b"secret"] * 6
    assert len(custody._opened) <= 3
    assert len(custody._in_use) <= 3


def test_a_store_of_keys_that_cannot_be_opened_is_unavailable(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "keys.db").mkdir()

    with pytest.raises(Unavailable):
        seal(custody_at(tmp_path, clock)[0])


def test_no_repr_shows_a_key(custody: Custody) -> None:
    seal(custody)
    spool = custody.spool_key("here")
    (entry,) = custody.keys_of("acme", "p_1")

    for shown in (repr(spool), repr(entry)):
        assert str(spool.key) not in shown
        assert str(entry.wrapped) not in shown
    assert {entry.kind, SPOOL, NAMES} == {DATA, SPOOL, NAMES}


def test_spool_keys_are_a_replicas_own_and_go_when_all_is_taken_in(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    (first,) = world.custody.spool_keys("here")
    others = world.custody.spool_key("there")
    world.say("call_1", "anna")
    taken = {world.writer: first}
    world.spool_keys.taken = lambda: taken

    assert not world.spool_keys.due()
    world.clock.now += 3600
    assert world.spool_keys.due()
    second, key = world.spool_keys.make()
    assert world.spool_keys.retire() == 0  # the worker has not said yet that it uses it
    taken[world.writer] = second
    assert world.spool_keys.retire() == 1

    assert b"question of anna" in world.read("call_1")
    with pytest.raises(KeyGone):
        world.custody.key(first)
    assert world.custody.key(second).key == key
    assert world.custody.spool_keys("there") == [others.id]
    assert world.intake.lost == 0
    world.close()
