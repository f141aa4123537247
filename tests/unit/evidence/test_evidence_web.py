"""Several logs as one: whatever is left out, cut short, replaced or made up shows in the others.

Everything is judged by both verifiers, which share no code and must say the same.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
from evidence_web import Board, Cluster, Exports, Found, judged, web_of
from evidence_world import Export, World, ended

from federation.control.notary_keys import rotate
from federation.evidence.checkpoints import checkpoint_line, read_checkpoint
from federation.evidence.hashing import signed_checkpoint
from federation.evidence.records import Witnessed
from federation.evidence.signing import sign
from federation.evidence.web import Web
from federation.storage.evidence_calls import LedgerCall, SpooledCalls
from federation.storage.journal import JournalWriter
from federation_verify.log import Log

Tamper = Callable[[Exports], None]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    cluster = Cluster(tmp_path_factory.mktemp("three"))
    for name in ("a", "b", "c"):
        cluster.join(name)
    cluster.work()
    return cluster.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    for name in ("a", "b"):
        made.join(name)
    yield made
    for replica in made.replicas.values():
        replica.world.close()


def copies(exports: Exports) -> Exports:
    return {name: export.copy() for name, export in exports.items()}


def records(export: Export, kind: str) -> list[tuple[int, dict[str, object]]]:
    lines = (json.loads(line) for line in export.entries)
    return [
        (line["n"], line["line"]["record"])
        for line in lines
        if line["line"]["record"]["type"] == kind
    ]


def cut(export: Export, checkpoints: int) -> None:
    """An older copy: the last checkpoints and their records were never there."""
    del export.checkpoints[-checkpoints:]
    del export.entries[read_checkpoint(export.checkpoints[-1]).body.size :]


def test_logs_that_nobody_touched_are_one_under_any_of_their_keys(three: Exports) -> None:
    for export in three.values():
        assert judged(three, [export.trusted]) == []
    assert judged(three, [each.trusted for each in three.values()]) == []
    anchors = [line for each in three.values() for line in each.anchors()]
    assert judged(three, anchors=anchors) == []
    reports = web_of(three, [three["a"].trusted], []).reports
    assert all(report.witnessed > 4 for report in reports.values())
    assert all(report.closed for report in reports.values())


def test_each_log_still_verifies_by_itself_and_calls_are_what_they_were(three: Exports) -> None:
    for export in three.values():
        assert Log().verify(export.trusted, export.keys, export.checkpoints, export.entries) == []
        assert records(export, "witnessed")
        assert len(records(export, "ended")) == 16


def leave_out(exports: Exports) -> None:
    del exports["b"]


def leave_out_all_but_one(exports: Exports) -> None:
    del exports["b"], exports["c"]


def cut_short(exports: Exports) -> None:
    cut(exports["b"], 5)


def cut_the_trusted_short(exports: Exports) -> None:
    cut(exports["a"], 5)


def swap_files(exports: Exports) -> None:
    exports["b"].entries, exports["c"].entries = exports["c"].entries, exports["b"].entries


def swap_keys(exports: Exports) -> None:
    exports["b"].keys, exports["c"].keys = exports["c"].keys, exports["b"].keys


def give_one_twice(exports: Exports) -> None:
    exports["c"] = exports["b"].copy()


def spoil_keys(exports: Exports) -> None:
    exports["b"].keys = [b"no key\n"]


def edit(exports: Exports) -> None:
    exports["b"].entries[5] = exports["b"].entries[5].replace(b"acme", b"evil")


TABLE: list[tuple[Tamper, Found]] = [
    (leave_out, [("missing", "", None)]),
    (leave_out_all_but_one, [("missing", "", None), ("missing", "", None)]),
    (cut_short, [("rolled_back", "b", 22)]),
    (cut_the_trusted_short, [("rolled_back", "a", 21)]),
    (swap_files, [("replaced", "b", 0), ("replaced", "c", 0)]),
    (swap_keys, [("signature", "b", None), ("signature", "c", None)]),
    (give_one_twice, [("duplicated", "c", None), ("missing", "", None)]),
    (spoil_keys, [("keys", "b", None), ("missing", "", None)]),
    (edit, [("edited", "b", 5)]),
]


@pytest.mark.parametrize(("tamper", "found"), TABLE, ids=lambda row: getattr(row, "__name__", ""))
def test_what_was_done_to_one_of_them_is_named(
    three: Exports, tamper: Tamper, found: Found
) -> None:
    exports = copies(three)
    tamper(exports)
    assert judged(exports) == found


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_log_that_is_cut_anywhere_before_the_others_last_look_is_found(
    three: Exports, name: str
) -> None:
    log = read_checkpoint(three[name].checkpoints[0]).body.log
    seen = [
        read_checkpoint(str(record["checkpoint"]).encode()).body
        for other, export in three.items()
        for _, record in records(export, "witnessed")
        if other != name
    ]
    newest = max(body.n for body in seen if body.log == log)
    whole = len(three[name].checkpoints)
    assert newest >= whole - 3, "the others look often"
    for keep in range(1, whole):
        exports = copies(three)
        cut(exports[name], whole - keep)
        found = [kind for kind, _, _ in judged(exports, [each.trusted for each in three.values()])]
        assert found == (["rolled_back"] if keep <= newest else []), keep


def test_an_anchor_of_a_log_that_is_left_out_shows_it_and_each_goes_to_its_own(
    three: Exports,
) -> None:
    exports = copies(three)
    stranger = b'{"body":{"log":"' + b"0" * 32 + b'"}}\n'
    assert judged(exports, anchors=[stranger]) == [("missing", "", None)]
    last = exports["c"].anchors()[-1]
    cut(exports["c"], 1)
    assert judged(exports) == [], "nobody had seen the last one yet"
    size = read_checkpoint(exports["c"].checkpoints[-1]).body.size
    assert judged(exports, anchors=[last]) == [("rolled_back", "c", size)]


def test_which_directory_a_log_lies_in_says_nothing(three: Exports) -> None:
    swapped = {"a": three["b"], "b": three["c"], "c": three["a"]}
    assert judged(swapped) == []


def test_a_log_that_nobody_knows_and_a_key_without_a_log_are_named(
    three: Exports, tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.calls = 9_000
    world.fill().close()
    stranger = world.export()
    world.close()
    assert judged(three | {"d": stranger}) == [("keys", "d", None)]
    assert judged(three | {"d": stranger}, [three["b"].trusted, stranger.trusted]) == []
    assert judged(three, [three["a"].trusted, stranger.trusted]) == [("keys", "", None)]
    assert judged({"a": three["a"]}, [stranger.trusted]) == [("keys", "a", None)]
    nobody = judged(three, [b"k" * 32])
    assert nobody == [("keys", name, None) for name in three]


def test_logs_from_before_replicas_witnessed_each_other_are_given_with_a_key_each(
    tmp_path: Path,
) -> None:
    exports: Exports = {}
    for n, name in enumerate(("a", "b")):
        world = World(tmp_path / name)
        world.calls = n * 1000
        world.fill().close()
        exports[name] = world.export()
        world.close()
    assert judged(exports, [each.trusted for each in exports.values()]) == []
    assert judged(exports) == [("keys", "b", None)]


def test_a_log_that_goes_on_from_an_older_copy_contradicts_what_others_saw(
    cluster: Cluster,
) -> None:
    cluster.work(3)
    copy = cluster.root / "copy"
    shutil.copytree(cluster.root / "b", copy, ignore=shutil.ignore_patterns("run"))
    cluster.work(4)
    exports = cluster.close()
    forked = World(copy, cluster.clock)
    forked.calls = 1_500
    notary = forked.notary()
    notary.open()
    assert judged(exports | {"b": forked.export()}) == [("rolled_back", "b", 15)]
    for _ in range(6):
        forked.write("b-w1", 4)
        cluster.clock.now += 10
        notary.round()
    notary.close()
    export = forked.export()
    forked.close()
    assert Log().verify(export.trusted, export.keys, export.checkpoints, export.entries) == []
    assert judged(exports | {"b": export}) == [("fork", "b", None)]
    assert judged({"b": export, "a": exports["a"]}) == [("fork", "b", None)]


@pytest.mark.parametrize("knows", [True, False])
def test_a_checkpoint_that_its_log_never_signed_is_held_against_who_wrote_it_down(
    cluster: Cluster, *, knows: bool
) -> None:
    cluster.work(4)
    b = cluster.replicas["b"]
    anchor = b.export().anchors()[-1].decode().rstrip("\n")
    forged = anchor.replace('"n":', '"n":9')
    if not knows:
        forged = re.sub('"log":"[0-9a-f]{32}"', '"log":"' + "0" * 32 + '"', anchor)
    lines = JournalWriter(cluster.root / "a" / "evidence" / "journal", "forger")
    for text in (forged, "nonsense"):
        record = Witnessed(1, "b", b.export().trusted.hex(), text)
        lines.append(record)  # type: ignore[arg-type]
    lines.close()
    cluster.work(1)
    exports = cluster.close()
    places = [
        n
        for n, record in records(exports["a"], "witnessed")
        if record["checkpoint"] in (forged, "nonsense")
    ]
    assert len(places) == 2
    assert judged(exports) == [("witness", "a", place) for place in places]
    assert judged({"b": exports["b"]}) == [("missing", "", None)], "nothing is said of a forger"


def test_a_checkpoint_over_more_records_than_there_can_be_is_no_witness(cluster: Cluster) -> None:
    cluster.work(4)
    b = cluster.replicas["b"]
    seed = bytes.fromhex(next((cluster.root / "b" / "evidence").glob("*.seed")).read_text())
    last = read_checkpoint(b.export().checkpoints[-1])
    lines = JournalWriter(cluster.root / "a" / "evidence" / "journal", "odd")
    for n in (2**63, 2**64):
        raw = re.sub(rb'"n":\d+', b'"n":%d' % n, last.raw)
        line = checkpoint_line(raw, sign(seed, signed_checkpoint(raw)))
        record = Witnessed(1, "b", b.export().trusted.hex(), line.decode().rstrip("\n"))
        lines.append(record)  # type: ignore[arg-type]
    lines.close()
    cluster.work(1)
    found = judged(cluster.close())
    assert [kind for kind, _, _ in found] == ["witness"]


def test_a_call_that_has_ended_in_two_logs_is_named_where_it_ended_again(
    cluster: Cluster,
) -> None:
    cluster.replicas["b"].world.calls = 3
    cluster.work(4)
    exports = cluster.close()
    again = [
        n
        for n, record in records(exports["b"], "ended")
        if record["call"] in {each["call"] for _, each in records(exports["a"], "ended")}
    ]
    assert len(again) == 5
    assert judged(exports) == [("answered_twice", "b", n) for n in again]
    assert (
        Log().verify(
            exports["b"].trusted, exports["b"].keys, exports["b"].checkpoints, exports["b"].entries
        )
        == []
    )


@pytest.mark.parametrize("call", ["\\u0041", '\\"', "", "\udcff"])
def test_a_call_under_an_impossible_name_ends_no_verification(cluster: Cluster, call: str) -> None:
    path = cluster.root / "a" / "journal"
    lines = JournalWriter(path, "odd")
    lines.append(ended("call_odd"))
    lines.close()
    (file,) = path.glob("odd.*")
    body = file.read_bytes()[9:-1].replace(b"call_odd", call.encode("utf-8", "surrogateescape"))
    file.write_bytes(b"%08x %b\n" % (crc32(body), body))
    cluster.work(4)
    exports = cluster.close()
    assert b'"writer":"odd"' in b"".join(exports["a"].entries)
    assert judged(exports) == []


def test_a_row_that_only_names_a_trusted_key_makes_no_log_count(cluster: Cluster) -> None:
    cluster.work(4)
    exports = cluster.close()
    named = rotate(cluster.root / "b" / "evidence", int(cluster.clock.now * 1000)).public
    exports["b"].keys = cluster.replicas["b"].world.reading().keys()
    assert judged(exports) == []
    for given in (exports, {"b": exports["b"]}):
        assert {kind for kind, _, _ in judged(given, [named])} == {"keys"}
    assert judged(exports, [exports["a"].trusted, named]) == [("keys", "", None)], "it counts by a"


def test_keys_are_replaced_and_names_change_and_the_log_is_the_same(cluster: Cluster) -> None:
    cluster.work(4)
    b = cluster.replicas["b"]
    old = b.export().trusted
    new = rotate(cluster.root / "b" / "evidence", int(cluster.clock.now * 1000))
    cluster.work(4)
    b.notary.close()
    b.witnesses.exchange()
    b.open("b-renamed")
    cluster.work(4)
    exports = cluster.close()
    seen = records(exports["a"], "witnessed")
    assert {record["replica"] for _, record in seen} == {"b", "b-renamed"}
    assert {record["public"] for _, record in seen} == {old.hex(), new.public.hex()}
    for trusted in (exports["a"].trusted, old, new.public):
        assert judged(exports, [trusted]) == []
    cut(exports["b"], 6)
    assert [kind for kind, _, _ in judged(exports)] == ["rolled_back"]


def test_a_replica_that_was_retired_stays_a_part_and_vouches_for_who_came_later(
    cluster: Cluster,
) -> None:
    cluster.work(6)
    a = cluster.replicas.pop("a")
    exports = {"a": a.close()}
    a.world.close()
    cluster.join("c")
    cluster.work(6)
    exports |= cluster.close()
    assert records(exports["c"], "witnessed")
    assert judged(exports) == [], "a knows b, and b knows c"
    assert judged({name: exports[name] for name in ("b", "c")}) == [("missing", "", None)]


def test_one_replica_alone_writes_nothing_new(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.join("a")
    cluster.work()
    export = cluster.close()["a"]
    assert records(export, "witnessed") == []
    assert records(export, "heartbeat")
    assert judged({"a": export}) == []


def test_a_log_is_told_only_when_it_has_moved(cluster: Cluster) -> None:
    cluster.work(2)
    b = cluster.replicas.pop("b")
    cluster.work(8)
    seen = records(cluster.replicas["a"].export(), "witnessed")
    assert len(seen) == 1
    cluster.replicas["b"] = b


def test_a_store_that_is_away_holds_nothing_up_and_is_caught_up_with(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.work(2)
    assert isinstance(cluster.board, Board)
    cluster.board.away = True
    sealed = len(cluster.replicas["a"].export().checkpoints)
    cluster.work(4)
    assert len(cluster.replicas["a"].export().checkpoints) == sealed + 4
    assert caplog.text.count("other logs are not witnessed") == 2, "each says so once"
    cluster.board.away = False
    cluster.work(4)
    exports = cluster.close()
    assert judged(exports) == []
    newest = max(
        read_checkpoint(str(record["checkpoint"]).encode()).body.n
        for _, record in records(exports["a"], "witnessed")
    )
    assert newest > sealed + 4


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why logs were said to be contradicted."""
    found = [each for each in caplog.records if "is contradicted" in each.getMessage()]
    return [str(vars(each)["reason"]) for each in found]


def test_what_anybody_may_have_put_into_the_store_is_not_believed(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.work(2)
    assert isinstance(cluster.board, Board)
    rows = cluster.board.rows
    log, posted = next((log, row) for log, row in rows.items() if row.replica == "b")
    forged = posted.line.replace(b'"n":', b'"n":9')
    rows[log] = replace(posted, n=99, line=forged)
    rows["0" * 32] = replace(posted, log="0" * 32, n=1)
    rows["1" * 32] = replace(posted, log="1" * 32, keys=b"none")
    cluster.clock.now += 10
    cluster.replicas["a"].work()
    assert len(reasons(caplog)) == 3
    cluster.work(2)
    assert any("in use twice" in each for each in reasons(caplog)), "b sees what is said of it"
    exports = cluster.close()
    assert judged(exports) == []


def test_an_older_copy_that_is_started_again_is_told_so(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.work(2)
    b = cluster.replicas["b"]
    b.notary.close()
    shutil.copytree(cluster.root / "b", cluster.root / "copy")
    b.open()
    cluster.work(4)
    b.close()
    b.world.close()
    shutil.rmtree(cluster.root / "b")
    shutil.copytree(cluster.root / "copy", cluster.root / "b")
    b.world = World(cluster.root / "b", cluster.clock)
    b.world.calls = 1500
    b.open("b-again")
    assert reasons(caplog) == []
    b.work()
    assert "older copy" in reasons(caplog)[0]
    cluster.work(2)
    assert [kind for kind, _, _ in judged(cluster.close())] in (["rolled_back"], ["fork"])


def test_the_ledger_is_held_against_all_logs_together(three: Exports) -> None:
    ledger = {
        str(record["call"]): LedgerCall(
            str(record["call"]), line["writer"], "ok", 1_700_000_000_500, raw
        )
        for export in three.values()
        for entry in export.entries
        if (line := json.loads(entry)["line"])["record"]["type"] == "ended"
        and (record := line["record"])
        and (raw := entry[entry.index(b'"line":') + 7 : -2])
    }
    assert len(ledger) == 48
    first, second, third, fourth = sorted(ledger)[:4]

    def apart(rows: dict[str, LedgerCall], ends_ms: int = 1 << 60) -> list[tuple[str, str]]:
        with SpooledCalls() as calls:
            web = Web([three["a"].trusted], calls)
            for name, export in three.items():
                web.add(name, export.keys)
            for name, export in three.items():
                web.read(name, export.checkpoints, export.entries)
            found = calls.against(rows.values(), dict.fromkeys(three, ends_ms), ends_ms)
            said = [(each.call, each.what) for each in found]
            assert (calls.later > 0) is (ends_ms == 1)
            return said

    assert apart(ledger) == []
    more = ledger | {"call_x": ledger[first]._replace(call="call_x")}
    assert apart(more) == [("call_x", "unlogged")]
    assert apart(more, 1) == [], "it ended after the logs were taken"
    running = ledger | {"call_x": ledger[first]._replace(call="call_x", outcome="running")}
    assert apart(running) == []
    assert apart({call: row for call, row in ledger.items() if call != second}) == [
        (second, "unlisted")
    ]
    assert apart(ledger | {third: ledger[third]._replace(line=b"{}")}) == [(third, "altered")]
    assert apart(ledger | {fourth: ledger[fourth]._replace(outcome="lost")}) == [
        (fourth, "not_lost")
    ]
