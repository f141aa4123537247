"""Logs that go on while they are exported, and logs that nobody asked for: what is judged, and what
is set aside. Both verifiers say the same (`judged`)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from evidence_web import Board, Cluster, Exports, judged, web_of
from evidence_world import Export, World

from federation.control import witnesses as witnesses_module
from federation.control.notary_keys import rotate
from federation.evidence.checkpoints import checkpoint_line, read_checkpoint
from federation.evidence.hashing import signed_checkpoint
from federation.evidence.records import Witnessed
from federation.evidence.signing import sign
from federation.evidence.witnesses import KEYS_BYTES, LINE_BYTES
from federation.storage.journal import JournalWriter
from federation.storage.posted_checkpoints import Posted


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    for name in ("a", "b"):
        made.join(name)
    yield made
    for replica in made.replicas.values():
        replica.world.close()


def now_ms(cluster: Cluster) -> int:
    return int(cluster.clock.now * 1000)


def one_after_the_other(cluster: Cluster) -> tuple[Exports, int]:
    """Exports of a, and a minute later of b, while both run; and when the first was begun."""
    cluster.work(6)
    begun_ms = now_ms(cluster)
    first = cluster.replicas["a"].export()
    cluster.work(6)
    return {"a": first, "b": cluster.replicas["b"].export()}, begun_ms


def cut(export: Export, checkpoints: int) -> Export:
    made = export.copy()
    del made.checkpoints[-checkpoints:]
    del made.entries[read_checkpoint(made.checkpoints[-1]).body.size :]
    return made


def test_exports_of_a_running_cluster_are_one_through_the_moment_that_the_auditor_names(
    cluster: Cluster,
) -> None:
    exports, begun_ms = one_after_the_other(cluster)
    size = len(exports["a"].entries)
    assert judged(exports) == [("rolled_back", "a", size)]
    assert judged(exports, through_ms=begun_ms) == []
    assert judged(exports, through_ms=now_ms(cluster)) == [("rolled_back", "a", size)]
    keys = [each.trusted for each in exports.values()]
    for checkpoints in range(1, 5):
        shorter = exports | {"a": cut(exports["a"], checkpoints)}
        found = judged(shorter, keys, through_ms=begun_ms)
        seen = checkpoints > 1  # b had not looked at the last one yet
        assert [kind for kind, _, _ in found] == (["rolled_back"] if seen else [])
    later = cluster.replicas["a"].export().anchors()
    assert judged(exports, None, later, begun_ms) == [], "anchors went on, too"
    assert judged({"a": exports["a"]}, None, later, begun_ms) != [], "b was there before"


def test_a_fork_is_one_at_any_time(cluster: Cluster) -> None:
    cluster.work(3)
    shutil.copytree(cluster.root / "b", cluster.root / "copy", ignore=lambda *_: ["run"])
    begun_ms = now_ms(cluster)
    cluster.work(6)
    exports = cluster.close()
    forked = World(cluster.root / "copy", cluster.clock)
    forked.calls = 1_500
    notary = forked.notary()
    notary.open()
    for _ in range(8):
        forked.write("b-w1", 4)
        cluster.clock.now += 10
        notary.round()
    notary.close()
    export = forked.export()
    forked.close()
    assert judged(exports | {"b": export}, through_ms=begun_ms) == [("fork", "b", None)]


def test_a_replica_that_joined_after_the_moment_is_not_missing(cluster: Cluster) -> None:
    cluster.work(4)
    begun_ms = now_ms(cluster)
    cluster.join("c")
    cluster.work(6)
    exports = cluster.close()
    both = {name: exports[name] for name in ("a", "b")}
    assert judged(both) == [("missing", "", None)]
    assert judged(both, through_ms=begun_ms) == []
    assert judged(exports, through_ms=begun_ms) == [], "and is vouched for where it is given"


def test_a_log_that_dates_itself_later_is_not_set_aside_where_it_was_seen_before(
    cluster: Cluster,
) -> None:
    cluster.work(4)
    b = cluster.replicas["b"]
    seed = bytes.fromhex(next((cluster.root / "b" / "evidence").glob("*.seed")).read_text())
    last = read_checkpoint(b.export().checkpoints[-1])
    raw = re.sub(rb'"n":\d+', b'"n":99', last.raw)
    raw = re.sub(rb'"at_ms":\d+', b'"at_ms":4102444800000', raw)
    line = checkpoint_line(raw, sign(seed, signed_checkpoint(raw)))
    lines = JournalWriter(cluster.root / "a" / "evidence" / "journal", "odd")
    record = Witnessed(now_ms(cluster), "b", b.export().trusted.hex(), line.decode().rstrip("\n"))
    lines.append(record)  # type: ignore[arg-type]
    lines.close()
    cluster.work(1)
    through_ms = now_ms(cluster)
    exports = cluster.close()
    size = len(exports["b"].entries)
    assert judged(exports, through_ms=through_ms) == [("rolled_back", "b", size)]


def test_a_row_of_keys_that_was_cut_with_its_log_is_held_against_that_log(
    cluster: Cluster,
) -> None:
    cluster.work(4)
    rotate(cluster.root / "b" / "evidence", now_ms(cluster))
    before = len(cluster.replicas["b"].export().checkpoints)
    begun_ms = now_ms(cluster)
    cluster.work(6)
    exports = cluster.close()
    assert judged(exports) == []
    short = cut(exports["b"], len(exports["b"].checkpoints) - before)
    del short.keys[1:]
    given = exports | {"b": short}
    assert judged(given) == [("keys", "b", None)]
    assert judged(given, [each.trusted for each in given.values()]) == [("keys", "b", None)]
    assert judged(given, through_ms=begun_ms) == [], "it may have been rotated since"


def made_up(cluster: Cluster) -> Export:
    """A log of calls that never were, posted by somebody who can write to the database."""
    world = World(cluster.root / "made-up", cluster.clock)
    world.calls = 9_000
    world.fill().close()
    export = world.export()
    world.close()
    last = export.anchors()[-1]
    body = read_checkpoint(last).body
    assert isinstance(cluster.board, Board)
    cluster.board.rows[body.log] = Posted(body.log, "c", body.n, last, b"".join(export.keys))
    return export


def test_a_log_that_somebody_made_up_and_posted_counts_unless_the_keys_say_which_do(
    cluster: Cluster,
) -> None:
    cluster.work(2)
    fake = made_up(cluster)
    cluster.work(4)
    exports = cluster.close()
    keys = [each.trusted for each in exports.values()]
    assert judged(exports | {"c": fake}) == [], "a name more for the auditor to wonder about"
    assert judged(exports) == [("missing", "", None)]
    assert judged(exports, keys, only_keys=True) == []
    web = web_of(exports, keys, [], only_keys=True)
    assert web.unasked == [read_checkpoint(fake.checkpoints[0]).body.log]
    assert judged(exports | {"c": fake}, keys, only_keys=True) == [("keys", "c", None)]
    assert judged(exports, keys[:1], only_keys=True) == [("keys", "b", None)]
    assert judged({"a": exports["a"]}, keys, only_keys=True) == [("keys", "", None)]
    anchors = exports["b"].anchors()
    assert judged({"a": exports["a"]}, keys[:1], anchors, only_keys=True) != []


@pytest.mark.parametrize("what", ["number", "size", "keys", "runs"])
def test_a_row_that_no_replica_would_post_is_refused_and_one_that_is_mended_is_not(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    cluster.work(2)
    assert isinstance(cluster.board, Board)
    a, rows = cluster.replicas["a"], cluster.board.rows
    posted = next(row for row in rows.values() if row.replica == "b")
    del cluster.replicas["b"]
    wrong = {
        "number": replace(posted, n=posted.n + 1),
        "size": replace(posted, line=posted.line + b" " * LINE_BYTES),
        "keys": replace(posted, keys=posted.keys + b"\n" * KEYS_BYTES),
        "runs": replace(posted, line=posted.line.replace(b"}\n", b',"runs":[]}\n')),
    }[what]
    a.witnesses._seen.clear()
    for row, told in ((wrong, 1), (wrong, 1), (posted, 1)):
        rows[posted.log] = row
        cluster.work(1)
        assert caplog.text.count("an evidence log is contradicted") == told
        assert (posted.log in a.witnesses._seen) is (row is posted)
    assert not a.witnesses._refused
    a.world.close()


def test_a_row_of_keys_only_grows_and_logs_are_not_without_number(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.work(2)
    new = rotate(cluster.root / "b" / "evidence", now_ms(cluster))
    cluster.work(2)
    assert isinstance(cluster.board, Board)
    rows = cluster.board.rows
    posted = next(row for row in rows.values() if row.replica == "b")
    a = cluster.replicas["a"].witnesses
    assert a._seen[posted.log].public == new.public
    a._rows[posted.log] = posted.keys + b"one more\n"
    cluster.work(1)
    assert "an evidence log is contradicted" in caplog.text
    monkeypatch.setattr(witnesses_module, "MOST_LOGS", 1)
    made_up(cluster)
    cluster.work(1)
    assert len(a._seen) == 1


def test_a_name_is_put_on_record_as_a_terminal_may_show_it(cluster: Cluster) -> None:
    cluster.work(1)
    assert isinstance(cluster.board, Board)
    rows = cluster.board.rows
    posted = next(row for row in rows.values() if row.replica == "b")
    rows[posted.log] = replace(posted, replica="b\x1b[2K\nVerified")
    cluster.replicas["a"].witnesses._seen.clear()
    cluster.clock.now += 10
    cluster.replicas["a"].work()
    assert cluster.replicas["a"].witnesses._seen[posted.log].replica == "b-2K-Verified"
    cluster.work(2)
    exports = cluster.close()
    assert b'"replica":"b-2K-Verified"' in b"".join(exports["a"].entries)
    assert judged(exports) == []
