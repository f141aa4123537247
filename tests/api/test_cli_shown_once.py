"""Keys whose secret nobody could read: as processes, for what is tested is how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = (sys.executable, "-m", "federation.cli.main")


@pytest.fixture(autouse=True)
def _nothing_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("FEDERATION_PORT", str(probe.getsockname()[1]))
    monkeypatch.chdir(tmp_path)


def sent(target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command with its standard output redirected as a shell writes it."""
    line = ["sh", "-c", f'exec "$@" {target}', "sh", *COMMAND, *arguments]
    return subprocess.run(line, check=False, capture_output=True, text=True, timeout=60)


def keys() -> dict[str, Any]:
    done = sent("", "key", "list", "--all", "--json")
    assert done.returncode == 0, done.stderr
    return {key["name"]: key for key in json.loads(done.stdout)["data"]}


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("target", [">&-", ">/dev/null"])
def test_no_key_is_made_where_nobody_could_read_its_secret(
    target: str, more: tuple[str, ...]
) -> None:
    assert sent("", "key", "create", "first").returncode == 0
    done = sent(target, "key", "create", "lost", *more)
    assert done.returncode == 2
    assert "Standard output is closed" in done.stderr
    assert "lost" not in keys()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_key_whose_secret_does_not_fit_where_it_was_to_go_is_revoked(
    more: tuple[str, ...],
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no full device")
    done = sent(">/dev/full", "key", "create", "lost", *more)
    assert done.returncode == 1
    assert "could not be shown: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    lost = keys()["lost"]
    assert f"{lost['id']} is revoked" in done.stderr
    assert lost["revoked_ms"] is not None


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_key_whose_reader_left_is_revoked(more: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out:
        done = subprocess.run(
            [*COMMAND, "key", "create", "lost", *more],
            check=False,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert "could not be shown" in done.stderr
    assert "Traceback" not in done.stderr
    assert keys()["lost"]["revoked_ms"] is not None
