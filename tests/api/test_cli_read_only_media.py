"""`federation audit` on a data directory that is mounted read-only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from evidence_world import World

from federation.control.ingest import Ingest
from federation.storage.calls import SqlCalls
from federation.storage.journal_reader import JournalReader


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A data directory with some calls under checkpoints, on a file system of its own."""
    data = tmp_path / "data"
    data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(data)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no mount command")
    if made.returncode:
        pytest.skip("we may not mount a file system")
    try:
        world = World(data)
        world.fill().close()
        Ingest(JournalReader(data / "journal"), SqlCalls(world.engine), world.clock).run()
        world.close()
        subprocess.run(["mount", "-o", "remount,ro", str(data)], check=True)
        yield data
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


def test_a_data_directory_on_read_only_media_is_verified_and_queried(closed: Path) -> None:
    def told(*arguments: str) -> str:
        line = [sys.executable, "-m", "federation.cli.main", *arguments, f"--data={closed}"]
        environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            line, check=False, capture_output=True, text=True, timeout=60, cwd="/", env=environ
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    public = json.loads(told("audit", "checkpoint", "--json"))["public"]
    assert json.loads(told("audit", "verify", "--key", public, "--json"))["verified"]
    assert len(json.loads(told("audit", "query", "--limit", "5", "--json"))["data"]) == 5
    to = closed.parent / "export"
    told("audit", "export", str(to))
    assert json.loads(told("audit", "verify", str(to), "--key", public, "--ledger", "--json"))
