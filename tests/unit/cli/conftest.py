from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

import pytest
import typer.testing
from typer.main import get_command
from typer.testing import CliRunner, Result

from federation.api.app import create_app
from federation.cli.tree import app
from federation.control.control import Control


@pytest.fixture(scope="session", autouse=True)
def one_tree() -> Iterator[None]:
    """The tree of commands is made once: typer's runner makes it anew for every command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.testing, "_get_command", cache(get_command))
        yield


@dataclass
class Stub:
    """A gateway that answers what a test tells it to, and remembers what it was asked."""

    url: str = ""
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    turns: dict[tuple[str, str], Callable[[], tuple[int, Any]]] = field(default_factory=dict)

    def on(self, method: str, path: str, answer: Any, status: int = 200) -> None:
        self.answers[method, path] = (status, answer)

    def turn_by_turn(self, method: str, path: str, *answers: tuple[int, Any]) -> None:
        """Answers of which each is given once, and the last for ever."""
        left = list(answers)
        self.turns[method, path] = lambda: left.pop(0) if len(left) > 1 else left[0]

    def refuse(self, method: str, path: str, status: int, message: str, code: str) -> None:
        self.on(method, path, {"error": {"message": message, "code": code}}, status)


class _Handler(BaseHTTPRequestHandler):
    stub: Stub

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.stub.asked.append((self.command, self.path, headers, body))
        missing = (404, {"error": {"message": "nothing here", "code": "not_found"}})
        place = (self.command, self.path)
        turn = self.stub.turns.get(place)
        status, answer = turn() if turn is not None else self.stub.answers.get(place, missing)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 - the base class's names

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    handler = type("Handler", (_Handler,), {"stub": made})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
    for method, path, _, _ in made.asked:
        _check_query(method, path)


def _check_query(method: str, path: str) -> None:
    """The management API refuses what it does not know of a query."""
    place, _, query = path.partition("?")
    if not query:
        return
    for template, known in _queries(method):
        if template.fullmatch(place):
            assert {name for name, _ in parse_qsl(query)} <= known, path
            return


@cache
def _queries(method: str) -> list[tuple[re.Pattern[str], set[str]]]:
    """What the queries of its routes may name."""
    paths = create_app(cast("Control", None)).openapi()["paths"]
    return [
        (
            re.compile(re.sub(r"{\w+}", "[^/]+", path)),
            {each["name"] for each in shown[method.lower()].get("parameters", ())},
        )
        for path, shown in paths.items()
        if method.lower() in shown
    ]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in, and an environment that says nothing."""
    import os

    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_TOKEN")) or name.startswith(("FEDERATION_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.chdir(tmp_path)
    return tmp_path


Run = Callable[..., Result]


@pytest.fixture
def run(stub: Stub) -> Run:
    """Run a command against the stub."""

    def running(*arguments: str, **kwargs: Any) -> Result:
        environ = {"FEDERATION_URL": stub.url, "FEDERATION_API_KEY": "key-of-the-test"}
        return CliRunner().invoke(app, list(arguments), env=environ, **kwargs)

    return running


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command where no gateway is."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("FEDERATION_PORT", str(port))

    def running(*arguments: str, **kwargs: Any) -> Result:
        return CliRunner().invoke(app, list(arguments), **kwargs)

    return running
