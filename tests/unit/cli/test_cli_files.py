"""Files and directories that may not be used: every command says which and why."""

from __future__ import annotations

import ctypes
import errno
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from typer.testing import CliRunner, Result

from federation.cli import failures, quick, tree
from federation.cli.guard import guarded

Run = Callable[..., Result]
KEY = "ab" * 32


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


_VERSION_3 = 0x20080522
_ANY_FILE = 0b110
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, in the first word of what capset(2) takes."""


@contextmanager
def without_rights() -> Iterator[None]:
    """As somebody to whom a mode of 0 means something.

    An administrator lays down the right to open any file and stays the owner of the rest: another
    user could perhaps not read the interpreter.
    """
    libc, header = ctypes.CDLL(None), _Header(_VERSION_3, 0)
    held, fewer = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert libc.capget(ctypes.byref(header), held) == 0
    fewer[:] = [held[0] & ~_ANY_FILE, *held[1:]]
    assert libc.capset(ctypes.byref(header), fewer) == 0
    try:
        yield
    finally:
        assert libc.capset(ctypes.byref(header), held) == 0


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An open directory to stand in, and a closed one inside it."""
    base = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own is closed to others
    base.chmod(0o755)
    closed = base / "secret"
    closed.mkdir(0o000)
    monkeypatch.chdir(base)
    monkeypatch.setenv("HOME", str(base))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    yield closed
    closed.chmod(0o700)
    shutil.rmtree(base)


_NO_GUESS = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
"""Then the shell is the one that the line names."""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("init", "secret/x"), 1),
        (("config", "check", "--config", "secret/x"), 2),
        (("policy", "check", "--config", "secret/x"), 2),
        (("policy", "diff", "secret/x"), 1),
        (("policy", "test", "secret/x.yaml"), 1),
        (("audit", "verify", "secret/x", "--key", KEY), 1),
        (("audit", "verify", "--data", "secret/x"), 1),
        (("ledger", "export", "secret/a.csv"), 1),
        (("playbook", "check", "secret/f"), 1),
        (("price", "set", "acme/x", "input=2", "--config", "secret/x"), 1),
        (("price", "show", "--config", "secret/x"), 1),
        (("provider", "list", "--config", "secret/x"), 1),
        (("key", "list", "--data", "secret/x"), 1),
        (("db", "check", "--data", "secret/x"), 1),
        (("db", "backup", "secret/to", "--data", "secret/x"), 1),
        (("db", "restore", "secret/from", "--data", "here"), 1),
        (("tenant", "import", "secret/x.yaml"), 1),
        (("up", "--config", "secret/x"), 1),
        (("serve", "--config", "secret/x", "--reload"), 78),
    ],
    ids=lambda given: " ".join(given[:2]) if isinstance(given, tuple) else "",
)
def test_a_closed_directory_is_named_and_the_command_ends(
    alone: Run, secret: Path, arguments: tuple[str, ...], code: int
) -> None:
    with without_rights():
        done = alone(*arguments)
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code
    assert "Permission denied" in done.output
    assert "secret" in done.output


def test_programs_are_told_as_json(alone: Run, secret: Path) -> None:
    with without_rights():
        done = alone("playbook", "check", "secret/f", "--json")
    assert json.loads(done.stdout)["error"] == {
        "code": "file_unusable",
        "message": "secret/f cannot be used: Permission denied.",
        "hint": "",
    }


def test_the_short_way_of_serve_says_it_too(
    secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with without_rights():
        assert quick.serve(quick.Wishes(config=Path("secret/x"))) == 78
    assert "secret/x: cannot be used: Permission denied" in capsys.readouterr().err


def test_completion_that_cannot_be_installed_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    done = subprocess.run(
        [sys.executable, "-m", "federation.cli.main", "--install-completion", "bash"],
        env={**os.environ, "HOME": str(home)} | _NO_GUESS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert f"Error: {home} cannot be used: Not a directory." in done.stderr


def _failing(error: OSError) -> Result:
    own = typer.Typer()

    @own.command()
    @guarded
    def one() -> None:
        raise error

    return CliRunner().invoke(own, [])


def test_a_full_disk_is_said_and_what_is_no_file_stays_a_bug() -> None:
    full = _failing(OSError(errno.ENOSPC, "No space left on device"))
    assert (full.exit_code, full.stderr) == (
        1,
        "Error: A file cannot be written: No space left on device.\n",
    )
    assert failures.from_os_error(BrokenPipeError(errno.EPIPE, "Broken pipe")) is None
    odd = OSError("odd")
    assert _failing(odd).exception is odd


def test_data_that_can_only_be_read_are_to_be_copied() -> None:
    closed = _failing(OSError(errno.EROFS, "Read-only file system", "/mnt/data/federation.db"))
    assert closed.exit_code == 1
    assert "/mnt/data/federation.db cannot be used: Read-only file system." in closed.stderr
    assert "--data" in closed.stderr


def _commands(group: Any, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def test_every_command_is_guarded() -> None:
    """So that no file error of any of them can be forgotten; `version` touches nothing."""
    found = list(_commands(typer.main.get_command(tree.app)))
    assert len(found) > 80
    # typer wraps what it is given, and so does `guarded`.
    own = [
        (name, inspect.unwrap(made.callback, stop=_is_guarded))
        for name, made in found
        if made.callback is not None
    ]
    assert [name for name, made in own if not _is_guarded(made)] == ["version"]


def _is_guarded(made: Callable[..., Any]) -> bool:
    return getattr(made, "__code__", None) is _GUARDING


_GUARDING = guarded(lambda: None).__code__
