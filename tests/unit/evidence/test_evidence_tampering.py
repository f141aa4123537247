"""Everything that may be done to an export, and what both verifiers call it and where.

The independent verifier shares no code with ours: whatever one finds, the other must find,
under the same word and at the same record.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from evidence_world import Export, World
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.control.notary_keys import rotate
from federation.evidence.checkpoints import (
    Run,
    checkpoint_line,
    read_checkpoint,
    write_runs,
)
from federation.evidence.findings import Finding
from federation.evidence.hashing import (
    link_hash,
    runs_hash,
    signed_checkpoint,
)
from federation.evidence.signing import sign
from federation.evidence.verify import Verification
from federation_verify.log import Log

Tamper = Callable[[Export], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Export]:
    world = World(tmp_path_factory.mktemp("whole"))
    world.fill().close()
    yield world.export()
    world.close()


def judged(
    export: Export, anchors: list[bytes] | None = None, trusted: bytes = b""
) -> list[Finding]:
    """Our findings, once the independent verifier has agreed to them."""
    key = trusted or export.trusted
    report = Verification(key, export.keys).run(export.checkpoints, export.entries, anchors or [])
    theirs = Log().verify(key, export.keys, export.checkpoints, export.entries, anchors or [])
    ours = [(found.kind, found.record) for found in report.findings]
    assert [(problem.kind, problem.record) for problem in theirs] == ours
    return report.findings


def rehash(line: bytes) -> bytes:
    """A record's line with the leaf that belongs to its text."""
    match = re.fullmatch(
        rb'(\{"n":\d+,"prev":"[0-9a-f]+","leaf":")[0-9a-f]+(","line":)(.*)\}\n', line
    )
    assert match is not None
    leaf = sha256(b"\x00" + match[3]).hexdigest().encode()
    return match[1] + leaf + match[2] + match[3] + b"}\n"


def rechain(export: Export, start: int) -> None:
    """Give the records of a writer from `start` on links that fit, as a careful forger would."""
    writer, _ = export.whose(start)
    link: bytes | None = None
    for n in range(start, len(export.entries)):
        if export.whose(n)[0] != writer:
            continue
        line = export.entries[n]
        if link is not None:
            line = re.sub(
                rb'"prev":"[0-9a-f]+"', b'"prev":"%b"' % link.hex().encode(), line, count=1
            )
            export.entries[n] = line
        entry = json.loads(line)
        link = link_hash(bytes.fromhex(entry["prev"]), bytes.fromhex(entry["leaf"]))


AT = 21
"""A record in the middle of a run, in the second checkpoint."""


def edit(export: Export) -> None:
    export.entries[AT] = export.entries[AT].replace(b'"auto"', b'"evil"')


def edit_with_leaf(export: Export) -> None:
    edit(export)
    export.entries[AT] = rehash(export.entries[AT])


def edit_with_all_hashes(export: Export) -> None:
    edit_with_leaf(export)
    rechain(export, AT)


def alter_link(export: Export) -> None:
    export.entries[AT] = re.sub(rb'"prev":"..', b'"prev":"00', export.entries[AT])


def insert(export: Export) -> None:
    line = export.entries[AT].replace(b'"seq":', b'"seq":9')
    export.entries.insert(AT, rehash(line))
    export.renumber()


def delete(export: Export) -> None:
    del export.entries[AT]
    export.renumber()


def delete_without_care(export: Export) -> None:
    del export.entries[AT]


def swap(export: Export) -> None:
    e = export.entries
    e[AT], e[AT + 1] = e[AT + 1], e[AT]
    export.renumber()


def swap_writers(export: Export) -> None:
    e = export.entries
    other = next(n for n in range(AT, len(e)) if export.whose(n)[0] != export.whose(AT)[0])
    e[AT], e[other] = e[other], e[AT]
    export.renumber()


def duplicate(export: Export) -> None:
    export.entries.insert(AT, export.entries[AT - 1])
    export.renumber()


def append_a_copy(export: Export) -> None:
    export.entries.append(export.entries[3])
    export.renumber()


def append_another(export: Export) -> None:
    export.entries.append(rehash(export.entries[-1].replace(b'"seq":', b'"seq":7')))
    export.renumber()


def cut_tail(export: Export) -> None:
    del export.entries[-4:]


def cut_within_a_line(export: Export) -> None:
    export.entries[-1] = export.entries[-1][:-20]


def cut_head(export: Export) -> None:
    del export.entries[:3]


def cut_head_with_its_checkpoints_records(export: Export) -> None:
    sizes = [json.loads(line)["body"]["size"] for line in export.checkpoints]
    del export.entries[: sizes[0] + 1]


def cut_out_a_checkpoints_records(export: Export) -> None:
    sizes = [json.loads(line)["body"]["size"] for line in export.checkpoints]
    del export.entries[sizes[0] : sizes[1] + 1]


def cut_head_and_renumber(export: Export) -> None:
    cut_head(export)
    export.renumber()


def renumber_one(export: Export) -> None:
    export.entries[AT] = re.sub(rb'"n":\d+', b'"n":22', export.entries[AT])


def spoil(export: Export) -> None:
    export.entries[AT] = b"\xff" + export.entries[AT]


def drop_a_checkpoint(export: Export) -> None:
    del export.checkpoints[1]


def repeat_a_checkpoint(export: Export) -> None:
    export.checkpoints.insert(2, export.checkpoints[1])


def alter_a_checkpoint(export: Export) -> None:
    export.checkpoints[1] = export.checkpoints[1].replace(b'"at_ms":17', b'"at_ms":18')


def alter_runs(export: Export) -> None:
    export.checkpoints[1] = export.checkpoints[1].replace(b'["w0-a",13', b'["w0-a",12')


def drop_all_checkpoints(export: Export) -> None:
    export.checkpoints.clear()


FIRST_SIZE = 23
"""Records under the first checkpoint."""
TABLE: list[tuple[Tamper, str, int | None]] = [
    (edit, "edited", AT),
    (edit_with_leaf, "edited", AT),
    (edit_with_all_hashes, "edited", -1),
    (alter_link, "link_altered", AT),
    (insert, "inserted", AT),
    (delete, "deleted", AT),
    (delete_without_care, "deleted", AT),
    (swap, "swapped", AT),
    (swap_writers, "swapped", AT),
    (duplicate, "duplicated", AT),
    (append_a_copy, "duplicated", 90),
    (append_another, "inserted", 90),
    (cut_tail, "truncated", 86),
    (cut_within_a_line, "unreadable", 89),
    (cut_head, "deleted", 0),
    (cut_head_and_renumber, "deleted", 0),
    (cut_head_with_its_checkpoints_records, "deleted", 0),
    (cut_out_a_checkpoints_records, "deleted", FIRST_SIZE),
    (renumber_one, "renumbered", AT),
    (spoil, "unreadable", AT),
    (drop_a_checkpoint, "deleted", None),
    (repeat_a_checkpoint, "duplicated", None),
    (alter_a_checkpoint, "signature", None),
    (alter_runs, "forged", None),
    (drop_all_checkpoints, "truncated", None),
]


def test_a_log_that_nobody_touched_is_good(whole: Export) -> None:
    assert judged(whole, whole.anchors()) == []


@pytest.mark.parametrize(
    ("tamper", "kind", "record"), TABLE, ids=lambda row: getattr(row, "__name__", "")
)
def test_what_was_done_is_named_and_where(
    whole: Export, tamper: Tamper, kind: str, record: int | None
) -> None:
    export = whole.copy()
    tamper(export)
    found = judged(export)
    assert [each.kind for each in found] == [kind]
    if record == -1:  # only the run can be told: every hash in it was made anew
        assert found[0].record is not None
        assert found[0].until is not None
        assert found[0].record <= AT < found[0].until
    else:
        assert found[0].record == record


@pytest.mark.parametrize("careful", [True, False])
def test_neighbors_that_were_swapped_are_told_so_wherever_they_stand(
    whole: Export, careful: bool
) -> None:
    """Also where one checkpoint ends and the next begins."""
    for at in range(len(whole.entries) - 1):
        export = whole.copy()
        e = export.entries
        e[at], e[at + 1] = e[at + 1], e[at]
        if careful:
            export.renumber()
        assert [(each.kind, each.record) for each in judged(export)] == [("swapped", at)]


def test_a_copy_of_a_later_record_is_inserted(whole: Export) -> None:
    sizes = [read_checkpoint(line).body.size for line in whole.checkpoints]
    for at in sizes[:-1]:
        export = whole.copy()
        export.entries.insert(at - 1, export.entries[at])
        export.renumber()
        assert [(each.kind, each.record) for each in judged(export)] == [("inserted", at - 1)]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, 89), byte=st.integers(0, 400), bit=st.integers(0, 7))
def test_no_bit_of_a_record_can_be_changed(whole: Export, at: int, byte: int, bit: int) -> None:
    export = whole.copy()
    line = bytearray(export.entries[at])
    line[byte % len(line)] ^= 1 << bit
    export.entries[at] = bytes(line)
    found = judged(export)
    assert len(found) == 1
    assert found[0].record in (at - 1, at) or (found[0].record or 0) <= at < (found[0].until or 0)


def test_an_older_copy_is_found_by_an_anchor_only(whole: Export) -> None:
    older = whole.copy()
    kept = read_checkpoint(older.checkpoints[2]).body.size
    del older.checkpoints[3:]
    del older.entries[kept:]
    assert judged(older) == []
    found = judged(older, whole.anchors())
    assert [(each.kind, each.record) for each in found] == [("rolled_back", kept)]


def test_two_histories_of_one_log_are_a_fork(tmp_path: Path) -> None:
    """Someone with the key goes on from an older copy of the data directory."""
    import shutil

    world = World(tmp_path / "one")
    world.fill(rounds=2).close()
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("run"))
    sides = []
    for name, writer in (("one", "w7-x"), ("two", "w8-y")):
        side = World(tmp_path / name)
        notary = side.notary()
        notary.open()
        side.write(writer, 3)
        side.clock.now += 50
        notary.round()
        notary.close()
        sides.append(side.export())
        side.close()
    world.close()
    one, two = sides
    assert judged(one) == []
    assert judged(two) == []
    assert [each.kind for each in judged(one, two.anchors())] == ["fork"]
    both = one.copy()
    both.checkpoints += two.checkpoints[-2:]
    assert [each.kind for each in judged(both)] == ["fork"]
    mixed = one.copy()
    mixed.checkpoints[-1] = two.checkpoints[-1]
    assert [each.kind for each in judged(mixed)] == ["fork"]


def test_a_gap_in_a_writers_sequence_is_named_for_ever(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("w0-a", 6)
    path = next((tmp_path / "journal").glob("w0-a.*"))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = b"00000000" + lines[4][8:]
    path.write_bytes(b"".join(lines))
    notary = world.notary()
    notary.open()
    notary.close()
    export = world.export()
    found = judged(export)
    assert [(each.kind, each.writer, each.seq) for each in found if each.writer] == [
        ("gap", "w0-a", 5)
    ]
    world.close()


def test_a_key_is_replaced_and_both_are_trusted(tmp_path: Path) -> None:
    world = World(tmp_path)
    notary = world.fill(rounds=1)
    old = world.export().trusted
    new = rotate(tmp_path / "evidence", 1_700_000_011_000)
    world.write("w0-a", 2)
    world.clock.now += 20
    notary.round()
    notary.close()
    export = world.export()
    assert len(export.keys) == 2
    assert judged(export, trusted=old) == []
    assert judged(export, trusted=new.public) == []
    assert [each.kind for each in judged(export, trusted=b"k" * 32)] == ["keys"]
    assert b'"type":"key_changed"' in b"".join(export.entries)
    assert len(list((tmp_path / "evidence").glob("*.seed"))) == 1, "the old secret is gone"
    forged = export.copy()
    forged.keys[1] = forged.keys[1].replace(b'"from_ms":17', b'"from_ms":18')
    assert [each.kind for each in judged(forged, trusted=old)] == ["keys"]
    world.close()


def test_a_row_that_only_names_the_trusted_key_convinces_nobody(tmp_path: Path) -> None:
    """A forger knows the auditor's key, which is public, and ends a row of their own with it."""
    world = World(tmp_path)
    notary = world.fill(rounds=1)
    world.clock.now += 20
    notary.close()
    trusted = rotate(tmp_path / "evidence", 1_700_000_011_000).public
    export = world.export()
    assert [each.kind for each in judged(export, trusted=trusted)] == ["keys"]
    assert judged(export) == [], "for its own key it is what it was"
    world.close()


def test_a_key_that_was_replaced_signs_nothing_any_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    notary = world.fill(rounds=1)
    first = next((tmp_path / "evidence").glob("*.seed"))
    stolen = bytes.fromhex(first.read_text())
    rotate(tmp_path / "evidence", 1_700_000_011_000)
    for _ in range(2):
        world.write("w0-a", 2)
        world.clock.now += 20
        notary.round()
    notary.close()
    export = world.export()
    last = read_checkpoint(export.checkpoints[-1])
    raw = last.raw.replace(last.body.key.encode(), first.stem.encode())
    raw = raw.replace(b'"log":"' + first.stem.encode(), b'"log":"' + last.body.log.encode())
    runs = write_runs(last.runs or ())
    export.checkpoints[-1] = checkpoint_line(raw, sign(stolen, signed_checkpoint(raw)), runs)
    assert [each.kind for each in judged(export)] == ["signature"]
    world.close()


def test_whoever_has_the_key_cannot_sign_what_does_not_add_up(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.fill(rounds=1).close()
    seed = bytes.fromhex(next((tmp_path / "evidence").glob("*.seed")).read_text())
    export = world.export()

    def resigned(runs: tuple[Run, ...], **body: object) -> list[str]:
        forged = export.copy()
        last = read_checkpoint(forged.checkpoints[-1])
        whole = {"runs": runs_hash(write_runs(runs)).hex(), **body}
        said = {name: getattr(last.body, name) for name in last.body.__struct_fields__} | whole
        raw = json.dumps(said, separators=(",", ":")).encode()
        forged.checkpoints[-1] = checkpoint_line(
            raw, sign(seed, signed_checkpoint(raw)), write_runs(runs)
        )
        return [each.kind for each in judged(forged)]

    runs = read_checkpoint(export.checkpoints[-1]).runs or ()
    assert resigned(runs) == []
    assert resigned(runs, root="00" * 32) == ["root"]
    assert resigned(runs, size=1) == ["forged"]
    assert resigned(runs, at_ms=1) == ["forged"]
    assert resigned(runs, log="00" * 16) == ["signature"]
    assert resigned((*runs, runs[0]), size=999) == ["forged"]
    world.close()


def test_findings_can_be_written_for_programs(whole: Export) -> None:
    export = whole.copy()
    edit(export)
    assert dataclasses.asdict(judged(export)[0])["kind"] == "edited"
