"""What a log may say of another, and of calls, has one form; both verifiers read no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from evidence_web import Cluster, judged
from evidence_world import ended

from federation.storage.journal import JournalWriter

Line = Callable[[str, str], bytes]
DEEP = b"[" * 100_000 + b"]" * 100_000


def record(anchor: str, public: str, **more: object) -> bytes:
    said = {"type": "witnessed", "at_ms": 1, "replica": "b", "public": public} | {
        "checkpoint": anchor
    }
    whole = {"writer": "odd", "seq": 1, "record": said | more}
    return json.dumps(whole, separators=(",", ":")).encode()


TABLE: dict[str, tuple[Line, list[str]]] = {
    "as it is": (record, []),
    "nested": (lambda a, p: record(a, p)[:-2] + b',"x":' + DEEP + b"}}", ["witness"]),
    "nested within": (
        lambda a, p: record('{"body":' + DEEP.decode() + "}", p),
        ["witness"],
    ),
    "replica is none": (lambda a, p: record(a, p, replica=5), ["witness"]),
    "replica moves the cursor": (lambda a, p: record(a, p, replica="\x1b[2K"), ["witness"]),
    "half a character": (lambda a, p: record(a, p, replica="\ud800"), ["witness"]),
    "half a character within": (lambda a, p: record("\ud800", p), ["witness"]),
    "no time": (lambda a, p: record(a, p).replace(b'"at_ms":1,', b""), ["witness"]),
    "time is none": (lambda a, p: record(a, p, at_ms="x"), ["witness"]),
    "time before all": (lambda a, p: record(a, p, at_ms=-1), ["witness"]),
    "newlines": (lambda a, p: record(a + "\n", p), ["witness"]),
    "more after the signature": (lambda a, p: record(a[:-1] + ',"x":1}', p), ["witness"]),
    "runs after the signature": (lambda a, p: record(a[:-1] + ',"runs":[]}', p), ["witness"]),
    "a member more": (lambda a, p: record(a, p, x=1), ["witness"]),
    "spaces": (lambda a, p: record(a, p).replace(b'"at_ms":1', b'"at_ms": 1'), ["witness"]),
    "key in capitals": (lambda a, p: record(a, p.upper()), ["witness"]),
    "a record twice": (lambda a, p: record(a, p)[:-1] + b',"record":{"type":"x"}}', ["witness"]),
    "another order of members": (
        lambda a, p: (
            b'{"writer":"odd","seq":1,"record":{"type":"ended","at_ms":5,"call":"call_001001"}}'
        ),
        [],
    ),
    "a call that is no text": (
        lambda a, p: b'{"writer":"odd","seq":1,"record":{"type":"ended","call":"\xff\xfe"}}',
        [],
    ),
    "a call once more": (
        lambda a, p: b'{"writer":"odd","seq":1,"record":{"type":"ended","call":"call_001001"}}',
        ["answered_twice"],
    ),
}


@pytest.mark.parametrize("what", TABLE)
def test_what_is_written_in_another_way_is_the_same_to_both(tmp_path: Path, what: str) -> None:
    line, kinds = TABLE[what]
    cluster = Cluster(tmp_path)
    for name in ("a", "b"):
        cluster.join(name)
    cluster.work(3)
    b = cluster.replicas["b"].export()
    directory = cluster.root / "a" / "evidence" / "journal"
    odd = JournalWriter(directory, "odd")
    odd.append(ended("call_odd"))
    odd.close()
    (file,) = directory.glob("odd.*")
    body = line(b.anchors()[-1].decode().rstrip("\n"), b.trusted.hex())
    file.write_bytes(b"%08x %b\n" % (crc32(body), body))
    cluster.work(1)
    exports = cluster.close()
    assert any(b'"writer":"odd"' in each for each in exports["a"].entries)
    assert [kind for kind, _, _ in judged(exports)] == kinds


def test_a_writer_with_a_long_name_is_heard_by_both(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    for name in ("a", "b"):
        cluster.join(name)
    cluster.work(2)
    lines = JournalWriter(cluster.root / "b" / "journal", "w" * 200)
    lines.append(ended("call_001001"))
    lines.close()
    cluster.work(1)
    found = judged(cluster.close())
    assert [kind for kind, _, _ in found] == ["answered_twice"]
