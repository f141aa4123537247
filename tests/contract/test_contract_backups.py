"""`federation db`: one suite for a store of one's own and a shared one."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import killed_at
import pytest
from ledger_lines import lines
from postgres_server import postgres
from sqlalchemy import Engine, inspect, text
from typer.testing import CliRunner, Result

from federation.bootstrap.hold import hold
from federation.cli.tree import app
from federation.config.stores import DATABASE_VARIABLE
from federation.control.custody import Custody
from federation.control.custody_moving import bring_under
from federation.control.custody_parts import KeyGone, bound
from federation.domain.access import Role, VirtualKey
from federation.errors import ConfigError, Unavailable
from federation.evidence.sealing import Row
from federation.schema.records import CallEnded
from federation.schema.usage import Usage
from federation.storage.accounts import SqlKeys
from federation.storage.backups import dump_postgres, empty, load_postgres, wipe
from federation.storage.calls import SqlCalls
from federation.storage.engine import (
    FILE,
    Stores,
    open_engine,
    open_postgres,
    open_stores,
    reading,
    writing,
)
from federation.storage.entries import CallFilter, Position
from federation.storage.replicas import Replica, SqlReplicas
from federation.storage.sealing_brought import FILE as BROUGHT
from federation.storage.sealing_brought import Brought
from federation.storage.sealing_entries import TENANT, HoldEntry, KeyEntry
from federation.storage.sealing_keys import STORE, SqlSealingKeys, open_keys, prepare_keys
from federation.storage.sealing_logs import open_sealing_logs
from federation.storage.sealing_lost import lost
from federation.storage.sealing_roots import FileRoot, MasterRoot, MovedRoot
from federation.storage.tables import HEAD
from federation.storage.upgrade import upgrade_to

KEY = VirtualKey("key_1", b"h" * 32, 'odd "name"\t\\N', "default", Role.VIEWER, 1)


def ended_call(call: str, at_ms: int) -> CallEnded:
    return CallEnded(
        call=call,
        at_ms=at_ms,
        tenant="default",
        key="key_1",
        operation="chat",
        requested="m",
        outcome="ok",
        status=200,
        usage=Usage(1, 2),
    )


@dataclass
class Place:
    """A data directory, and the address of the database that it shares, if any."""

    data: Path
    database: str | None

    def run(self, *arguments: str) -> Result:
        named = [*arguments, "--data", str(self.data), "--config", str(self.data.parent)]
        return CliRunner().invoke(app, named, env={DATABASE_VARIABLE: self.database or ""})

    def said(self, *arguments: str) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refused(self, *arguments: str) -> str:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 1, result.output
        code: str = json.loads(result.stdout)["error"]["code"]
        return code

    def stores(self) -> Stores:
        return open_stores(self.data, self.database)


Another = Callable[[str], Place]


@pytest.fixture(params=["sqlite", "postgres"])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Another:
    """Makes places of one kind, each with a store of its own."""

    def make(name: str) -> Place:
        database = postgres().database() if request.param == "postgres" else None
        (tmp_path / name).mkdir()
        return Place(tmp_path / name / "data", database)

    return make


@pytest.fixture
def place(another: Another) -> Place:
    made = another("home")
    stores = made.stores()
    keys = SqlKeys(stores.durable)
    keys.ensure_tenant("default", 0)
    keys.add(KEY)
    ended = ended_call("call_1", 5)
    SqlCalls(stores.quick).take("w", lines(ended, writer="w"), Position(1, 100, 1))
    stores.close()
    for name, content in (
        ("journal/w.000001.log", b"a line\n"),
        ("evidence/keys.jsonl", b"public\n"),
        ("evidence/k1.seed", b"secret seed\n"),
        ("master.key", b"secret master\n"),
        ("run/lock", b"{}"),
    ):
        path = made.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return made


def test_what_was_backed_up_is_there_again_in_another_place(
    place: Place, another: Another, tmp_path: Path
) -> None:
    told = place.said("db", "backup", str(tmp_path / "b"), "--keys", str(tmp_path / "k"))
    assert (told["schema"], told["files"], told["keys"]) == (HEAD, 2, 2)
    new = another("new")
    told = new.said("db", "restore", str(tmp_path / "b"), "--keys", str(tmp_path / "k"))
    assert told["aside"] is None
    stores = new.stores()
    assert SqlKeys(stores.durable).find("key_1", "default") == KEY
    calls = SqlCalls(stores.quick)
    found = calls.find("call_1", "default")
    assert found is not None
    assert isinstance(found.record, CallEnded)
    assert found.record.usage == Usage(1, 2)
    assert calls.positions() == {"w": Position(1, 100, 1)}
    # Numbers go on after those that were restored.
    more = ended_call("call_2", 6)
    calls.take("w", lines(more, writer="w"), Position(1, 200, 2))
    after = calls.find("call_2", None)
    assert after is not None
    assert after.n > found.n
    stores.close()
    assert (new.data / "journal/w.000001.log").read_bytes() == b"a line\n"
    assert (new.data / "master.key").read_bytes() == b"secret master\n"
    assert new.said("db", "check")["problems"] == []


def test_a_backup_holds_no_key(place: Place, tmp_path: Path) -> None:
    place.said("db", "backup", str(tmp_path / "b"))
    kept = [path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file()]
    assert kept
    assert not any(each in (b"secret seed\n", b"secret master\n") for each in kept)


def test_a_store_is_restored_over_another_only_if_that_is_said(
    place: Place, tmp_path: Path
) -> None:
    place.said("db", "backup", str(tmp_path / "b"))
    assert place.refused("db", "restore", str(tmp_path / "b")) == "not_empty"
    stores = place.stores()
    SqlKeys(stores.durable).revoke("key_1", 9)
    stores.close()
    aside = Path(place.said("db", "restore", str(tmp_path / "b"), "--force")["aside"])
    assert (aside / "journal/w.000001.log").read_bytes() == b"a line\n"
    stores = place.stores()
    found = SqlKeys(stores.durable).find("key_1", None)
    assert found is not None
    assert found.revoked_ms is None
    stores.close()
    assert (place.data / "master.key").exists()


def test_a_store_is_wiped_of_tables_that_only_an_older_schema_had(
    another: Another,
) -> None:
    """A restoration makes the backup's schema, which may be an older one, in what was wiped."""
    place = another("home")
    if place.database is None:
        engine = open_engine(place.data / FILE)
    else:
        engine = open_postgres(place.database)
    upgrade_to(engine, "0011")
    wipe(engine)
    assert empty(engine)
    upgrade_to(engine, "0011")
    wipe(engine)
    with reading(engine) as connection:
        assert inspect(connection).get_table_names() == []
    engine.dispose()


def test_what_a_killed_gateway_left_is_put_aside_whole(tmp_path: Path) -> None:
    """The log of its store is part of it, and would be played into the one that is restored."""
    place = Place(tmp_path / "data", None)
    place.stores().close()
    place.said("db", "backup", str(tmp_path / "b"))
    source = sqlite3.connect(place.data / FILE)
    source.execute("INSERT INTO tenants (id, name, created_ms) VALUES ('late', '', 1)")
    source.commit()
    copies = {end: (place.data / (FILE + end)).read_bytes() for end in ("", "-wal")}
    source.close()
    for end, content in copies.items():
        (place.data / (FILE + end)).write_bytes(content)
    told = place.said("db", "restore", str(tmp_path / "b"), "--force")
    assert not (place.data / f"{FILE}-wal").exists()
    aside = sqlite3.connect(Path(told["aside"]) / FILE)
    assert aside.execute("SELECT COUNT(*) FROM tenants WHERE id = 'late'").fetchone() == (1,)
    aside.close()


def test_a_running_gateway_is_not_restored_over(place: Place, tmp_path: Path) -> None:
    place.said("db", "backup", str(tmp_path / "b"))
    with hold(place.data / "run"):
        assert place.refused("db", "restore", str(tmp_path / "b"), "--force") == "in_use"


def test_a_damaged_backup_changes_nothing(place: Place, another: Another, tmp_path: Path) -> None:
    place.said("db", "backup", str(tmp_path / "b"))
    new = another("new")
    journal = tmp_path / "b/files/journal/w.000001.log"
    journal.write_bytes(b"another\n")
    assert new.refused("db", "restore", str(tmp_path / "b")) == "damaged"
    (tmp_path / "b" / "backup.json").write_text("{}")
    assert new.refused("db", "restore", str(tmp_path / "b")) == "no_backup"
    assert new.refused("db", "restore", str(tmp_path)) == "no_backup"
    assert not (new.data / "journal").exists()


def test_a_backup_is_a_new_directory(place: Place, tmp_path: Path) -> None:
    assert place.refused("db", "backup", str(tmp_path)) == "exists"


def test_where_nothing_is_there_is_nothing_to_back_up(another: Another, tmp_path: Path) -> None:
    assert another("new").refused("db", "backup", str(tmp_path / "b")) == "not_found"


def test_a_store_of_an_older_schema_is_found_and_brought_up_to_date(place: Place) -> None:
    assert place.said("db", "check")["pending"] == []
    told = place.said("db", "upgrade")
    assert told["before"] == told["after"] == HEAD


def test_a_backup_of_the_other_kind_is_refused(place: Place, tmp_path: Path) -> None:
    place.said("db", "backup", str(tmp_path / "b"))
    (tmp_path / "other").mkdir()
    database = postgres().database() if place.database is None else None
    other = Place(tmp_path / "other" / "data", database)
    assert other.refused("db", "restore", str(tmp_path / "b")) == "other_store"


def test_replicas_that_live_are_not_restored_over(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", postgres().database())
    stores = place.stores()
    replicas = SqlReplicas(stores.durable)
    replicas.join(Replica("one", "http://one", "1", "database", "k"))
    place.said("db", "backup", str(tmp_path / "b"))
    assert place.refused("db", "restore", str(tmp_path / "b"), "--force") == "in_use"
    replicas.leave("one")
    stores.close()
    assert place.said("db", "restore", str(tmp_path / "b"), "--force")["schema"] == HEAD


def test_replicas_that_live_keep_their_master_key(tmp_path: Path) -> None:
    """They would go on to make keys that nobody else opens."""
    place = Place(tmp_path / "data", postgres().database())
    stores = place.stores()
    replicas = SqlReplicas(stores.durable)
    replicas.join(Replica("one", "http://one", "1", "database", "k"))
    assert place.refused("db", "accept-master") == "in_use"
    assert not (place.data / "master.key").exists()
    replicas.leave("one")
    stores.close()
    assert place.said("db", "accept-master")["object"] == "master_key"


def test_it_is_said_what_another_master_key_does_not_open(another: Another) -> None:
    place = another("new")
    place.stores().close()
    assert "opens nothing" not in place.run("db", "accept-master").output, "there was none"
    (place.data / "master.key").write_text("22" * 32)
    said = place.run("db", "accept-master").output
    assert "opens nothing" in said
    assert ("calls that name a user are refused" in said) == (place.database is not None)


def custody_of(place: Place, stores: Stores, master: bytes) -> Custody:
    keys = SqlSealingKeys(lambda: stores.durable)
    return Custody(
        keys, MasterRoot(master), open_sealing_logs([place.data]).tombstones, lambda: 5.0
    )


def test_sealing_keys_of_a_lost_master_key_are_given_up_by_name_alone(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", postgres().database())
    stores = place.stores()
    prepare_keys(stores.durable)
    former, now = b"\x11" * 32, b"\x22" * 32
    before = custody_of(place, stores, former)
    anna = before.name("acme", "anna")
    row = Row("acme", "payloads", "call_1")
    sealed = before.seal(row, anna, 5000, 9000, b"said")
    ours = custody_of(place, stores, now)
    ours.name("other", "bob")
    (place.data / "master.key").write_text(now.hex())
    (hold := SqlSealingKeys(lambda: stores.durable)).hold(
        HoldEntry("hold_1", "acme", "", "why", "me", 1), 5
    )

    assert place.refused("db", "give-up-keys", "--force") == "held"
    hold.release("hold_1", 6)
    assert place.refused("db", "give-up-keys") == "not_forced"
    assert "names of 1 people" in place.run("db", "give-up-keys").output
    assert before.content(row, sealed) == b"said", "nothing was done"
    with pytest.raises(Unavailable):
        custody_of(place, stores, now).name("acme", "anna")

    told = place.said("db", "give-up-keys", "--force")
    assert (told["given_up"], told["tenants"], told["people"], told["name_keys"]) == (
        3,
        ["acme"],
        1,
        1,
    )
    log = (place.data / "evidence" / "journal").glob("*.log")
    assert "give up sealing keys" in "".join(path.read_text("latin-1") for path in log)
    after = custody_of(place, stores, now)
    assert after.name("acme", "anna") != anna
    assert after.name("other", "bob") == ours.name("other", "bob"), "another tenant's are its own"
    with pytest.raises(KeyGone):
        after.content(row, sealed)
    assert place.said("db", "give-up-keys")["given_up"] == 0
    stores.close()


def test_keys_that_files_of_a_replica_bring_back_are_not_given_up(tmp_path: Path) -> None:
    engine = open_keys(tmp_path / STORE)
    keys, now = SqlSealingKeys(lambda: engine), MasterRoot(b"n" * 32)
    for name in ("k1", "k2"):
        entry = KeyEntry(name, TENANT, name, "", "", "", b"", 1)
        parent, wrapped = MasterRoot(b"o" * 32).wrap(b"key", bound(entry))
        keys.add(replace(entry, parent=parent, wrapped=wrapped))
    files = KeyEntry("k3", TENANT, "k3", "", "", "file:1", b"x", 1)
    keys.add(files)
    assert [entry.id for entry in lost(keys, now, {"k1"})] == ["k2"]
    engine.dispose()


def test_a_change_that_nobody_would_be_told_of_is_a_fault(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", postgres().database())
    stores = place.stores()
    with writing(stores.durable) as connection:
        connection.execute(text("DROP TRIGGER budgets_notice ON budgets"))
    stores.close()
    assert place.refused("db", "check") == "store_unsound"


def test_a_store_of_ones_own_is_moved_into_a_shared_one(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", None)
    stores = place.stores()
    SqlKeys(stores.durable).ensure_tenant("default", 0)
    SqlKeys(stores.durable).add(KEY)
    SqlCalls(stores.quick).take(
        "w", lines(ended_call("call_1", 5), writer="w"), Position(1, 100, 1)
    )
    stores.close()
    assert place.refused("db", "move") == "usage"
    place.database = postgres().database()
    told = place.said("db", "move")
    assert told["rows"] > 4
    assert Path(told["aside"]).is_file()
    assert place.refused("db", "move") == "not_found"
    stores = place.stores()
    assert SqlKeys(stores.durable).find("key_1", "default") == KEY
    calls = SqlCalls(stores.quick)
    assert calls.positions() == {"w": Position(1, 100, 1)}
    calls.take("w", lines(ended_call("call_2", 6), writer="w"), Position(1, 200, 2))
    assert [found.record.call for found in calls.page(CallFilter(None))] == ["call_2", "call_1"]
    stores.close()


def test_a_database_that_refuses_a_copy_is_one_that_cannot_be_used(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", postgres().database())
    place.stores().close()
    assert place.database is not None
    engine = open_postgres(place.database)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for each in (whole, broken):
        each.mkdir()
    dump = dump_postgres(engine, whole, lambda *_: None)
    (whole / "tables" / "tenants.copy").write_bytes(b"no such row\n")
    with pytest.raises(Unavailable, match=r"used just now: missing data for column .*\.$"):
        load_postgres(engine, whole, dump, lambda *_: None)
    with writing(engine) as connection:
        connection.execute(text("DROP TABLE violations CASCADE"))
    with pytest.raises(Unavailable, match=r'used just now: relation "violations" .*\.$'):
        dump_postgres(engine, broken, lambda *_: None)
    engine.dispose()


def test_what_was_sealed_before_a_move_opens_after_it_at_every_replica(tmp_path: Path) -> None:
    place = Place(tmp_path / "data", None)
    place.stores().close()
    engine = open_keys(place.data / "keys" / STORE)
    files, entry = (
        FileRoot(place.data / "keys" / "root"),
        KeyEntry("k1", TENANT, "acme", "", "", "", b"", 1),
    )
    parent, wrapped = files.wrap(b"key", bound(entry))
    SqlSealingKeys(lambda: engine).add(replace(entry, parent=parent, wrapped=wrapped))
    with writing(engine) as connection:
        hold_row = "INSERT INTO legal_holds VALUES ('hold_1', 'acme', '', 'why', 'me', 1, NULL)"
        connection.execute(text(hold_row))
    engine.dispose()

    place.database = postgres().database()
    assert place.said("db", "move")["keys"] == 2
    assert not (place.data / "keys" / STORE).exists()
    assert (place.data / "keys" / "aside" / "1" / STORE).is_file()
    assert holds(place) == ["hold_1"]

    shared = sealing_keys(place)
    keys = SqlSealingKeys(lambda: shared)
    here = MovedRoot(MasterRoot(b"m" * 32), files)
    there = MovedRoot(MasterRoot(b"m" * 32), FileRoot(tmp_path / "elsewhere"))
    before, nothing = Brought(place.data / "keys" / BROUGHT), Brought(tmp_path / "elsewhere.json")
    assert bring_under(keys, there, nothing) == 0, "the file is not there: nothing is lost"
    with pytest.raises(Unavailable):
        there.unwrap(parent, wrapped, bound(entry))
    assert bring_under(keys, here, before) == 1
    assert bring_under(keys, here, before) == 0
    (found,) = SqlSealingKeys(lambda: shared).living(TENANT)
    assert there.unwrap(found.parent, found.wrapped, bound(found)) == b"key"
    shared.dispose()


def test_a_start_with_a_wrong_master_key_takes_no_sealing_key_with_it(tmp_path: Path) -> None:
    engine = open_keys(tmp_path / STORE)
    keys, files = SqlSealingKeys(lambda: engine), FileRoot(tmp_path / "root")
    entry = KeyEntry("k1", TENANT, "acme", "", "", "", b"", 1)
    parent, wrapped = files.wrap(b"key", bound(entry))
    keys.add(replace(entry, parent=parent, wrapped=wrapped))
    before = Brought(tmp_path / BROUGHT)
    wrong, right = (MovedRoot(MasterRoot(each * 32), files) for each in (b"w", b"r"))

    assert bring_under(keys, wrong, before) == 1
    assert (tmp_path / BROUGHT).stat().st_mode & 0o777 == 0o600
    assert bring_under(keys, right, before) == 1, "what the files had wrapped is still there"
    (found,) = keys.living(TENANT)
    assert right.unwrap(found.parent, found.wrapped, bound(found)) == b"key"
    assert bring_under(keys, right, before) == 0

    named = MovedRoot(files, MasterRoot(b"r" * 32))
    assert named.unwrap(found.parent, found.wrapped, bound(found)) == b"key", "files came back"
    assert named.wrap(b"key", bound(found))[0] == parent

    keys.destroy(["k1"], 5, "test")
    assert bring_under(keys, right, before) == 0
    assert before.read() == {}, "nothing is kept of a key that is destroyed"
    engine.dispose()


def test_what_is_kept_of_wraps_says_when_it_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / BROUGHT
    path.write_bytes(b"{")
    with pytest.raises(Unavailable, match=BROUGHT):
        Brought(path).read()
    with pytest.raises(Unavailable):
        Brought(path / "below").write({})


def sealing_keys(place: Place) -> Engine:
    """Where the sealing keys of a place are."""
    if place.database is None:
        return open_keys(place.data / "keys" / STORE)
    engine = open_postgres(place.database)
    prepare_keys(engine)
    return engine


def holds(place: Place) -> list[str]:
    engine = sealing_keys(place)
    with reading(engine) as connection:
        found = [row[0] for row in connection.execute(text("SELECT id FROM legal_holds"))]
    engine.dispose()
    return found


def test_sealing_keys_are_among_the_keys_and_what_was_destroyed_stays_so(
    place: Place, another: Another, tmp_path: Path
) -> None:
    engine = sealing_keys(place)
    with writing(engine) as connection:
        connection.execute(
            text(
                'INSERT INTO legal_holds (id, tenant, subject, reason, "by", created_ms) '
                "VALUES ('hold_1', 't', 's', 'r', 'b', 1)"
            )
        )
    engine.dispose()
    (place.data / "keys").mkdir(exist_ok=True)
    for directory in (place.data, place.data / "keys"):
        (directory / "tombstones.jsonl").write_text("old\n")
    place.said("db", "backup", str(tmp_path / "b"), "--keys", str(tmp_path / "k"))
    assert not (tmp_path / "b" / "files" / "keys").exists()
    new = another("new")
    for directory in (new.data, new.data / "keys"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "tombstones.jsonl").write_text("newer\n")
    new.said("db", "restore", str(tmp_path / "b"), "--keys", str(tmp_path / "k"))
    assert holds(new) == ["hold_1"]
    for directory in (new.data, new.data / "keys"):
        assert (directory / "tombstones.jsonl").read_text() == "newer\n"
    last = another("last")
    last.said("db", "restore", str(tmp_path / "b"), "--keys", str(tmp_path / "k"))
    assert (last.data / "keys" / "tombstones.jsonl").read_text() == "old\n"


def with_a_key(place: Place) -> KeyEntry:
    """A place that has kept contents."""
    made = KeyEntry("seal_1", TENANT, "default", "", "", "file:1", b"w" * 60, 1)
    engine = sealing_keys(place)
    SqlSealingKeys(lambda: engine).add(made)
    engine.dispose()
    return made


def killed(at: int, root: Path, place: Place, *arguments: str) -> int | None:
    """Run a command that is killed at its `at`-th touch of a file; how often it touched one, where
    it ended by itself."""
    named = [*arguments, "--data", str(place.data), "--config", str(place.data.parent), "--json"]
    command = [sys.executable, killed_at.__file__, str(at), str(root), *named]
    environ = os.environ | {DATABASE_VARIABLE: place.database or ""}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1])


def spread(seams: int | None, most: int = 5) -> list[int]:
    """Some of them, the first and the last."""
    assert seams is not None
    return sorted({1 + n * (seams - 1) // (most - 1) for n in range(most)})


def test_a_backup_that_is_killed_is_whole_or_none(
    place: Place, another: Another, tmp_path: Path
) -> None:
    with_a_key(place)

    def backed_up(at: int) -> tuple[Path, int | None]:
        root = tmp_path / f"b{at}"
        names = (str(root / "data"), "--keys", str(root / "keys"))
        return root, killed(at, root, place, "db", "backup", *names)

    whole, seams = backed_up(10_000)
    for at in spread(seams):
        root, touched = backed_up(at)
        assert touched is None
        new = another(f"new{at}")
        names = (str(root / "data"), "--keys", str(root / "keys"))
        assert new.refused("db", "restore", *names) in ("no_backup", "damaged", "not_found")
    new = another("new")
    new.said("db", "restore", str(whole / "data"), "--keys", str(whole / "keys"))
    stores = new.stores()
    assert SqlKeys(stores.durable).find("key_1", "default") == KEY
    stores.close()


def test_a_restore_that_is_killed_lets_nobody_start_on_half_of_it(
    place: Place, another: Another, tmp_path: Path
) -> None:
    kept = with_a_key(place)
    names = (str(tmp_path / "b"), "--keys", str(tmp_path / "k"))
    place.said("db", "backup", *names)

    def restored(at: int) -> tuple[Place, int | None]:
        target = another(f"t{at}")
        stores = target.stores()
        SqlKeys(stores.durable).ensure_tenant("older", 0)
        stores.close()
        return target, killed(at, target.data, target, "db", "restore", *names, "--force")

    def is_there(target: Place) -> bool:
        stores = target.stores()
        found = SqlKeys(stores.durable).find("key_1", "default")
        stores.close()
        engine = sealing_keys(target)
        there = SqlSealingKeys(lambda: engine).living() == [kept]
        engine.dispose()
        assert (found == KEY) == there, "data and keys, or neither"
        return there

    seams = restored(10_000)[1]
    for at in spread(seams):
        target, touched = restored(at)
        try:
            assert is_there(target) or touched is None
        except ConfigError as error:
            assert "not finished" in str(error)  # noqa: PT017 - or it is not raised
        target.said("db", "restore", *names, "--force")
        assert is_there(target)
