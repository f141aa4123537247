"""The launcher over real processes; its children are stand-ins that do what a test asks."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from federation.bootstrap import launcher
from federation.bootstrap.hold import Holder, hold, holder
from federation.bootstrap.launcher import LaunchOptions, run, url

STAND_IN = """
import json, os, select, signal, sys, time
name = sys.argv[3].rpartition(".")[2]
given = dict(part[2:].partition("=")[::2] for part in sys.argv[4:])
slot = given.get("slot", "")
home = os.environ["STAND_IN_HOME"]
def note(what, **more):
    line = json.dumps({"what": what, "who": name + slot, "pid": os.getpid(), "argv": sys.argv[1:],
                       "at": time.monotonic(), **more}) + "\\n"
    with open(os.path.join(home, "notes"), "a") as file:
        file.write(line)
orders = json.loads(os.environ.get("STAND_IN_ORDERS", "{}")).get(name, {})
def stop(*_):
    time.sleep(orders.get("drain_s", 0))
    note("stopped")
    sys.exit(0)
if not orders.get("deaf"):
    signal.signal(signal.SIGTERM, stop)
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, lambda *_: note("hup"))
signal.signal(signal.SIGINT, lambda *_: note("int"))
if "fd" in given:
    import socket
    note("listens", port=socket.socket(fileno=os.dup(int(given["fd"]))).getsockname()[1])
note("started")
if "exit" in orders:
    sys.exit(orders["exit"])
beats = orders.get("beats", 0)
while True:
    if beats:
        os.write(int(given["beat"]), b".")
        beats -= 1
    ready, _, _ = select.select([int(given["lifeline"])], [], [], 0.1 if beats else 20)
    if ready and os.read(int(given["lifeline"]), 1) == b"":
        note("orphaned")
        sys.exit(0)
"""

LAUNCH = """
import json, sys
from pathlib import Path
from federation.bootstrap import launcher
sys.executable = sys.argv[1]
for name, value in json.loads(sys.argv[3]).items():
    setattr(launcher, name, value)
given = json.loads(sys.argv[2])
paths = {name: Path(given.pop(name)) for name in ("data", "config", "run")}
sys.exit(launcher.run(launcher.LaunchOptions(**given, **paths)))
"""


class Launched:
    """A launcher under test and the notes that its children take."""

    def __init__(self, home: Path, orders: dict[str, Any], tuned: dict[str, float], port: int):
        self.home = home
        stand_in = home / "python"
        stand_in.write_text(f"#!{sys.executable}\n{STAND_IN}")
        stand_in.chmod(0o700)
        options = {"host": "127.0.0.1", "port": port, "workers": 2, "drain_s": 2.0}
        options |= {"data": str(home), "config": str(home), "run": str(home)}
        environ = os.environ | {
            "STAND_IN_HOME": str(home),
            "STAND_IN_ORDERS": json.dumps(orders),
        }
        argv = [sys.executable, "-c", LAUNCH, str(stand_in), json.dumps(options), json.dumps(tuned)]
        self.process = subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE)

    def notes(self, what: str, who: str = "") -> list[dict[str, Any]]:
        path = self.home / "notes"
        if not path.exists():
            return []
        every = [json.loads(line) for line in path.read_text().splitlines()]
        return [n for n in every if n["what"] == what and n["who"].startswith(who)]

    def until(self, condition: Callable[[], object], within_s: float = 15.0) -> None:
        end = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < end, self.home.joinpath("notes").read_text()
            time.sleep(0.02)

    def up(self) -> None:
        self.until(lambda: len(self.notes("started")) >= 3)

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=15)
        return self.process.returncode, said.decode()


Launch = Callable[..., Launched]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    made: list[Launched] = []

    def start(
        orders: dict[str, Any] | None = None,
        tuned: dict[str, float] | None = None,
        port: int = 0,
    ) -> Launched:
        made.append(Launched(tmp_path, orders or {}, tuned or {}, port))
        return made[-1]

    yield start
    for launched in made:
        if launched.process.poll() is None:
            launched.process.kill()
        if launched.process.stderr is not None and not launched.process.stderr.closed:
            launched.process.communicate()


def test_control_and_workers_are_started_with_what_they_need(launch: Launch) -> None:
    launched = launch()
    launched.up()
    (control,) = launched.notes("started", "control")
    first, second = sorted(launched.notes("started", "worker"), key=lambda note: note["who"])
    home = launched.home
    shared = {f"--data={home}", f"--config={home}", f"--run={home}"}
    assert shared < set(control["argv"])
    assert "--workers=2" in control["argv"]
    ports = {note["port"] for note in launched.notes("listens")}
    assert len(ports) == 1
    port = ports.pop()
    assert f"--url=http://127.0.0.1:{port}" in control["argv"]
    assert shared | {"--slot=0", "--drain-s=2"} < set(first["argv"])
    assert "--slot=1" in second["argv"]
    assert "--open" not in control["argv"]
    for child in (control, first, second):
        assert child["argv"][:2] == ["-P", "-m"], "the current directory could stand in for us"
    launched.process.terminate()
    assert launched.end() == (0, f"federation: listening on http://127.0.0.1:{port}\n")


def test_workers_stop_before_control(launch: Launch) -> None:
    launched = launch({"worker": {"drain_s": 0.3}})
    launched.up()
    launched.process.terminate()
    assert launched.end()[0] == 0
    order = [note["who"][:6] for note in launched.notes("stopped")]
    assert order == ["worker", "worker", "contro"]


def test_an_interrupt_drains_too_and_reaches_only_the_launcher(launch: Launch) -> None:
    launched = launch()
    launched.up()
    launched.process.send_signal(signal.SIGINT)
    assert launched.end()[0] == 0
    assert len(launched.notes("stopped")) == 3
    assert launched.notes("int") == []


@pytest.mark.parametrize("who", ["worker0", "control"])
def test_a_killed_child_is_replaced(launch: Launch, who: str) -> None:
    launched = launch()
    launched.up()
    (victim,) = launched.notes("started", who)
    os.kill(victim["pid"], signal.SIGKILL)
    launched.until(lambda: len(launched.notes("started", who)) == 2)
    assert launched.notes("started", who)[1]["at"] - victim["at"] < 5
    launched.process.terminate()
    code, said = launched.end()
    assert code == 0
    assert "ended with SIGKILL" in said
    assert len(launched.notes("stopped")) == 3


def test_a_child_that_falls_silent_is_replaced_and_one_that_never_spoke_is_not(
    launch: Launch,
) -> None:
    launched = launch({"control": {"beats": 3}}, {"LOOK_S": 0.2})
    launched.up()
    launched.until(lambda: len(launched.notes("started", "control")) == 2)
    launched.process.terminate()
    code, said = launched.end()
    assert code == 0
    assert "control has said nothing for 1.2 s and is killed" in said
    assert "control ended with SIGKILL" in said
    assert len(launched.notes("started", "worker")) == 2


def test_a_child_that_speaks_is_left_alone(launch: Launch) -> None:
    speaking = {"beats": 1_000_000}
    launched = launch({"control": speaking, "worker": speaking}, {"LOOK_S": 0.4})
    launched.up()
    time.sleep(3.0)
    launched.process.terminate()
    code, said = launched.end()
    assert code == 0
    assert said.startswith("federation: listening on")
    assert said.count("\n") == 1, "and nothing else"
    assert len(launched.notes("started")) == 3


def test_a_child_that_dies_again_and_again_is_started_ever_more_slowly(launch: Launch) -> None:
    launched = launch({"worker": {"exit": 3}}, {"FIRST_PAUSE_S": 0.2})
    launched.until(lambda: len(launched.notes("started", "worker1")) >= 5, 30)
    at = [note["at"] for note in launched.notes("started", "worker1")]
    pauses = [after - before for before, after in pairwise(at)]
    assert pauses[1] >= 0.2
    assert pauses[3] >= 0.8
    launched.process.terminate()
    code, said = launched.end()
    assert code == 0
    assert "worker 1 ended with exit code 3" in said


def test_a_configuration_that_cannot_be_used_stops_everything(launch: Launch) -> None:
    launched = launch({"control": {"exit": 78}})
    code, _ = launched.end()
    assert code == 78
    assert len(launched.notes("started", "control")) == 1


def test_a_hang_up_reaches_control_alone(launch: Launch) -> None:
    launched = launch()
    launched.up()
    launched.process.send_signal(signal.SIGHUP)
    launched.until(lambda: launched.notes("hup"))
    assert [note["who"] for note in launched.notes("hup")] == ["control"]
    launched.process.terminate()
    assert launched.end()[0] == 0


def test_children_learn_that_the_launcher_was_killed(launch: Launch) -> None:
    launched = launch()
    launched.up()
    launched.process.kill()
    launched.until(lambda: len(launched.notes("orphaned")) == 3)


def test_a_worker_that_does_not_stop_is_killed_in_the_end(launch: Launch) -> None:
    launched = launch({"worker": {"deaf": True}}, {"KILL_GRACE_S": -1.5})
    launched.up()
    launched.process.terminate()
    code, said = launched.end()
    assert code == 0
    assert "worker 0 is killed" in said
    assert [note["who"] for note in launched.notes("stopped")] == ["control"]


def test_a_second_signal_hurries(launch: Launch) -> None:
    launched = launch({"worker": {"deaf": True}}, {"KILL_GRACE_S": 60})
    launched.up()
    launched.process.terminate()
    time.sleep(0.3)
    began = time.monotonic()
    launched.process.terminate()
    assert launched.end()[0] == 0
    assert time.monotonic() - began < 5
    assert [note["who"] for note in launched.notes("stopped")] == ["control"]


def options(port: int, host: str = "127.0.0.1") -> LaunchOptions:
    return LaunchOptions(host, port, 1, Path("d"), Path("c"), Path("r"))


def test_a_taken_port_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(options(port)) == 1
    said = capsys.readouterr().err
    assert f"Another program already listens on 127.0.0.1:{port}" in said
    assert "--port" in said


def test_an_address_that_is_not_ours_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(options(0, "192.0.2.1")) == 1
    assert "Cannot listen on 192.0.2.1:0" in capsys.readouterr().err


@pytest.mark.parametrize("host", [f"{'a' * 64}.example", ".."])
def test_what_no_host_can_be_called_is_said_in_words(
    capsys: pytest.CaptureFixture[str], host: str
) -> None:
    assert run(options(0, host)) == 1
    said = capsys.readouterr().err
    assert "No name of a host. Check --host and --port." in said


def test_a_port_for_the_system_alone_is_said_in_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str, __: int) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(launcher, "_bind", refuse)
    assert run(options(80)) == 1
    assert "above 1023" in capsys.readouterr().err


# One launcher for a data directory


def test_a_second_launcher_on_the_same_data_is_refused_and_harms_nothing(
    launch: Launch, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = launch()
    launched.up()
    home, process = launched.home, launched.process
    found = holder(home)
    assert found is not None
    assert (found.pid, found.url.rpartition(":")[0]) == (process.pid, "http://127.0.0.1")
    assert (home / "lock").stat().st_mode & 0o777 == 0o600
    assert run(LaunchOptions("127.0.0.1", 0, 1, home, home, home)) == 1
    said = capsys.readouterr().err
    assert f"The data directory {home} is in use by process {process.pid} at {found.url}." in said
    assert "--data" in said
    assert len(launched.notes("started")) == 3
    process.terminate()
    assert launched.end()[0] == 0
    assert holder(home) is None


def test_a_killed_launcher_leaves_no_lock_behind(launch: Launch) -> None:
    launched = launch({"worker": {"deaf": True}})
    launched.up()
    launched.process.kill()
    launched.process.wait()
    assert holder(launched.home) is None, "a child has inherited the lock"
    launched.until(lambda: len(launched.notes("orphaned")) == 3)


def test_what_a_former_launcher_wrote_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("x" * 300)
    with hold(tmp_path) as held:
        assert holder(tmp_path) == Holder(os.getpid(), "")
        held.note("http://there")
        assert holder(tmp_path) == Holder(os.getpid(), "http://there")
        (tmp_path / "lock").write_text("torn")
        assert str(holder(tmp_path)) == "process unknown"


@pytest.mark.parametrize("spoiled", ["d", "d/journal", "r"])
def test_a_data_directory_that_cannot_be_used_is_said_before_anything_starts(
    tmp_path: Path, spoiled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / spoiled).parent.mkdir(exist_ok=True)
    (tmp_path / spoiled).write_text("a file")
    assert run(options(0)) == 1
    said = capsys.readouterr().err
    assert "The data directory d cannot be used: " in said
    assert said.count("\n") == 1


def test_a_data_directory_that_may_not_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert run(options(0)) == 1
    assert "cannot be used: d: Permission denied." in capsys.readouterr().err


def test_a_full_disk_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        assert run(options(0)) == 1
    assert "cannot be used: r: No space left on device." in capsys.readouterr().err
    Path("r/lock").unlink()
    Path("r/lock").mkdir()
    assert run(options(0)) == 1
    assert "cannot be used: r: Is a directory." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("family", "host", "shown"),
    [
        (socket.AF_INET, "127.0.0.1", "http://127.0.0.1:"),
        (socket.AF_INET, "0.0.0.0", "http://127.0.0.1:"),
        (socket.AF_INET6, "::1", "http://[::1]:"),
    ],
)
def test_the_url_is_one_that_a_client_here_can_use(
    family: socket.AddressFamily, host: str, shown: str
) -> None:
    with socket.create_server((host, 0), family=family) as listener:
        assert url(listener).startswith(shown)
