"""Replicas whose clocks differ by an hour: what they count together they count in one time."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from cluster import clustered, until
from gateway_rig import CHAT, HELLO
from scripted import Upstream, whole

AHEAD = """
import time
_now = time.time
time.time = lambda: _now() + 3600
"""
LIMITS = """
rate_limits:
  - {name: each, scope: key, amount: 10, window: hour, method: fixed_window}
"""


async def test_a_limit_holds_over_replicas_whose_clocks_differ(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(AHEAD)
    async with (
        Upstream(whole) as upstream,
        clustered(tmp_path, upstream.url, redis=False, more=LIMITS) as cluster,
        AsyncExitStack() as stack,
    ):
        path = os.environ.get("PYTHONPATH", "")
        cluster.environ["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{path}"
        late = await cluster.start(stack, tmp_path, "c", upstream.url)

        async def told() -> bool:
            return "the clock differs from the database's" in late.log.read_text()

        await until(told)
        seen: Counter[int] = Counter()
        for _ in range(12):
            for service in (cluster.replicas[0], late):
                async with service.client() as client:
                    seen[(await client.post(CHAT, json=HELLO)).status_code] += 1
    assert seen == {200: 10, 429: 14}
    assert "the clock differs" not in cluster.replicas[0].log.read_text()
