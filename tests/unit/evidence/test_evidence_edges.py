"""Where the format could be read in two ways: both verifiers read it as its page says."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
from evidence_web import judged
from evidence_world import Export

from federation.cli.audit_files import NAMES, opened
from federation.cli.failures import CommandFailed
from federation.evidence.checkpoints import checkpoint_line
from federation.evidence.documents import judge, read_document
from federation.evidence.growth import Growth, LogHead, entry_line
from federation.evidence.hashing import key_id, leaf_hash, runs_hash, signed_checkpoint
from federation.evidence.signing import Key, key_line, public_of, read_keys, sign
from federation.evidence.verify import Verification
from federation_verify.log import Log as TheirLog
from federation_verify.main import main as federation_verify
from federation_verify.proof import read_proof, verify_proof

AT_MS = 1_700_000_000_000
LARGE = 1 << 63
MOST = LARGE - 1


def seed(name: str) -> bytes:
    return sha256(name.encode()).digest()


@dataclass
class Made:
    """A log that is signed by hand, each record by the writer `w`."""

    name: str
    keys: list[bytes] = field(default_factory=list)
    checkpoints: list[bytes] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    at_ms: int = AT_MS
    seq: int = 0

    def __post_init__(self) -> None:
        self.signers: list[bytes] = []
        self.key(seed(self.name))
        self.growth = Growth(LogHead(self.row()[0].id))

    def row(self) -> list[Key]:
        publics = [public_of(each) for each in self.signers]
        return [Key(n, key_id(public), public) for n, public in enumerate(publics)]

    def key(self, made: bytes, from_ms: int = AT_MS) -> None:
        row = self.row()
        signer = self.signers[-1] if row else made
        before, log = (row[-1], row[0].id) if row else (None, "")
        self.keys.append(key_line(made, from_ms, signer, before, log))
        self.signers.append(made)

    def write(self, record: str) -> Made:
        self.seq += 1
        line = f'{{"writer":"w","seq":{self.seq},"record":{record}}}'.encode()
        self.entries.append(entry_line(len(self.entries), self.growth.link("w"), line))
        self.growth.take("w", [(self.seq, line)])
        return self

    def end(self, call: str) -> Made:
        return self.write(f'{{"type":"ended","call":"{call}"}}')

    def witness(self, other: Made, at_ms: int) -> Made:
        held = json.dumps(other.anchors()[-1].decode().rstrip())
        public = other.row()[0].public.hex()
        return self.write(
            f'{{"type":"witnessed","at_ms":{at_ms},"replica":"r","public":"{public}",'
            f'"checkpoint":{held}}}'
        )

    def seal(self, more: str = "") -> Made:
        """A checkpoint; `more` stands behind its runs, and is signed."""
        self.at_ms += 10
        draft = self.growth.draft(self.at_ms, self.row()[-1].id)
        runs = draft.runs[:-1] + more.encode() + b"]"
        body = draft.body.replace(
            runs_hash(draft.runs).hex().encode(), runs_hash(runs).hex().encode()
        )
        signature = sign(self.signers[-1], signed_checkpoint(body))
        self.checkpoints.append(checkpoint_line(body, signature, runs))
        self.growth.sealed(draft)
        return self

    def export(self) -> Export:
        return Export(list(self.keys), list(self.checkpoints), list(self.entries))

    def anchors(self) -> list[bytes]:
        return self.export().anchors()


def alone(
    export: Export, anchors: list[bytes] | None = None, through: int | None = None
) -> list[str]:
    """The kinds that both programs find in one log, judged with `--alone`."""
    ours = Verification(export.trusted, export.keys, through_ms=through)
    found = ours.run(export.checkpoints, export.entries, anchors or []).findings
    log = TheirLog(through=through)
    said = log.verify(
        export.trusted, export.keys, export.checkpoints, export.entries, anchors or []
    )
    assert [each.kind for each in said] == [each.kind for each in found]
    assert (log.anchors, log.set_aside) == (ours.report.anchors, ours.report.set_aside)
    return [each.kind for each in found]


def kinds(*logs: Made) -> list[str]:
    """The kinds that both programs find in logs that are judged as one."""
    exports = {log.name: log.export() for log in logs}
    return [kind for kind, _, _ in judged(exports, [each.trusted for each in exports.values()])]


def empty_first() -> Made:
    return Made("a").seal().end("c1").seal()


def empty_later() -> Made:
    return Made("a").end("c1").seal().seal()


def key_again() -> Made:
    made = Made("a").end("c1").seal()
    made.key(seed("other"))
    made.end("c2").seal()
    made.key(made.signers[0])
    return made


def key_from(ms: int) -> Callable[[], Made]:
    def make() -> Made:
        made = Made("a").end("c1").seal()
        made.key(seed("other"), ms)
        return made.end("c2").seal()

    return make


def run_of_none(writer: str, first: int) -> Callable[[], Made]:
    return lambda: Made("a").end("c1").seal(f',["{writer}",{first},0,"{"0" * 64}"]')


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (empty_first, ["forged"]),
        (empty_later, ["forged"]),
        (key_from(1), []),
        (key_from(MOST), []),
        (run_of_none("new", 1), ["unreadable"]),
        (run_of_none("w", 2), ["unreadable"]),
    ],
)
def test_what_a_checkpoint_and_a_key_may_say(make: Callable[[], Made], found: list[str]) -> None:
    assert alone(make().export()) == found


@pytest.mark.parametrize("make", [key_again, key_from(LARGE)])
def test_a_key_that_stands_twice_or_has_too_large_a_number_makes_no_row(
    make: Callable[[], Made],
) -> None:
    export = make().export()
    trusted = read_keys(export.keys[:1])[0].public
    ours = Verification(trusted, export.keys).run(export.checkpoints, export.entries)
    theirs = TheirLog().verify(trusted, export.keys, export.checkpoints, export.entries)
    assert [each.kind for each in ours.findings] == [each.kind for each in theirs] == ["keys"]


@pytest.mark.parametrize(("at_ms", "found"), [(MOST, []), (LARGE, ["witness"])])
def test_a_witness_has_a_time_that_is_a_count(at_ms: int, found: list[str]) -> None:
    b = Made("b").end("c1").seal()
    a = Made("a").end("c2").witness(b, at_ms).seal()
    assert kinds(a, b) == found


ENDS: dict[str, tuple[str, bool]] = {
    "as it is written": ('{"type":"ended","call":"c1"}', True),
    "with more": ('{"type":"ended","call":"c1","status":200}', True),
    "no JSON at all behind": ('{"type":"ended","call":"c1"]}', True),
    "a space": ('{"type": "ended","call":"c1"}', False),
    "another order": ('{"call":"c1","type":"ended"}', False),
    "an escape": ('{"type":"ended","call":"\\u0063\\u0031"}', False),
    "of another type": ('{"type":"started","call":"c1"}', False),
}


@pytest.mark.parametrize("what", ENDS)
def test_a_call_that_ended_twice_is_found_in_one_log_too(what: str) -> None:
    record, counts = ENDS[what]
    made = Made("a").end("c1").end("c2").seal().end("c3").write(record).seal()
    assert kinds(made) == (["answered_twice"] if counts else [])
    assert alone(made.export()) == [], "which looks at one log's own rules only"


def test_ends_of_many_calls_are_told_apart_and_in_their_order() -> None:
    made = Made("a")
    for n in range(300):
        made.end(f"call_{n}")
    made.seal()
    again = [299, 7, 150, 7]
    for n in again:
        made.end(f"call_{n}").seal()
    export = made.export()
    assert judged({"a": export}) == [("answered_twice", "a", 300 + n) for n in range(4)]
    export.entries[302] = export.entries[302].replace(b"call_150", b"call_151")
    found = judged({"a": export})
    assert found == [("edited", "a", 302), *(("answered_twice", "a", n) for n in (300, 301))]


def test_a_late_anchor_may_be_by_a_key_that_came_after_the_export(tmp_path: Path) -> None:
    made = Made("a").end("c1").seal().end("c2").seal()
    export, early = made.export(), made.anchors()
    made.key(seed("other"))
    late = made.end("c3").seal().anchors()[-1]
    assert alone(export, [*early, late]) == ["signature"]
    assert alone(export, [*early, late], AT_MS + 30) == ["signature"], "later is not equal"
    assert alone(export, [*early, late], AT_MS + 29) == []
    assert judged({"a": export}, anchors=[*early, late], through_ms=AT_MS + 29) == []
    args = [str(export.save(tmp_path / "export")), "--key", export.trusted.hex(), "--anchor"]
    (tmp_path / "anchors").write_bytes(late)
    for alone_or_not in ([], ["--alone"]):
        more = [str(tmp_path / "anchors"), "--through", str(AT_MS + 25), *alone_or_not]
        assert federation_verify([*args, *more]) == 2, "no anchor is left"


def link(name: str, to: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = tarfile.SYMTYPE, to
    return found


def file(name: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size = len(b"forged")
    return found


TARS: dict[str, list[tarfile.TarInfo]] = {
    "a path from the root": [file("/entries.jsonl")],
    "two strokes": [file(".//entries.jsonl")],
    "out of a directory": [file("a/../entries.jsonl")],
    "by way of a link": [link("d", "."), file("d/entries.jsonl")],
    "links to themselves": [link(name, name) for name in NAMES],
}


@pytest.mark.parametrize("what", TARS)
def test_a_tar_that_may_unpack_to_other_files_is_no_export(what: str, tmp_path: Path) -> None:
    export = Made("a").end("c1").seal().export()
    path = tmp_path / "packed.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(export.save(tmp_path / "export"), "")
    args = [str(path), "--key", export.trusted.hex()]
    assert federation_verify(args) == 0
    with opened(path) as streams:
        assert list(streams.entries) == export.entries
    with tarfile.open(path, "a") as tar:
        for each in TARS[what]:
            tar.addfile(each, BytesIO(b"forged"))
    assert federation_verify(args) == 2
    with pytest.raises(CommandFailed), opened(path):
        pass


def proof_of(made: Made) -> dict[str, object]:
    first, second = (entry[entry.index(b'"line":') + 7 : -2] for entry in made.entries[:2])
    return {
        "kind": "inclusion",
        "keys": [line.decode().rstrip() for line in made.keys],
        "n": 0,
        "line": first.decode(),
        "path": [leaf_hash(second).hex()],
        "checkpoint": made.anchors()[-1].decode().rstrip(),
    }


def proven(data: bytes, trusted: bytes) -> bool:
    """Whether a proof holds, for both programs."""
    ours, theirs = read_document(data), read_proof(data)
    mine = ours is not None and judge(ours, trusted) is None
    assert (theirs is not None and verify_proof(theirs, trusted) is None) is mine
    return mine


PROOFS: dict[str, tuple[Callable[[dict[str, object]], object], bool]] = {
    "as it is": (lambda p: p, True),
    "a member more": (lambda p: p | {"more": [{"x": 1.5}, None]}, True),
    "with runs": (lambda p: p | {"checkpoint": RUNS(p, "")}, True),
    "with runs that nobody signed": (lambda p: p | {"checkpoint": RUNS(p, "w")}, True),
    "n is true": (lambda p: p | {"n": False}, False),
    "n is no integer": (lambda p: p | {"n": 0.0}, False),
    "n is text": (lambda p: p | {"n": "0"}, False),
    "no n": (lambda p: {name: p[name] for name in p if name != "n"}, False),
    "path in capitals": (lambda p: p | {"path": [str(p["path"][0]).upper()]}, False),  # type: ignore[index]
    "path with a space": (lambda p: p | {"path": [f"{p['path'][0]} "]}, False),  # type: ignore[index]
    "path with spaces": (lambda p: p | {"path": [f" {p['path'][0]}"]}, False),  # type: ignore[index]
    "path is text": (lambda p: p | {"path": ""}, False),
    "path is an object": (lambda p: p | {"path": dict.fromkeys(p["path"])}, False),  # type: ignore[call-overload]
    "keys are an object": (lambda p: p | {"keys": dict.fromkeys(p["keys"])}, False),  # type: ignore[call-overload]
    "a key with its line feed": (lambda p: p | {"keys": [f"{p['keys'][0]}\n"]}, False),  # type: ignore[index]
    "a checkpoint with its line feed": (
        lambda p: p | {"checkpoint": f"{p['checkpoint']}\n"},
        False,
    ),
    "a number that is none": (lambda p: p | {"more": float("nan")}, False),
    "no end of a number": (lambda p: p | {"more": float("-inf")}, False),
    "a list": (lambda p: [p], False),
    "another kind": (lambda p: p | {"kind": "x"}, False),
}


def RUNS(proof: dict[str, object], writer: str) -> str:  # noqa: N802 - it stands in a table
    runs = f',"runs":[["{writer}",1,1,"{"0" * 64}"]]}}' if writer else ',"runs":[]}'
    return str(proof["checkpoint"])[:-1] + runs


@pytest.mark.parametrize("what", PROOFS)
def test_a_proof_has_one_form(what: str) -> None:
    change, holds = PROOFS[what]
    made = Made("a").end("c1").end("c2").seal()
    data = json.dumps(change(proof_of(made))).encode()
    assert proven(data, made.export().trusted) is holds


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "a mark before it": lambda data: b"\xef\xbb\xbf" + data,
    "in UTF-16": lambda data: data.decode().encode("utf-16"),
    "in UTF-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
    "no UTF-8": lambda data: data.replace(b'"kind"', b'"x":"\xff","kind"'),
    "a member twice": lambda data: data.replace(b'"n": 0', b'"n": 1, "n": 0'),
    "a member twice, and the same": lambda data: data.replace(b'"n": 0', b'"n": 0, "n": 0'),
    "twice within": lambda data: data.replace(b'"n": 0', b'"x": [{"y": 1, "y": 1}], "n": 0'),
    "more behind it": lambda data: data + b"{}",
    "too deep": lambda data: data.replace(
        b'"n": 0', b'"x": %b%b, "n": 0' % (b"[" * 200_000, b"]" * 200_000)
    ),
}


@pytest.mark.parametrize("what", BYTES)
def test_a_proof_is_strict_json(what: str) -> None:
    made = Made("a").end("c1").end("c2").seal()
    data = json.dumps(proof_of(made)).encode()
    assert proven(data, made.export().trusted)
    assert BYTES[what](data) != data
    assert not proven(BYTES[what](data), made.export().trusted)
    assert read_proof(BYTES[what](data)) is None
    assert read_document(BYTES[what](data)) is None
