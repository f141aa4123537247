"""`federation restart` against a stand-in for the launcher: what it sends, waits for and says."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from federation.bootstrap import rolling
from federation.bootstrap.hold import hold
from federation.cli import restarting
from federation.cli.tree import app


def said(run: Path, n: int, state: str, *lines: str) -> None:
    (run / rolling.NAME).write_text(json.dumps({"n": n, "state": state, "said": lines}))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(restarting, "_LOOK_S", 0.01)
    made = tmp_path / "run"
    made.mkdir()
    return made


@pytest.fixture
def launcher(run: Path) -> Iterator[Path]:
    with hold(run) as held:
        held.note("http://127.0.0.1:1")
        yield run


def asked(monkeypatch: pytest.MonkeyPatch, act: object) -> list[tuple[int, int]]:
    """What is sent to whom; `act` is what the launcher then does."""
    sent: list[tuple[int, int]] = []

    def kill(pid: int, number: int) -> None:
        sent.append((pid, number))
        assert callable(act)
        act()

    monkeypatch.setattr(os, "kill", kill)
    return sent


def restart(run: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["restart", "--data", str(run.parent), *words])


def test_it_waits_for_the_end_and_tells_it(launcher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said(launcher, 3, rolling.DONE, "an older one")
    sent = asked(monkeypatch, lambda: said(launcher, 4, rolling.DONE, "worker 0 is process 7 now"))
    result = restart(launcher)
    assert result.exit_code == 0
    assert sent == [(os.getpid(), signal.SIGUSR2)]
    assert "worker 0 is process 7 now" in result.output
    assert "older" not in result.output


def test_one_that_was_given_up_is_a_failure(
    launcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "worker 0's replacement did not answer within 30 s"
    asked(monkeypatch, lambda: said(launcher, 1, rolling.FAILED, why))
    result = restart(launcher, "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["error"]["said"] == [why]


def test_it_need_not_wait(launcher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, lambda: None)
    result = restart(launcher, "--no-wait", "--json")
    assert (result.exit_code, json.loads(result.output)) == (0, {"state": "asked", "said": []})


def test_a_launcher_of_somebody_else_is_said(
    launcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    asked(monkeypatch, refuse)
    result = restart(launcher)
    assert result.exit_code == 4
    assert "belongs to another user" in result.output


def test_a_launcher_that_is_no_process_here_is_said(
    launcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def miss() -> None:
        raise ProcessLookupError(3, "No such process")

    asked(monkeypatch, miss)
    result = restart(launcher)
    assert result.exit_code == 3
    assert "No gateway runs on the data directory" in result.output


def test_a_launcher_that_ends_meanwhile_is_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hold(run) as held:
        held.note("http://127.0.0.1:1")
        asked(monkeypatch, lambda: held.note("http://127.0.0.1:2"))
        result = restart(run)
    assert result.exit_code == 1
    assert "The gateway ended" in result.output


@pytest.mark.parametrize("listens", [False, True])
def test_nobody_is_signaled_who_does_not_listen(
    run: Path, monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    """A launcher that is just starting would end of the signal."""
    sent = asked(monkeypatch, lambda: None)
    if listens:
        with hold(run):
            result = restart(run)
    else:
        result = restart(run)
    assert result.exit_code == 3
    assert sent == []
