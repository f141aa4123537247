"""The playbook's scenarios against the whole gateway: processes, sockets, simulated providers.

One run serves all tests of this file. It takes about 40 s, most of it waiting for a circuit
to turn half-open, as an operator would have to.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from processes import ADMIN, Service, serving

from federation.cli import sandboxing
from federation.cli.playbook_files import sound
from federation.cli.playbook_live import routes

SCENARIOS = [
    "happy_path",
    "retry",
    "circuit_trip",
    "multi_region",
    "privacy",
    "graceful_degradation",
]


@contextmanager
def sandbox() -> Iterator[list[dict[str, Any]]]:
    """Simulated providers with a model for each fault; their rows."""
    running = sandboxing.start(time_scale=0.05, fault_models=True)
    try:
        yield running.rows
    finally:
        os.close(running.lifeline)
        running.process.wait(timeout=20)


def configure(root: Path, rows: list[dict[str, Any]], federation: str) -> Path:
    config = root / "config"
    config.mkdir()
    (config / "providers.yaml").write_text(json.dumps({"providers": rows}))
    (config / "federation.yaml").write_text(federation)
    return config


def playbook(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    argv = [sys.executable, "-m", "federation.cli.main", "playbook", *arguments]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        argv,
        env=kept | {"FEDERATION_API_KEY": ADMIN, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=service.config.parent,
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one run of all scenarios printed."""

    async def run() -> dict[str, Any]:
        root = tmp_path_factory.mktemp("playbook")
        with sandbox() as rows:
            config = configure(root, rows, routes(sound(None)))
            async with serving(root, config, workers=1) as service:
                done = await asyncio.to_thread(
                    playbook, service, "run", "--url", service.url, "--json"
                )
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found | {"exit": done.returncode}

    return asyncio.run(run())


def test_every_scenario_comes_out_as_promised(seen: dict[str, Any]) -> None:
    rows = {row["scenario"]: row for row in seen["data"]}
    assert list(rows) == SCENARIOS
    assert {name: row["wrong"] for name, row in rows.items()} == {name: [] for name in SCENARIOS}
    assert (seen["ok"], seen["clock"], seen["exit"]) == (True, "real", 0)


def test_the_circuit_is_seen_to_open_to_be_probed_and_to_open_again(seen: dict[str, Any]) -> None:
    row = next(row for row in seen["data"] if row["scenario"] == "circuit_trip")
    assert [each["seen"] for each in row["seen"]] == [
        *["answered by sound in 2 attempts"] * 5,
        "answered by sound in 1 attempt",
        "answered by sound in 2 attempts",
        "answered by sound in 1 attempt",
    ]
    assert row["lasted_s"] >= 31


def test_a_429_was_waited_out_twice(seen: dict[str, Any]) -> None:
    row = next(row for row in seen["data"] if row["scenario"] == "retry")
    assert row["lasted_s"] >= 3.6
    assert row["seen"][0]["seen"] == "answered by sound in 6 attempts"


async def test_a_gateway_without_the_routes_is_told_how_to_get_them(tmp_path: Path) -> None:
    with sandbox() as rows:
        config = configure(tmp_path, rows, "routes: []\n")
        async with serving(tmp_path, config, workers=1) as service:
            done = await asyncio.to_thread(
                playbook, service, "run", "privacy", "--url", service.url
            )
    assert done.returncode == 1
    assert "no route 'playbook-privacy'" in done.stderr
    assert "playbook export --format routes" in done.stderr
