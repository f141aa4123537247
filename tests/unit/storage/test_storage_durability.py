"""What must outlast a loss of power is on the disk with its name, and not only with its content."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.storage.evidence_keys import KeyFiles
from federation.storage.sealing_brought import Brought
from federation.storage.sealing_logs import Tombstone, open_sealing_logs
from federation.storage.secrets import kept_secret


def make_evidence_key(place: Path) -> None:
    files = KeyFiles(place)
    with files.changing():
        files.add("key_1", b"s" * 32, b"{}\n")


def make_secret(place: Path) -> None:
    kept_secret(place / "master.key", lambda: "secret")


def bury_a_key(place: Path) -> None:
    open_sealing_logs([place]).tombstones.add([Tombstone("seal_1", "acme", 1, "erased")])


def bring_keys(place: Path) -> None:
    Brought(place / "brought.json").write({})


@pytest.mark.parametrize(
    "make", [make_evidence_key, make_secret, bury_a_key, bring_keys], ids=lambda f: f.__name__
)
def test_a_new_file_is_synced_and_then_its_directory(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def watched(fd: int) -> None:
        synced.append("directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        sync(fd)

    monkeypatch.setattr(os, "fsync", watched)
    make(tmp_path)
    assert synced[0] == "file"
    assert synced[-1] == "directory"
