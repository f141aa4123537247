"""The short soak: memory stays flat and nothing fails, over thousands of calls with aborts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_a_worker_stays_flat_and_fails_nobody(tmp_path: Path) -> None:
    out = tmp_path / "soak.json"
    subprocess.run(
        [sys.executable, "-m", "bench.soak", "--short", "--out", str(out)],
        cwd=ROOT,
        check=False,
        timeout=240,
        capture_output=True,
    )
    found = json.loads(out.read_text())
    assert found["failures"] == 0
    assert found["aborted"] > 0
    assert found["flat"], found["drift"]
    assert max(each["worker_mib"] for each in found["slices"]) < 120
