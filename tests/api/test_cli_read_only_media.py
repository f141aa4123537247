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
from small_disks import make_read_only, small_disk

from federation.control.ingest import Ingest
from federation.storage.calls import SqlCalls
from federation.storage.journal_reader import JournalReader


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A data directory with some calls under checkpoints, on a file system of its own."""
    with small_disk(tmp_path / "data", "16m") as data:
        world = World(data)
        world.fill().close()
        Ingest(JournalReader(data / "journal"), SqlCalls(world.engine), world.clock).run()
        world.close()
        make_read_only(data)
        yield data


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
    assert "CC7.2" in told("compliance", "report", "--framework", "soc2")
    to = closed.parent / "export"
    told("audit", "export", str(to))
    assert json.loads(told("audit", "verify", str(to), "--key", public, "--ledger", "--json"))
