"""The process of a command: with standard streams that are closed, as some schedulers start
programs, of any encoding, and with Ctrl-C before it has begun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHOW_STREAMS = (
    "import os, sys\n"
    "from federation.cli.main import open_standard_streams\n"
    "open_standard_streams()\n"
    "print('told'), print('told', file=sys.stderr), sys.stdin.read()\n"
    "opened = os.open(os.devnull, os.O_RDONLY)\n"
    "good = opened > 2 and all(os.get_inheritable(each) for each in range(3))\n"
    "sys.exit(42 if good else 1)\n"
)


def without(streams: str, *command: str) -> int:
    """The exit code of a Python that has these streams closed."""
    line = [sys.executable, *command]
    shell = ["/bin/sh", "-c", f'exec "$@" {streams}', "sh"]
    return subprocess.run([*shell, *line], check=False, timeout=60).returncode


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_other_file_takes_the_place_of_a_closed_stream(streams: str) -> None:
    assert without(streams, "-c", SHOW_STREAMS) == 42


@pytest.mark.parametrize("streams", [">&-", "<&- >&- 2>&-"])
def test_a_command_does_its_work_without_streams(streams: str, tmp_path: Path) -> None:
    command = ("-m", "federation.cli.main")
    assert without(streams, *command, "init", str(tmp_path)) == 0
    checked = without(streams, *command, "config", "check", f"--config={tmp_path}/config")
    assert checked == 0
    assert (tmp_path / "config" / "providers.yaml").is_file()


@pytest.mark.parametrize("asked", [["--help"], [], ["provider", "list", "--all"]])
def test_a_reader_that_has_gone_and_a_full_disk_show_no_traceback(asked: list[str]) -> None:
    command = [sys.executable, "-m", "federation.cli.main", *asked]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone, Path("/dev/full").open("wb") as full:
        for out, said in ((gone, b""), (full, b"Error: A file cannot be written")):
            ended = subprocess.run(
                command, check=False, stdout=out, stderr=subprocess.PIPE, timeout=60
            )
            assert ended.returncode == 1
            assert ended.stderr.startswith(said)
            assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("encoding", ["utf-8:strict", "utf-8:surrogateescape", "iso-8859-1"])
def test_what_an_encoding_lacks_is_json_all_the_same(encoding: str) -> None:
    name = os.fsdecode(b"\xff") + "\u65e5"
    command = [sys.executable, "-m", "federation.cli.main", "db", "restore", "--json", name]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    ended = subprocess.run(command, check=False, capture_output=True, timeout=60, env=environment)
    assert (ended.returncode, ended.stderr) == (1, b"")
    assert name in json.loads(ended.stdout)["error"]["message"]


@pytest.mark.parametrize("module", ["quick", "tree"])
def test_an_interrupt_while_modules_are_loaded_shows_no_traceback(module: str) -> None:
    interrupted = (
        "import os, signal, sys\n"
        "from federation.cli import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'federation.cli.{module}':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"sys.argv = ['federation', 'serve' if {module == 'quick'} else 'version']\n"
        "main.main()\n"
    )
    command = [sys.executable, "-c", interrupted]
    ended = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (130, b"")
