"""Proofs made from a log, good and forged, judged by both verifiers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from evidence_world import World
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.control.ingest import Ingest
from federation.control.notary_keys import rotate
from federation.errors import NotFound
from federation.evidence import merkle, proofs
from federation.evidence.documents import judge, read_document, write_document
from federation.evidence.hashing import EMPTY_ROOT, leaf_hash, node_hash
from federation.storage.calls import SqlCalls
from federation.storage.journal_reader import JournalReader
from federation_verify import tree
from federation_verify.proof import read_proof, verify_proof

LEAVES = [leaf_hash(b"%d" % n) for n in range(1100)]


def naive(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(naive(leaves[:k]), naive(leaves[k:]))


def subtree(start: int, end: int) -> bytes:
    return naive(LEAVES[start:end])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 400), max_size=6))
def test_a_tree_grows_in_any_steps_to_the_same_root_and_goes_on_from_its_peaks(
    steps: list[int],
) -> None:
    grown, theirs, size = merkle.Frontier(), tree.Tree(), 0
    tiles: list[bytes] = []
    for step in steps:
        part = LEAVES[size : size + step]
        tiles += grown.extend(part)
        theirs.extend(part)
        size += len(part)
        grown = merkle.Frontier(size, grown.peaks)
    assert grown.root() == theirs.root() == naive(LEAVES[:size])
    assert tiles == [subtree(at, at + 256) for at in range(0, size - 255, 256)]


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 700), st.data())
def test_paths_lead_to_the_root_for_both_verifiers(size: int, data: st.DataObject) -> None:
    at, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root, earlier = naive(LEAVES[:size]), naive(LEAVES[:first])
    path = merkle.inclusion_path(at, size, subtree)
    assert proofs.includes(at, size, LEAVES[at], path, root)
    assert tree.root_from_inclusion(at, size, LEAVES[at], path) == root
    assert not proofs.includes(at, size, LEAVES[at], [*path, root], root)
    assert tree.root_from_inclusion(at, size, LEAVES[at], [*path, root]) is None
    path = merkle.consistency_path(first, size, subtree)
    assert proofs.consistent(first, size, path, earlier, root)
    assert tree.roots_from_consistency(first, size, earlier, path) == (earlier, root)


def test_no_path_is_made_for_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_path(3, 3, subtree)
    with pytest.raises(ValueError, match="beginning"):
        merkle.consistency_path(0, 3, subtree)
    with pytest.raises(ValueError, match="peaks"):
        merkle.Frontier(3, [])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("proofs"))
    notary = made.fill(rounds=6, calls=30)
    Ingest(JournalReader(made.data / "journal"), SqlCalls(made.engine), made.clock).run()
    notary.close()
    yield made
    made.close()


def both(document: bytes, trusted: bytes) -> str:
    """The word that both verifiers find, empty where the proof holds."""
    read, theirs = read_document(document), read_proof(document)
    assert read is not None
    assert theirs is not None
    ours, other = judge(read, trusted), verify_proof(theirs, trusted)
    assert (ours is None) == (other is None)
    return ours.kind if ours is not None else ""


def test_every_call_can_be_proven_to_be_in_the_log(world: World) -> None:
    reading, trusted = world.reading(), world.export().trusted
    assert reading.newest().body.size > 512, "whole tiles are part of it"
    for n in range(1, world.calls + 1, 7):
        document = reading.include(world.index, f"call_{n:06d}")
        assert both(write_document(document), trusted) == ""
        assert json.loads(document.line)["record"]["call"] == f"call_{n:06d}"


def test_a_proof_survives_being_written_anew_by_another_tool(world: World) -> None:
    document = write_document(world.reading().include(world.index, "call_000042"))
    anew = json.dumps(json.loads(document), sort_keys=True, indent=7).encode()
    assert both(anew, world.export().trusted) == ""


def test_a_call_that_is_not_there_or_not_sealed_cannot_be_proven(world: World) -> None:
    with pytest.raises(NotFound, match="no call"):
        world.reading().include(world.index, "call_x")
    with pytest.raises(NotFound, match="no checkpoint 999"):
        world.reading().continues(999, None)
    with pytest.raises(NotFound, match="not after"):
        world.reading().continues(3, 1)


def test_every_checkpoint_continues_every_earlier_one(world: World) -> None:
    reading, trusted = world.reading(), world.export().trusted
    last = reading.newest().body.n
    for first in range(last + 1):
        for second in range(first, last + 1):
            assert both(write_document(reading.continues(first, second)), trusted) == ""


def forged(document: Any, **changed: Any) -> bytes:
    return write_document(msgspec.structs.replace(document, **changed))


def test_forged_proofs_are_refused(world: World) -> None:
    reading, trusted = world.reading(), world.export().trusted
    good = reading.include(world.index, "call_000042")
    other = reading.include(world.index, "call_000043")
    path = good.path
    assert both(forged(good, n=good.n + 1), trusted) == "forged"
    assert both(forged(good, n=-1), trusted) == "forged"
    assert both(forged(good, line=good.line.replace("ok", "no")), trusted) == "forged"
    assert both(forged(good, path=path[:-1]), trusted) == "forged"
    assert both(forged(good, path=(*path, path[0])), trusted) == "forged"
    assert both(forged(good, path=other.path), trusted) == "forged"
    assert both(forged(good, path=("xx", *path[1:])), trusted) == "forged"
    assert both(forged(good, checkpoint=good.checkpoint.replace('"n":', '"n":1')), trusted)
    assert both(forged(good, checkpoint="{}"), trusted)
    assert both(forged(good, keys=()), trusted) == "keys"
    assert both(write_document(good), b"k" * 32) == "keys"
    whole = reading.continues(1, 3)
    assert both(forged(whole, path=whole.path[1:]), trusted) == "forged"
    assert both(forged(whole, first=whole.second, second=whole.first), trusted) == "forged"
    assert both(forged(whole, first=reading.continues(2, 3).first), trusted) == "forged"
    assert read_document(b"[]") is None
    assert read_proof(b"\xff") is None


def test_a_row_that_only_names_the_trusted_key_proves_nothing(tmp_path: Path) -> None:
    """A forger knows the auditor's key, which is public, and ends a row of their own with it."""
    made = World(tmp_path)
    made.fill(rounds=2).close()
    Ingest(JournalReader(made.data / "journal"), SqlCalls(made.engine), made.clock).run()
    own = made.export().trusted
    trusted = rotate(tmp_path / "evidence", 1_700_000_011_000).public
    reading = made.reading()
    for proof in (reading.include(made.index, "call_000002"), reading.continues(0, 1)):
        assert both(write_document(proof), own) == ""
        assert both(write_document(proof), trusted) == "keys"
    notary = made.notary()
    notary.open()
    notary.close()
    for proof in (reading.include(made.index, "call_000002"), reading.continues(0, None)):
        assert both(write_document(proof), own) == ""
        assert both(write_document(proof), trusted) == ""
    made.close()
