"""What answers at the address: a gateway, something else, and with which key it is asked."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from federation.cli import client
from federation.cli.client import Gateway, Unreachable
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.cli.tree import app

Run = Callable[..., Result]
PAGE = b"<html>hello</html>"


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_an_address_of_ipv6_needs_no_port(
    scheme: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *_: object) -> None:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Unreachable):
        Gateway(f"{scheme}://[2001:db8::1]").get("/x")
    assert asked == [("2001:db8::1", port)]


@pytest.mark.parametrize(
    "body", [PAGE, b"", b"[1]", b'"text"', b'{"cut": ', b"\xff", b"[" * 100_000]
)
def test_what_is_no_object_comes_from_no_gateway(stub: Any, body: bytes) -> None:
    for method in ("GET", "POST", "PATCH", "DELETE"):
        stub.on(method, "/x", body)
    gateway = Gateway(stub.url)
    for ask in (
        lambda: gateway.get("/x"),
        lambda: gateway.post("/x", {}),
        lambda: gateway.patch("/x", {}),
        lambda: gateway.delete("/x"),
        lambda: gateway.pages("/x"),
    ):
        with pytest.raises(Unreachable, match="is no Federation gateway"):
            ask()


def test_nothing_may_be_answered_where_that_is_said(stub: Any) -> None:
    stub.on("DELETE", "/x", b"", 204)
    assert Gateway(stub.url).delete("/x") is None


def test_an_answer_over_the_limit_is_said(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stub.on("GET", "/x", b'{"data": [1]}')
    monkeypatch.setattr(client, "ANSWER_LIMIT", 13)
    assert Gateway(stub.url).get("/x") == {"data": [1]}
    monkeypatch.setattr(client, "ANSWER_LIMIT", 12)
    with pytest.raises(CommandFailed, match="larger than") as caught:
        Gateway(stub.url).get("/x")
    assert not isinstance(caught.value, Unreachable)


@pytest.mark.parametrize("body", [PAGE, {}, {"status": "UP"}, {"error": "Not Found"}, ["ok"]])
@pytest.mark.parametrize("status", [200, 404])
def test_the_health_of_something_else_is_not_a_gateway_s(
    run: Run, stub: Any, body: Any, status: int
) -> None:
    for path in ("/health", "/health/ready", "/admin/status"):
        stub.on("GET", path, body, status)
    for arguments in (("status",), ("status", "health", "--json")):
        done = run(*arguments)
        assert done.exit_code == Exit.UNREACHABLE, done.output
        assert "is no Federation gateway" in done.output
        assert "Alive" not in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "list"),
        ("status", "stats", "--window", "1h"),
        ("route", "hello"),
        ("budget", "list"),
    ],
)
def test_a_command_at_something_else_says_so(
    run: Run, stub: Any, arguments: tuple[str, ...]
) -> None:
    for path in ("/v1/keys", "/v1/stats?window_s=3600", "/v1/admin/budgets"):
        stub.on("GET", path, PAGE)
    stub.on("POST", "/v1/route", PAGE)
    done = run(*arguments)
    assert done.exit_code == Exit.UNREACHABLE, done.output
    assert "is no Federation gateway" in done.stderr


# Keys of this machine


FOREIGN = "https://gateway.of-somebody-else.test"


@pytest.mark.parametrize("name", ["FEDERATION_ADMIN_KEY", "FEDERATION_API_KEY"])
@pytest.mark.parametrize("url", [FOREIGN, "http://192.0.2.1:8000", "http://[bad"])
def test_a_key_in_the_env_file_goes_to_this_machine_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    (project / ".env").write_text(f"{name}=from the env file\n")
    assert Place(url=url).secret() is None
    assert Place(url="http://127.0.0.1:9").secret() == "from the env file"
    assert Place().secret() == "from the env file"
    monkeypatch.setenv(name, "exported")
    assert Place(url=url).secret() == "exported"
    assert Place().secret() == "exported"


def test_the_old_name_of_a_variable_is_exported_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text("SWARMROUTER_ADMIN_KEY=from the env file\n")
    assert Place(url=FOREIGN).secret() is None
    monkeypatch.setenv("SWARMROUTER_ADMIN_KEY", "exported")
    assert Place(url=FOREIGN).secret() == "exported"


@pytest.mark.parametrize("where", [".env", "data/admin.key", ""])
def test_who_is_refused_for_a_key_that_was_not_sent_is_told_what_to_do(
    project: Path, stub: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from federation.cli import place

    monkeypatch.setattr(place, "is_loopback", lambda _: False)
    if where:
        (project / where).parent.mkdir(exist_ok=True)
        text = "FEDERATION_ADMIN_KEY=the-secret-one" if where == ".env" else "the-secret-one"
        (project / where).write_text(text + "\n")
    stub.refuse("GET", "/v1/keys", 401, "No key was sent.", "invalid_api_key")
    done = CliRunner().invoke(app, ["key", "list", "--url", stub.url])
    assert done.exit_code == Exit.REFUSED
    assert "authorization" not in stub.asked[-1][2]
    assert ("not sent to another machine" in done.stderr) == bool(where)
    assert "--api-key" in done.stderr
    assert "the-secret-one" not in done.output
    shown = CliRunner().invoke(app, ["key", "list", "--url", stub.url, "--json"])
    hint = json.loads(shown.stdout)["error"]["hint"]
    assert ("not sent to another machine" in hint) == bool(where)
