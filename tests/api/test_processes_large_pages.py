"""A worker that has settled lies in large pages where there are any, and answers as before."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from processes import serving, write_config

_ABLE = """
from federation.bootstrap.large_pages import collapse_heap
held = [bytes(1000) for _ in range(20_000)]
print(collapse_heap())
"""


def _large_kb(pid: int) -> int:
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith("AnonHugePages:"))


async def test_a_worker_that_has_settled_lies_in_large_pages(tmp_path: Path) -> None:
    tried = subprocess.run([sys.executable, "-c", _ABLE], capture_output=True, check=True)
    able = int(tried.stdout) > 0
    config = write_config(tmp_path, "http://127.0.0.1:1/v1")
    async with serving(tmp_path, config, 1) as service:
        (worker,) = service.workers()
        end = time.monotonic() + (30 if able else 7)
        while time.monotonic() < end and not _large_kb(worker):
            await asyncio.sleep(0.2)
        assert (_large_kb(worker) > 0) == able
        async with service.client() as client:
            assert (await client.get("/v1/models")).status_code == 200
        assert service.workers() == {worker}
