"""`serve`, `up` and `sandbox`: what they would launch, and what they say."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from config_world import a_catalogue
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import Result

from federation.bootstrap.hold import hold
from federation.bootstrap.launcher import LaunchOptions
from federation.catalogue import reader
from federation.cli import main, quick, reference, sandboxing, starting, tree
from federation.cli.discovery import Found, discover
from federation.cli.failures import CommandFailed
from federation.domain.catalogue import Model, Provider, Tier
from federation.errors import ConfigError

Run = Callable[..., Result]


# serve


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], quick.Wishes()),
        (["--port", "9", "--host=::1"], quick.Wishes(host="::1", port=9)),
        (["-p", "0", "-w", "3", "--open"], quick.Wishes(port=0, workers=3, open=True)),
        (["--config", "c", "--data=d"], quick.Wishes(config=Path("c"), data=Path("d"))),
        (["--reload"], quick.Wishes()),
    ],
)
def test_plain_arguments_of_serve_need_no_typer(
    arguments: list[str], expected: quick.Wishes
) -> None:
    assert quick.serve_wishes(arguments) == expected


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["--port"], ["--port", "x"], ["--port", "70000"], ["--workers=0"],
     ["--prt", "1"], ["--no-reload"], ["word"], ["-p=1"], ["--open=yes"], ["--port", "-1"],
     ["--data", ""], ["--config="]],
)  # fmt: skip
def test_arguments_that_need_explaining_are_left_to_typer(arguments: list[str]) -> None:
    assert quick.serve_wishes(arguments) is None


def test_both_ways_of_reading_serve_mean_the_same(
    alone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[quick.Wishes] = []

    def remember(wishes: quick.Wishes) -> int:
        seen.append(wishes)
        return 7

    monkeypatch.setattr(quick, "serve", remember)
    arguments = ["--host", "::1", "-p", "9", "-w", "2", "--config", "c", "--data", "d", "--open"]
    assert alone("serve", *arguments).exit_code == 7
    assert seen == [quick.serve_wishes(arguments)]


def test_flags_win_over_the_environment_and_the_files(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "config").mkdir()
    (project / "config" / "federation.yaml").write_text(
        "server: {host: localhost, port: 1, workers: 2, drain_s: 3, open: true}"
    )
    (project / ".env").write_text("FEDERATION_DATA_DIR=kept\n")
    assert quick.launch_options(quick.Wishes()) == LaunchOptions(
        host="localhost",
        port=1,
        workers=2,
        data=Path("kept"),
        config=Path("config"),
        run=project / "kept" / "run",
        drain_s=3.0,
        open=True,
    )
    monkeypatch.setenv("FEDERATION_WORKERS", "4")
    found = quick.launch_options(quick.Wishes(port=5, data=Path("d"), host="127.0.0.1"))
    assert (found.port, found.workers, found.host, found.data) == (5, 4, "127.0.0.1", Path("d"))


def test_an_open_gateway_is_only_launched_on_loopback(project: Path) -> None:
    with pytest.raises(ConfigError, match="--open"):
        quick.launch_options(quick.Wishes(host="0.0.0.0", open=True))
    (project / "config").mkdir()
    (project / "config" / "federation.yaml").write_text("server: {open: true}")
    with pytest.raises(ConfigError, match=r"server\.open"):
        quick.launch_options(quick.Wishes(host="0.0.0.0"))


def test_serve_runs_the_launcher_and_ends_with_its_code(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quick, "run", lambda options: options.port)
    monkeypatch.setattr(sys, "argv", ["federation", "serve", "--port", "42"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 42
    monkeypatch.setenv("FEDERATION_WORKERS", "many")
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 78
    assert "FEDERATION_WORKERS" in capsys.readouterr().err


def test_what_serve_starts_may_open_as_many_files_as_the_system_lets_it(project: Path) -> None:
    shown = (
        "import resource, sys\n"
        "from federation.cli import quick\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[1])))\n"
        "quick.run = lambda _: print(*resource.getrlimit(resource.RLIMIT_NOFILE)) or 0\n"
        "quick.serve(quick.Wishes())\n"
    )
    for hard in ("64", "128"):
        command = [sys.executable, "-c", shown, hard]
        ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        assert ended.stdout.split() == [hard, hard]


def test_of_the_env_file_workers_inherit_what_is_for_plug_ins_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text("FEDERATION_PRESIDIO_CONF=a.yaml\nOPENAI_API_KEY=sk-hidden\n")
    inherited = dict(os.environ) | {"FEDERATION_PRESIDIO_LANGUAGE": "de"}
    monkeypatch.setattr(os, "environ", inherited)
    monkeypatch.setattr(quick, "run", lambda _: 0)
    assert quick.serve(quick.Wishes(port=0)) == 0
    assert inherited["FEDERATION_PRESIDIO_CONF"] == "a.yaml"
    assert inherited["FEDERATION_PRESIDIO_LANGUAGE"] == "de"
    assert "OPENAI_API_KEY" not in inherited


def test_what_an_earlier_up_found_is_not_taken_for_what_serve_serves(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = project / "data" / "run" / "found.yaml"
    found.parent.mkdir(parents=True)
    found.write_text("providers: []")
    monkeypatch.setattr(quick, "run", lambda _: 0)
    with hold(found.parent):
        quick.serve(quick.Wishes(port=0))
        assert found.exists(), "the gateway that runs may have been given it"
    monkeypatch.setenv("FEDERATION_PROVIDERS_FILE", str(found))
    quick.serve(quick.Wishes(port=0))
    assert found.exists(), "it is ours"
    monkeypatch.delenv("FEDERATION_PROVIDERS_FILE")
    quick.serve(quick.Wishes(port=0))
    assert not found.exists()


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 0), (["version"], 0)])
def test_the_entry_point_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
) -> None:
    monkeypatch.setattr(sys, "argv", ["federation", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert (ended.value.code or 0) == code
    assert "federation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("loaded", "never"),
    [
        ("tree", {"pydantic", "rich", "fastapi", "sqlalchemy", "federation.config.load"}),
        ("quick", {"typer", "click", "msgspec", "federation.domain.routes", "federation.cli.tree"}),
    ],
    ids=["help", "serve"],
)
def test_neither_help_nor_serve_loads_what_it_does_not_need(loaded: str, never: set[str]) -> None:
    script = (
        f"import sys, federation.cli.main, federation.cli.{loaded}\n"
        f"sys.exit(','.join({never!r} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# What runs here


@pytest.fixture
def local_server() -> Iterator[tuple[int, dict[str, Any]]]:
    answers: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.get(self.path)).encode()
            answers["asked with"] = self.headers["authorization"]
            self.send_response(200 if self.path in answers else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1], answers
    server.shutdown()
    thread.join()
    server.server_close()


def row(name: str, port: int, dialect: str = "openai", path: str = "/v1") -> Provider:
    base_url = f"http://127.0.0.1:{port}{path}"
    return Provider(name, name, Tier.OPENSOURCE, dialect, base_url, local=True)


def test_a_local_server_is_found_with_its_models(
    local_server: tuple[int, dict[str, Any]],
) -> None:
    port, answers = local_server
    answers["/v1/models"] = {"data": [{"id": "qwen"}, {"id": 3}, "x"]}
    catalogue = a_catalogue() | {"one": row("one", port), "two": row("two", port)}
    catalogue = {name: catalogue[name] for name in ("openai", "one", "two")}
    found = discover(catalogue, {}, ("127.0.0.1", 8000))
    assert found == [Found("one", f"http://127.0.0.1:{port}/v1", ("qwen",))]
    made = found[0].row()
    assert made["models"][0]["price"]["input"] == 0
    written = replace(row("mine", port), models=(Model("m"),))
    assert discover(catalogue, {"mine": written}, ("127.0.0.1", 8000)) == []


def test_a_model_that_only_embeds_is_not_offered_for_chats() -> None:
    names = ("qwen3:8b", "text-embedding-nomic-v1.5", "bge-m3:latest", "All-MiniLM")
    rows = Found("one", "http://127.0.0.1:9", names).row()["models"]
    assert [each.get("operations") for each in rows] == [None, *[["embeddings"]] * 3]


def test_who_uses_a_port_is_told_by_what_the_list_says(
    local_server: tuple[int, dict[str, Any]],
) -> None:
    port, answers = local_server
    answers["/v1/models"] = {"data": [{"id": "m", "owned_by": "two"}]}
    rows = {"one": row("one", port), "two": row("two", port)}
    assert [found.provider for found in discover(rows, {}, ("h", 1))] == ["two"]


def test_a_server_of_another_dialect_lists_its_models_in_its_own_way(
    local_server: tuple[int, dict[str, Any]],
) -> None:
    port, answers = local_server
    answers["/api/tags"] = {"models": [{"name": "llama:8b"}]}
    rows = {"o": row("o", port, "ollama", "")}
    assert discover(rows, {}, ("h", 1))[0].models == ("llama:8b",)


@pytest.mark.parametrize("answer", [None, [], {"data": 3}, {"other": []}])
def test_an_answer_that_is_no_list_is_no_server(
    local_server: tuple[int, dict[str, Any]], answer: Any
) -> None:
    port, answers = local_server
    answers["/v1/models"] = answer
    assert discover({"one": row("one", port)}, {}, ("h", 1)) == []


def test_neither_ourselves_nor_another_gateway_is_a_server(
    local_server: tuple[int, dict[str, Any]],
) -> None:
    port, answers = local_server
    answers["/v1/models"] = {"data": [{"id": "auto", "owned_by": "federation"}]}
    rows = {"one": row("one", port)}
    assert discover(rows, {}, ("h", 1)) == []
    for ours in ("127.0.0.1", "0.0.0.0", "localhost"):
        assert discover(rows, {}, (ours, port)) == []


def test_two_instances_of_one_server_count_once(
    local_server: tuple[int, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, answers = local_server
    answers["/v1/models"] = {"data": [{"id": "m"}]}
    monkeypatch.setattr("federation.cli.discovery.FURTHER_PORTS", {"one": (port,)})
    assert len(discover({"one": row("one", 9)}, {}, ("h", 1))) == 1
    assert discover({}, {}, ("h", 1)) == []


def test_a_configured_server_that_names_no_models_is_asked_with_its_own_key(
    local_server: tuple[int, dict[str, Any]],
) -> None:
    port, answers = local_server
    answers["/v1/models"] = {"data": [{"id": "qwen"}]}
    known = {"one": row("one", 9), "two": row("two", port)}
    moved = {"one": row("one", port)}
    keys = {"one": "mine", "two": "another's"}
    found = discover(known, moved, ("h", 1), keys)
    assert found == [Found("one", f"http://127.0.0.1:{port}/v1", ("qwen",))], "nor is it two"
    assert answers["asked with"] == "Bearer mine"
    assert found[0].row()["replace_models"], "what is not loaded cannot answer"
    for silent in (
        replace(moved["one"], models=(Model("m"),)),
        replace(moved["one"], enabled=False),
    ):
        assert discover(known, {"one": silent}, ("h", 1)) == []
    assert discover(known, moved, ("127.0.0.1", port)) == [], "never ourselves"


def test_a_server_that_was_moved_to_the_internet_is_asked_and_is_not_free(
    local_server: tuple[int, dict[str, Any]],
) -> None:
    port, answers = local_server
    answers["/v1/models"] = {"data": [{"id": "qwen"}]}
    away = {"one": replace(row("one", port), local=False)}
    (found,) = discover({"one": row("one", 9)}, away, ("h", 1))
    assert found.row()["models"] == [{"id": "qwen"}]
    (at_home,) = discover({"one": row("one", 9)}, {"one": row("one", port)}, ("h", 1))
    assert at_home.row()["models"][0]["price"]["input"] == 0
    assert discover({}, away, ("h", 1)) == [], "a row of one's own that is not local"


@contextmanager
def dripping(gap_s: float, pieces: int) -> Iterator[int]:
    """A server that answers a byte at a time, each well before any single wait is over."""

    def drip() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            try:
                for _ in range(pieces):
                    connection.sendall(b"H")
                    time.sleep(gap_s)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=drip)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_a_server_that_drips_is_given_up_at_the_deadline() -> None:
    with dripping(0.05, 30) as port:
        began = time.monotonic()
        assert discover({"one": row("one", port)}, {}, ("h", 1)) == []
        assert time.monotonic() - began < 0.7


@contextmanager
def answering(body: bytes) -> Iterator[int]:
    """A server that answers one request with `body`."""

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_a_server_whose_answer_nests_without_end_is_no_server_of_models() -> None:
    with answering(b"[" * 100_000) as port:
        assert discover({"one": row("one", port)}, {}, ("h", 1)) == []


def test_no_connection_is_made_after_the_deadline(
    local_server: tuple[int, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, answers = local_server
    answers["/v1/models"] = {"data": [{"id": "m"}]}
    monkeypatch.setattr("federation.cli.discovery.PROBE_S", 0.0)
    assert discover({"one": row("one", port)}, {}, ("h", 1)) == []


def test_the_sandbox_is_started_with_our_own_modules(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "msgspec.py").write_text("raise SystemExit(9)")
    found = sandboxing.start(time_scale=0)
    os.close(found.lifeline)
    assert found.process.wait(10) == 0
    assert found.ports


# up


class Replaced(Exception):
    pass


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `up` would become: its command line and environment."""
    seen: list[Any] = []

    def execve(path: str, argv: list[str], environ: dict[str, str]) -> None:
        seen.extend([argv, environ])
        raise Replaced

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(starting, "address_problem", lambda _: "")
    monkeypatch.setattr(starting, "discover", lambda *_: [])
    return seen


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    reading, writing = os.pipe()
    starts: list[int] = []
    monkeypatch.setenv("FEDERATION_PORT", "0")

    def start() -> sandboxing.Sandbox:
        starts.append(1)
        rows = [{"id": "sim-one", "models": []}]
        return sandboxing.Sandbox(None, writing, {"sim-one": 1}, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(sandboxing, "start", start)
    yield starts
    os.close(reading)
    os.close(writing)


def test_up_with_nothing_configured_starts_the_sandbox_and_says_so(
    project: Path,
    launched: list[Any],
    sandbox: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Replaced):
        starting.up(quick.Wishes(port=8123), sandbox=None)
    said = capsys.readouterr().out
    secret = (project / "data" / "admin.key").read_text().strip()
    for part in (
        "http://127.0.0.1:8123",
        "sim-one",
        "simulated",
        secret,
        "curl",
        "none configured",
    ):
        assert part in said
    argv, environ = launched
    assert argv[1:4] == ["-P", "-m", "federation.cli.main"]
    assert argv[4:8] == ["serve", "--host=127.0.0.1", "--port=8123", "--workers=1"]
    rows = json.loads(Path(environ["FEDERATION_PROVIDERS_FILE"]).read_text())
    assert rows["providers"][0]["id"] == "sim-one"


def test_up_shows_the_admin_key_once(
    project: Path,
    launched: list[Any],
    sandbox: list[int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(2):
        with pytest.raises(Replaced):
            starting.up(quick.Wishes(), sandbox=None)
    said = capsys.readouterr().out
    secret = (project / "data" / "admin.key").read_text().strip()
    assert said.count(secret) == 2, "in the panel and in the curl line of the first start"
    assert "admin.key" in said
    monkeypatch.setenv("FEDERATION_ADMIN_KEY", "a-key-from-outside")
    with pytest.raises(Replaced):
        starting.up(quick.Wishes(host="::1", port=0), sandbox=None)
    said = capsys.readouterr().out
    assert "a-key-from-outside" not in said
    assert "see FEDERATION_ADMIN_KEY" in said
    assert "listening on" in said, "what says the port that the system chose"


def test_up_with_a_key_starts_no_sandbox(
    project: Path,
    launched: list[Any],
    sandbox: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    monkeypatch.setenv("FEDERATION_PROT", "warned of")
    with pytest.raises(Replaced):
        starting.up(quick.Wishes(), sandbox=None)
    printed = capsys.readouterr()
    assert "openai" in printed.out
    assert "openai (OPENAI_API_KEY)" in printed.out
    assert "`auto` leaves out openai" in printed.out
    assert "auto: {unknown: true} in config/federation.yaml" in printed.out
    assert '"model": "openai/gpt-' in printed.out, "`auto` would not be answered"
    assert "FEDERATION_PROT" in printed.err
    assert "sk-hidden" not in printed.out + printed.err
    assert not sandbox
    assert "FEDERATION_PROVIDERS_FILE" not in launched[1]
    with pytest.raises(CommandFailed, match="never runs beside"):
        starting.up(quick.Wishes(), sandbox=True)


def test_up_with_a_language_that_is_not_spoken_says_so_and_starts_the_sandbox(
    project: Path,
    launched: list[Any],
    sandbox: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SONIOX_API_KEY", "sk-hidden")
    with pytest.raises(Replaced):
        starting.up(quick.Wishes(), sandbox=None)
    said = capsys.readouterr().out
    assert "(soniox) is not spoken yet: soniox (SONIOX_API_KEY)" in said
    assert "none configured" in said
    assert sandbox
    assert '"model": "auto"' in said
    assert not [word for word in launched[0] if word.startswith("--config")], "it is not there"


def test_up_beside_a_running_gateway_is_refused(
    project: Path, launched: list[Any], sandbox: list[int]
) -> None:
    run = project / "data" / "run"
    run.mkdir(parents=True)
    with hold(run), pytest.raises(CommandFailed, match="is in use by process"):
        starting.up(quick.Wishes(), sandbox=None)
    assert not sandbox
    assert not (project / "data" / "admin.key").exists()


def test_up_on_a_taken_port_says_so_before_it_makes_a_key(
    alone: Run, project: Path, sandbox: list[int]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = alone("up", "--port", str(port))
    assert result.exit_code == 1
    assert f"Another program already listens on 127.0.0.1:{port}" in result.stderr
    assert "Gateway" not in result.stdout
    assert not (project / "data").exists()
    assert not sandbox


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
def test_up_with_a_bad_master_key_shows_no_admin_key(
    alone: Run, project: Path, sandbox: list[int], content: bytes
) -> None:
    (project / "data").mkdir()
    (project / "data" / "master.key").write_bytes(content)
    result = alone("up")
    assert result.exit_code == 78
    assert str(Path("data")) in result.stderr
    assert not (project / "data" / "admin.key").exists()
    assert not sandbox


def test_up_on_a_file_as_data_directory_is_refused(
    alone: Run, project: Path, sandbox: list[int]
) -> None:
    (project / "data").write_text("a file")
    result = alone("up")
    assert result.exit_code == 1
    assert "The data directory data cannot be used" in result.stderr
    assert not sandbox


def test_a_configuration_that_was_named_must_be_there(
    alone: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert quick.launch_options(quick.Wishes()).config == Path("config")
    result = alone("serve", "--config", "nowhere")
    assert result.exit_code == 78
    assert "nowhere: is no directory" in result.output
    monkeypatch.setenv("FEDERATION_CONFIG_DIR", "elsewhere")
    assert alone("up").exit_code == 78


def test_up_hands_local_servers_over(
    project: Path,
    launched: list[Any],
    sandbox: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = [Found("ollama", "http://localhost:11434", ("llama",))]
    monkeypatch.setattr(starting, "discover", lambda *_: found)
    with pytest.raises(Replaced):
        starting.up(quick.Wishes(open=True), sandbox=None)
    assert "ollama (1 models)" in capsys.readouterr().out
    assert not sandbox
    argv, environ = launched
    assert argv[-1] == "--open"
    rows = json.loads(Path(environ["FEDERATION_PROVIDERS_FILE"]).read_text())["providers"]
    assert rows[0]["base_url"] == "http://localhost:11434"


def test_up_asks_a_server_at_an_address_from_the_environment(
    project: Path,
    launched: list[Any],
    sandbox: list[int],
    local_server: tuple[int, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port, answers = local_server
    monkeypatch.setattr(starting, "discover", discover)
    monkeypatch.setattr("federation.cli.discovery.PROBE_S", 5.0)
    # No other row: somebody might use its port here.
    alone = {"lmstudio": reader.load()["lmstudio"]}
    monkeypatch.setattr("federation.cli.starting.catalogue.load", lambda: alone)
    monkeypatch.setenv("LMSTUDIO_HOST", "127.0.0.1")
    monkeypatch.setenv("LMSTUDIO_PORT", str(port))
    with pytest.raises(Replaced):
        starting.up(quick.Wishes(), sandbox=None)
    told = capsys.readouterr()
    assert sandbox, "nobody answers there"
    assert "warning: provider lmstudio: no call reaches it" in told.err
    answers["/v1/models"] = {"data": [{"id": "qwen"}]}
    with pytest.raises(Replaced):
        starting.up(quick.Wishes(), sandbox=None)
    told = capsys.readouterr()
    assert "lmstudio (1 models)" in told.out
    assert "lmstudio" not in told.err
    assert len(sandbox) == 1, "it needs no sandbox now"


def test_up_without_anything_and_without_sandbox_starts_all_the_same(
    project: Path, launched: list[Any], sandbox: list[int]
) -> None:
    with pytest.raises(Replaced):
        starting.up(quick.Wishes(), sandbox=False)
    assert not sandbox


def test_up_with_a_bad_configuration_says_what_is_wrong(alone: Run, project: Path) -> None:
    (project / "config").mkdir()
    (project / "config" / "federation.yaml").write_text("routs: 1")
    result = alone("up")
    assert result.exit_code == 78
    assert "did you mean 'routes'?" in result.stderr


# sandbox


def test_the_sandbox_is_started_shown_as_a_file_of_rows_and_ends_with_us(
    alone: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(running: sandboxing.Sandbox) -> int:
        os.close(running.lifeline)
        return running.process.wait(10)

    monkeypatch.setattr(sandboxing, "wait", wait)
    result = alone("sandbox", "--json", "--time-scale", "0")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["providers"]) >= 4
    (project / "config").mkdir()
    (project / "config" / "providers.yaml").write_text(result.stdout)
    checked = alone("config", "check", "--strict")
    assert checked.exit_code == 0, checked.output


def test_the_sandbox_says_where_it_listens_until_it_is_stopped(
    alone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sandboxing.start

    def start(**options: Any) -> sandboxing.Sandbox:
        running = real(**options)
        running.process.terminate()
        return running

    monkeypatch.setattr(sandboxing, "start", start)
    result = alone("sandbox")
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:" in result.stdout


def test_a_sandbox_that_does_not_start_is_said(alone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    result = alone("sandbox")
    assert result.exit_code == 1
    assert "did not start" in result.stderr


# The generated pages


def test_the_generated_pages_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(__file__).parents[3]
    assert reference.main(["--check", str(root)]) == 0, capsys.readouterr().err


def test_stale_pages_are_named_and_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(Path(__file__).parents[3] / "requirements", tmp_path / "requirements")
    assert reference.main(["--check", str(tmp_path)]) == 1
    assert "docs/reference/cli.md is stale" in capsys.readouterr().err
    assert reference.main([str(tmp_path)]) == 0
    assert reference.main(["--check", str(tmp_path)]) == 0
    page = (tmp_path / "docs/reference/cli.md").read_text()
    for command in ("up", "serve", "route explain", "provider test", "key create", "config check"):
        assert f"federation {command}" in page


# What a newcomer types


def test_status_alone_is_its_health(alone: Callable[..., Result]) -> None:
    for words in (["status"], ["status", "--json"]):
        done = alone(*words)
        assert done.exit_code == 3, done.output
        assert "No gateway answers" in done.output
    assert "Usage: " in alone("status", "--help").output
    assert alone("status", "helth").exit_code == 2


def test_a_configuration_that_was_named_has_to_be_there(alone: Callable[..., Result]) -> None:
    for words in (["policy", "check"], ["config", "check"]):
        done = alone(*words, "--config", "nowhere")
        assert done.exit_code == 2, done.output
        assert "nowhere is not a directory" in done.output


def test_every_option_and_argument_is_explained_and_what_answers_has_json() -> None:
    writes = {"up", "serve", "tenant export", "compliance report"}
    bare: list[str] = []
    unexplained: list[str] = []
    commands: list[tuple[str, Any]] = [("", get_command(tree.app))]
    while commands:
        path, command = commands.pop()
        if isinstance(command, TyperGroup):
            commands += [
                (f"{path} {name}".strip(), each) for name, each in command.commands.items()
            ]
            continue
        if "--json" not in {word for option in command.params for word in option.opts}:
            bare.append(path)
        unexplained += [f"{path} {p.name}" for p in command.params if not getattr(p, "help", None)]
    assert set(bare) == writes, "these write a document, or run until they are stopped"
    assert unexplained == []
