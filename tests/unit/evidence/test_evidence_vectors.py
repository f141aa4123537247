"""The published vectors of Merkle proofs, good and forged, through our own checks."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from shared_data import shared

from federation.evidence import proofs
from federation_verify import tree

COUNT = 314
"""Those of subtrees' leaves are left out: nothing here proves one."""


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def holds(kind: str, v: dict[str, Any]) -> bool:
    """What our own code says of a vector."""
    path = [_bytes(node) for node in v.get("proof") or []]
    if kind == "inclusion":
        leaf, root = _bytes(v["leafHash"]), _bytes(v["root"])
        return proofs.includes(v["leafIdx"], v["treeSize"], leaf, path, root)
    if kind == "consistency":
        roots = _bytes(v["root1"]), _bytes(v["root2"])
        return proofs.consistent(v["size1"], v["size2"], path, *roots)
    assert kind == "subtreeconsistency"
    roots = _bytes(v["root1"]), _bytes(v["root2"])
    return proofs.subtree_consistent(v["start"], v["end"], v["size"], path, *roots)


@pytest.mark.real_data
def test_every_published_vector_is_judged_as_it_says() -> None:
    folder = shared("vectors/merkle/testdata")
    files = sorted(
        file
        for file in folder.rglob("*.json")
        if file.relative_to(folder).parts[0] != "subtreeinclusion"
    )
    assert len(files) == COUNT
    wrong: list[tuple[Path, str]] = []
    for file in files:
        vector = json.loads(file.read_text())
        kind = file.relative_to(folder).parts[0]
        if holds(kind, vector) is bool(vector.get("wantErr")):
            wrong.append((file.relative_to(folder), vector.get("desc", "")))
    assert not wrong


@pytest.mark.real_data
def test_the_independent_verifier_judges_the_proofs_of_whole_trees_the_same() -> None:
    folder = shared("vectors/merkle/testdata")
    for file in sorted((folder / "inclusion").rglob("*.json")):
        v = json.loads(file.read_text())
        path = [_bytes(node) for node in v.get("proof") or []]
        found = tree.root_from_inclusion(v["leafIdx"], v["treeSize"], _bytes(v["leafHash"]), path)
        good = found == _bytes(v["root"]) and len(_bytes(v["leafHash"])) == 32
        assert good is not bool(v.get("wantErr")), file.name
    for file in sorted((folder / "consistency").rglob("*.json")):
        v = json.loads(file.read_text())
        path = [_bytes(node) for node in v.get("proof") or []]
        roots = _bytes(v["root1"]), _bytes(v["root2"])
        found_both = tree.roots_from_consistency(v["size1"], v["size2"], roots[0], path)
        assert (found_both == roots) is not bool(v.get("wantErr")), file.name
