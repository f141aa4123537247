"""The notary over real files: crashes, full disks, restarts, lost indexes, older copies."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from evidence_world import World
from sqlalchemy import text

from federation.control.notary import Notary
from federation.errors import ConfigError, EvidenceUnwritable, Unavailable
from federation.evidence.checkpoints import read_checkpoint
from federation.evidence.verify import Verification
from federation.storage import evidence_log
from federation.storage.anchors import FileAnchor, SyslogAnchor, open_anchor
from federation.storage.control_journal import ControlJournal
from federation.storage.engine import open_engine, prepare_schema, writing
from federation.storage.evidence_index import SqlEvidence
from federation.storage.evidence_log import Damaged, EvidenceLog
from federation.storage.tables import APPEND_ONLY
from federation_verify.log import Log


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "data")
    yield made
    made.close()


def kill(notary: Notary) -> None:
    """What kill -9 leaves: files as they are, and locks that the kernel took back."""
    notary._log.close()
    notary._journal.close()


def check(world: World) -> None:
    """Both verifiers find the log good, and every journal line is in it once."""
    export = world.export()
    report = Verification(export.trusted, export.keys).run(export.checkpoints, export.entries)
    assert report.findings == []
    assert not Log().verify(export.trusted, export.keys, export.checkpoints, export.entries)
    found = Counter(
        (entry["writer"], entry["seq"])
        for entry in (json.loads(line)["line"] for line in export.entries)
    )
    written = Counter(
        (line["writer"], line["seq"])
        for path in world.data.rglob("*.log")
        if not path.name.startswith("spine")
        for line in (json.loads(raw[9:]) for raw in path.read_bytes().splitlines())
    )
    assert found == written
    assert list(world.reading().check_index(world.index, 1 << 40)) == []
    assert world.index.count() == len(export.checkpoints)
    for line in export.entries:
        entry = json.loads(line)
        assert world.index.place(entry["line"]["writer"], entry["line"]["seq"]) == entry["n"]


def finish(world: World) -> None:
    """Start once more, seal all, and look."""
    notary = world.notary()
    notary.open()
    notary.close()
    check(world)


def test_a_log_goes_on_where_it_stopped(world: World) -> None:
    world.fill(rounds=2).close()
    check(world)
    world.fill(rounds=2).close()
    check(world)


def test_nothing_new_makes_no_checkpoint(world: World) -> None:
    notary = world.fill(rounds=1)
    sealed = world.index.count()
    for _ in range(4):
        world.clock.now += 10
        notary.round()
    assert world.index.count() == sealed
    world.clock.now += 30
    notary.round()
    assert world.index.count() == sealed + 1, "a heartbeat is something new"
    notary.close()
    heartbeats = [line for line in world.export().entries if b'"type":"heartbeat"' in line]
    assert len(heartbeats) == 1
    assert json.loads(heartbeats[0])["line"]["record"]["writers"]["w0-a"] == 12
    check(world)


def test_a_clock_that_was_set_back_silences_no_log(world: World) -> None:
    notary = world.fill(rounds=1)
    sealed = world.index.count()
    world.clock.now -= 86_400
    world.write("w0-a", 3)
    world.writers.pop("w1-b").close()
    notary.round()
    assert world.index.count() == sealed + 1
    heartbeats = [line for line in world.export().entries if b'"type":"heartbeat"' in line]
    assert len(heartbeats) == 1
    world.clock.now += 60
    notary.round()
    heartbeats = [line for line in world.export().entries if b'"type":"heartbeat"' in line]
    assert "w1-b" not in json.loads(heartbeats[-1])["line"]["record"]["writers"]
    notary.close()
    check(world)


def test_a_log_in_whose_place_another_was_put_leaves_that_one_alone(
    world: World, tmp_path: Path
) -> None:
    other = World(tmp_path / "other")
    other.fill(rounds=1).close()
    notary = world.fill(rounds=1)
    ours, away = world.data / "evidence", tmp_path / "away"
    ours.rename(away)
    (other.data / "evidence").rename(ours)
    before = {path: path.read_bytes() for path in ours.rglob("*") if path.is_file()}
    world.write("w0-a", 3)
    for seconds in (10, 60):
        world.clock.now += seconds
        with pytest.raises(EvidenceUnwritable, match="removed or replaced"):
            notary.round()
    assert {path: path.read_bytes() for path in ours.rglob("*") if path.is_file()} == before
    ours.rename(other.data / "evidence")
    away.rename(ours)
    world.clock.now += 10
    notary.round()
    notary.close()
    check(world)
    check(other)
    other.close()


def test_a_checkpoint_waits_for_its_time_unless_it_is_wished_for(world: World) -> None:
    notary = world.notary()
    notary.open()
    world.write("w0-a", 3)
    world.clock.now += 9
    notary.round()
    assert world.index.count() == 0
    wish = world.data / "evidence" / "wanted"
    wish.write_text("1")
    notary.round()
    assert world.index.count() == 1
    assert not wish.exists()
    notary.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_notary_that_is_killed_anywhere_seals_every_record_once(world: World, seed: int) -> None:
    chance, lives = random.Random(seed), [0, 0, 0]
    notary = world.notary()
    notary.open()
    for _ in range(40):
        world.clock.now += chance.choice((0.1, 1.5, 11))
        slot = chance.randrange(3)
        world.write(f"w{slot}-{lives[slot]}", chance.randrange(1, 6), 2000)
        if chance.random() < 0.2:
            world.writers.pop(f"w{slot}-{lives[slot]}").close()
            lives[slot] += 1
        if chance.random() < 0.7:
            notary.round()
        if chance.random() < 0.25:
            kill(notary)
            notary = world.notary()
            notary.open()
    kill(notary)
    finish(world)


STEPS = (
    *(("pwrite", 0), ("write", 0), ("write", 1)),  # leaves; a heartbeat's line, the spine's
    *(("fsync", 0), ("fsync", 1), ("fsync", 2)),  # both journals, the spine
)


@pytest.mark.parametrize(("call", "skip"), STEPS)
def test_a_disk_that_refuses_at_any_step_leaves_a_log_that_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, call: str, skip: int
) -> None:
    notary = world.fill(rounds=1)
    world.write("w0-a", 4)
    world.clock.now += 60
    real, left = getattr(os, call), [skip]

    def refuse(fd: int, *given: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            if call == "write":
                data = given[0]
                assert isinstance(data, bytes)
                return real(fd, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return real(fd, *given)

    monkeypatch.setattr(os, call, refuse)
    with contextlib.suppress(EvidenceUnwritable, OSError):
        notary.round()
    assert left[0] < 0, "the step was refused"
    monkeypatch.undo()
    world.write("w1-b", 2)
    world.clock.now += 10
    notary.round()
    notary.close()
    check(world)


@pytest.mark.parametrize("back", [1, 2, 30, 200, 600])
def test_a_line_that_a_crash_tore_is_cut_off_and_sealed_anew(world: World, back: int) -> None:
    world.fill(rounds=2).close()
    spine = world.data / "evidence" / "spine.000001.log"
    os.truncate(spine, spine.stat().st_size - back)
    # The index was written after the line, so it cannot know of it: it is one behind, too.
    world.engine.dispose()
    (world.data / "federation.db").unlink()
    world.__post_init__()
    finish(world)


def test_a_log_that_was_changed_is_not_signed_on(world: World) -> None:
    world.fill(rounds=2).close()
    spine = world.data / "evidence" / "spine.000001.log"
    spine.write_bytes(spine.read_bytes().replace(b'"size":23', b'"size":24', 1))
    with pytest.raises(Damaged, match="damaged at byte 0"):
        world.notary().open()


def test_an_older_copy_of_the_log_is_not_signed_on(world: World, tmp_path: Path) -> None:
    notary = world.fill(rounds=2)
    shutil.copytree(world.data / "evidence", tmp_path / "old")
    world.write("w0-a", 3)
    notary.close()
    shutil.rmtree(world.data / "evidence")
    shutil.copytree(tmp_path / "old", world.data / "evidence")
    with pytest.raises(Unavailable, match="rolled back") as caught:
        world.notary().open()
    assert caught.value.code == "evidence_rolled_back"


def test_an_index_that_was_lost_is_filled_again(world: World) -> None:
    world.fill(rounds=3).close()
    path = world.data / "fresh.db"
    engine = open_engine(path)
    prepare_schema(engine, path)
    world.engine.dispose()
    world.engine, world.index = engine, SqlEvidence(engine)
    assert world.index.count() == 0
    finish(world)


def test_a_row_cannot_be_changed_until_its_trigger_is_dropped_and_that_shows(
    world: World,
) -> None:
    world.fill(rounds=2).close()
    for change in ("UPDATE evidence_checkpoints SET size = 7 WHERE n = 1",):
        with pytest.raises(Unavailable, match="append-only"), writing(world.engine) as connection:
            connection.execute(text(change))
    for table in ("evidence_checkpoints", "evidence_runs"):
        with pytest.raises(Unavailable, match="append-only"), writing(world.engine) as connection:
            connection.execute(text(f"DELETE FROM {table}"))
    with writing(world.engine) as connection:
        connection.execute(text("DROP TRIGGER evidence_checkpoints_update"))
        connection.execute(text("UPDATE evidence_checkpoints SET root = x'00' WHERE n = 1"))
    found = list(world.reading().check_index(world.index, 99))
    assert [(each.kind, each.checkpoint) for each in found] == [("index", None), ("index", 1)]
    assert "trigger evidence_checkpoints_update" in found[0].message


@pytest.mark.parametrize("change", ["seq = seq + 1", "count = count + 1", "writer = 'w9-z'"])
def test_where_records_stand_is_held_against_the_log(world: World, change: str) -> None:
    world.fill(rounds=2).close()
    at = read_checkpoint(world.export().checkpoints[0]).body.size
    with writing(world.engine) as connection:
        connection.execute(text("DROP TRIGGER evidence_runs_update"))
        connection.execute(text(f"UPDATE evidence_runs SET {change} WHERE at = {at}"))
        connection.execute(text(APPEND_ONLY["evidence_runs_update"]))
    (found,) = world.reading().check_index(world.index, 99)
    assert (found.kind, found.record, found.checkpoint) == ("index", at, 1)
    with writing(world.engine) as connection:
        connection.execute(text("DROP TRIGGER evidence_runs_delete"))
        connection.execute(text("DELETE FROM evidence_runs WHERE at = 0"))
        connection.execute(text(APPEND_ONLY["evidence_runs_delete"]))
    (found,) = world.reading().check_index(world.index, 99)
    assert (found.kind, found.record, found.checkpoint) == ("index", 0, 0)


def test_the_state_is_carried_from_segment_to_segment(tmp_path: Path) -> None:
    directory = tmp_path / "evidence"
    for n in range(7):
        log = EvidenceLog(directory, segment_checkpoints=3)
        assert log.found.checkpoints == n
        assert set(log.found.writers) == {f"w{k}" for k in range(n) if k % 2}
        assert log.found.closed == {f"w{k}" for k in range(n) if not k % 2}
        line = b'{"body":{"n":%d},"signature":""}' % n
        at = evidence_log.At(1, n, n, "")
        closed = (f"w{n}",) if n % 2 == 0 else ()
        log.commit(line, evidence_log.State(n + 1, (), {f"w{n}": at}, closed), b"", b"")
        log.close()
    assert len(evidence_log.spine_segments(directory)) == 3
    assert [
        evidence_log.checkpoint_number(line)
        for line in evidence_log.sealed_checkpoints(directory, 4)
    ] == [4, 5, 6]
    newest = evidence_log.newest_checkpoint(directory)
    assert newest is not None
    assert evidence_log.checkpoint_number(newest) == 6


def test_only_one_process_keeps_a_log_and_only_its_owner_can_read_the_key(world: World) -> None:
    notary = world.fill(rounds=1)
    with pytest.raises(Unavailable, match="Another process"):
        world.notary().open()
    notary.close()
    seeds = list((world.data / "evidence").glob("*.seed"))
    assert [stat.S_IMODE(seed.stat().st_mode) for seed in seeds] == [0o600]
    assert stat.S_IMODE((world.data / "evidence").stat().st_mode) == 0o700


def test_checkpoints_are_anchored_in_a_file_and_by_syslog(world: World, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        port = server.getsockname()[1]
        kept = tmp_path / "elsewhere.jsonl"
        world.anchors = (
            open_anchor(f"file:{kept}", world.data),
            open_anchor(f"syslog:udp://127.0.0.1:{port}", world.data),
        )
        world.fill(rounds=2).close()
        export = world.export()
        assert kept.read_bytes() == b"".join(export.anchors())
        for line in export.anchors():
            datagram = server.recv(65536)
            assert datagram.startswith(b"<109>1 2023-11-14T22:13")
            assert datagram.endswith(b" checkpoint - " + line[:-1])
            assert len(datagram) < 1024, "fits any datagram"


def test_an_anchor_that_fails_holds_nothing_up(world: World, tmp_path: Path) -> None:
    world.anchors = (
        FileAnchor(tmp_path / "missing" / "file"),
        SyslogAnchor(str(tmp_path / "missing.sock")),
        SyslogAnchor(f"udp://{'a' * 64}.example"),
    )
    world.fill(rounds=2).close()
    check(world)


def test_a_log_server_that_reads_nothing_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.storage.anchors.TIMEOUT_S", 0.1, raising=False)
    place = str(tmp_path / "log")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
        ThreadPoolExecutor() as pool,
    ):
        server.bind(place)
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"x", place)
        try:
            handed = pool.submit(SyslogAnchor(place).put, b"line\n", 0).exception(5)
        finally:
            server.recv(65536)
    assert isinstance(handed, Unavailable)


def test_a_checkpoint_whose_file_has_no_safe_name_is_made_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    notary = world.notary()
    notary.open()
    world.write("w0-a")
    with monkeypatch.context() as patch:
        patch.setattr(evidence_log, "sync_directory", fail)
        world.clock.now += 10
        with pytest.raises(EvidenceUnwritable):
            notary.round()
    notary.close()
    check(world)


def test_a_start_that_cannot_write_leaves_no_journal_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill(rounds=1).close()
    notary, before = world.notary(), set(world.data.rglob("control-*.log"))
    append = ControlJournal.append

    def full(*_: object) -> None:
        raise EvidenceUnwritable("no room")

    monkeypatch.setattr(ControlJournal, "append", full)
    for _ in range(3):
        with pytest.raises(EvidenceUnwritable):
            notary.open()
    left = set(world.data.rglob("control-*.log")) - before
    monkeypatch.setattr(ControlJournal, "append", append)
    assert len(left) == 1, "every try begins a journal, and holds it open"
    notary.open()
    notary.close()
    check(world)


@pytest.mark.parametrize(
    "url",
    ["file:", "file:{data}/x", "s3:x", "syslog:nowhere", "syslog:udp://", "syslog:udp://:514",
     "syslog:udp://h:0", "syslog:udp://h:99999", "syslog:udp://h:x", "syslog:udp://[::1"],
)  # fmt: skip
def test_an_anchor_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError):
        open_anchor(url.format(data=tmp_path), tmp_path)


_FULL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from evidence_world import World
from federation.errors import EvidenceUnwritable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
world = World(Path(sys.argv[1]))
notary = world.notary()
notary.open()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
refused = 0
for step in range(60):
    world.write("w0-a", 2)
    world.clock.now += 10
    if step == 20:
        full = (Path(sys.argv[1]) / "evidence" / "spine.000001.log").stat().st_size + 700
    if 20 <= step < 40:
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, hard))
    try:
        notary.round()
    except (EvidenceUnwritable, OSError):
        refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(refused)
import os
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_real_process_whose_disk_is_full_for_a_while_and_which_is_killed(
    tmp_path: Path,
) -> None:
    """The limit on a file's size stands for the disk: the kernel refuses what goes beyond."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    support = Path(__file__).resolve().parents[2] / "support"
    ran = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path), str(support)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    world = World(tmp_path)
    newest = world.reading().newest()
    assert newest.body.size > 100, "it went on once there was room again"
    finish(world)
    sizes = [read_checkpoint(line).body.size for line in world.reading().checkpoints()]
    assert sizes == sorted(set(sizes))
    world.close()
