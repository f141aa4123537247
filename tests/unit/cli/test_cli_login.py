"""`federation login` and what it keeps."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner, Result

from federation.cli import login_store
from federation.cli.failures import CommandFailed
from federation.cli.tree import app

Run = Callable[..., Result]
ME = {
    "id": "user:default/ada",
    "name": "Ada",
    "tenant": "default",
    "team": "",
    "user": "ada",
    "role": "owner",
    "permissions": ["infer"],
}


def tokens(n: int, expires_in: int = 1_800) -> dict[str, Any]:
    return {"access_token": f"access{n}", "refresh_token": f"refresh{n}", "expires_in": expires_in}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "federation" / "sessions.json"


@pytest.fixture
def signed(stub: Any) -> Run:
    """A command at the stub without a key."""

    def running(*arguments: str, **more: Any) -> Result:
        environ = {"FEDERATION_URL": stub.url}
        return CliRunner().invoke(app, list(arguments), env=environ, **more)

    stub.on("GET", "/auth/me", ME)
    return running


def bearers(stub: Any, path: str) -> list[str | None]:
    return [headers.get("authorization") for _, at, headers, _ in stub.asked if at == path]


def test_a_key_is_exchanged_and_not_kept(signed: Run, stub: Any, home: Path) -> None:
    stub.on("POST", "/auth/token", tokens(1))
    done = signed("login", "--with-key", input="fed_key\n")
    assert done.exit_code == 0, done.output
    assert "Ada" in done.output
    assert [body for _, at, _, body in stub.asked if at == "/auth/token"] == [
        {"api_key": "fed_key"}
    ]
    assert "fed_key" not in home.read_text()
    assert home.stat().st_mode & 0o077 == 0
    assert signed("whoami", "--json").exit_code == 0
    assert bearers(stub, "/auth/me") == ["Bearer access1", "Bearer access1"]


def test_a_sign_in_without_a_key_says_that_none_came(signed: Run, stub: Any) -> None:
    done = signed("login", "--with-key", input="")
    assert (done.exit_code, stub.asked) == (2, [])
    assert "No key came on standard input." in done.stderr


def test_a_token_that_is_over_is_refreshed_first(signed: Run, stub: Any, home: Path) -> None:
    stub.on("POST", "/auth/token", tokens(1, expires_in=1))
    signed("login", "--with-key", input="fed_key\n")
    stub.on("POST", "/auth/refresh", tokens(2))
    assert signed("whoami").exit_code == 0
    assert bearers(stub, "/auth/me")[-1] == "Bearer access2"
    assert "refresh2" in home.read_text()


def test_a_session_that_has_ended_is_forgotten(signed: Run, stub: Any, home: Path) -> None:
    stub.on("POST", "/auth/token", tokens(1, expires_in=1))
    signed("login", "--with-key", input="fed_key\n")
    stub.refuse("POST", "/auth/refresh", 401, "This session has ended.", "token_revoked")
    done = signed("whoami")
    assert done.exit_code == 4
    assert "federation login" in done.output
    assert json.loads(home.read_text()) == {}


def test_a_gateway_that_fails_leaves_the_session_as_it_is(
    signed: Run, stub: Any, home: Path
) -> None:
    stub.on("POST", "/auth/token", tokens(1, expires_in=1))
    signed("login", "--with-key", input="fed_key\n")
    stub.refuse("POST", "/auth/refresh", 503, "Later.", "unavailable")
    assert signed("whoami").exit_code == 1
    assert "refresh1" in home.read_text()


def test_a_key_that_was_given_goes_before_a_session(signed: Run, stub: Any, run: Run) -> None:
    stub.on("POST", "/auth/token", tokens(1))
    signed("login", "--with-key", input="fed_key\n")
    assert run("whoami").exit_code == 0
    assert bearers(stub, "/auth/me")[-1] == "Bearer key-of-the-test"
    signed("whoami", "--api-key", "another")
    assert bearers(stub, "/auth/me")[-1] == "Bearer another"


def test_signing_out_ends_the_session_at_the_gateway(signed: Run, stub: Any, home: Path) -> None:
    stub.on("POST", "/auth/token", tokens(1))
    stub.on("POST", "/auth/revoke", {"revoked": True})
    signed("login", "--with-key", input="fed_key\n")
    assert "Signed out" in signed("logout", "--everywhere").output
    (asked,) = [body for _, at, _, body in stub.asked if at == "/auth/revoke"]
    assert asked == {"token": "refresh1", "everywhere": True}
    assert json.loads(home.read_text()) == {}
    assert signed("logout").exit_code == 1
    signed("login", "--with-key", input="fed_key\n")
    assert json.loads(signed("logout", "--json").output) == {"revoked": True}


@pytest.mark.parametrize("text", ["{", "[]", '{"u": {"odd": 1}}'])
def test_a_file_that_is_no_list_of_sessions_is_told_on_or_empty(
    signed: Run, home: Path, text: str
) -> None:
    home.parent.mkdir(parents=True)
    home.touch(0o600)
    home.write_text(text)
    done = signed("whoami")
    assert done.exit_code == (1 if text == "{" else 0), done.output


def test_a_file_that_others_can_read_is_not_used(signed: Run, stub: Any, home: Path) -> None:
    stub.on("POST", "/auth/token", tokens(1))
    signed("login", "--with-key", input="fed_key\n")
    home.chmod(0o644)
    done = signed("whoami")
    assert done.exit_code == 1
    assert "chmod 600" in done.output


def test_a_home_that_cannot_be_written_is_told_on(
    signed: Run, stub: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    stub.on("POST", "/auth/token", tokens(1))
    done = signed("login", "--with-key", input="fed_key\n")
    assert done.exit_code == 1
    assert "sessions.json" in done.output
    assert login_store.sessions_file({}) == Path.home() / ".config/federation/sessions.json"


def test_who_has_no_home_has_no_session(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, project: Path
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    assert login_store.find("http://x", {"XDG_CONFIG_HOME": os.devnull}) is None
    monkeypatch.setattr(Path, "home", homeless)
    assert login_store.find("http://x", {}) is None
    with pytest.raises(CommandFailed) as caught:
        login_store.keep("http://x", login_store.Kept("a", "r", 0.0), {})
    assert "XDG_CONFIG_HOME" in caught.value.hint


def away() -> str:
    """An address where nobody is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class TestSigningOut:
    @pytest.fixture(autouse=True)
    def session(self, signed: Run, stub: Any) -> None:
        stub.on("POST", "/auth/token", tokens(1))
        assert signed("login", "--with-key", input="fed_key\n").exit_code == 0

    def test_a_session_that_could_not_be_ended_is_kept(
        self, signed: Run, stub: Any, home: Path
    ) -> None:
        stub.refuse("POST", "/auth/revoke", 503, "Later.", "unavailable")
        done = signed("logout")
        assert done.exit_code == 1
        assert "Later." in done.stderr
        assert "--force" in done.stderr
        assert "refresh1" in home.read_text()
        stub.on("POST", "/auth/revoke", {"revoked": True})
        assert signed("logout").exit_code == 0
        assert json.loads(home.read_text()) == {}

    def test_a_session_at_a_gateway_that_is_away_is_kept(self, home: Path) -> None:
        url = away()
        login_store.keep(
            url, login_store.kept_of(tokens(7)), {"XDG_CONFIG_HOME": str(home.parents[1])}
        )
        before = home.read_text()
        done = CliRunner().invoke(app, ["logout", "--url", url])
        assert done.exit_code == 3
        assert "--force" in done.stderr
        assert home.read_text() == before

    def test_a_session_is_forgotten_all_the_same_where_that_is_said(
        self, signed: Run, stub: Any, home: Path
    ) -> None:
        stub.refuse("POST", "/auth/revoke", 503, "Later.", "unavailable")
        done = signed("logout", "--force")
        assert done.exit_code == 0, done.output
        assert "Later." in done.stderr
        assert "not ended at the gateway" in done.stderr
        assert json.loads(home.read_text()) == {}
        signed("login", "--with-key", input="fed_key\n")
        done = signed("logout", "--force", "--json")
        assert json.loads(done.stdout) == {"revoked": False}

    def test_force_is_no_hindrance_to_ending_it(self, signed: Run, stub: Any) -> None:
        stub.on("POST", "/auth/revoke", {"revoked": True})
        assert json.loads(signed("logout", "--force", "--json").stdout) == {"revoked": True}


def _keep_many(start: Any, n: int, environ: dict[str, str]) -> None:
    start.wait()
    for m in range(20):
        login_store.keep(f"http://{n}.test:{m}", login_store.kept_of(tokens(n)), environ)
        if m % 2:
            login_store.forget(f"http://{n}.test:{m}", environ)


def test_logins_at_several_gateways_at_once_are_all_kept(home: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(home.parents[1])}
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    processes = [context.Process(target=_keep_many, args=(start, n, environ)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    wanted = {f"http://{n}.test:{m}" for n in range(4) for m in range(0, 20, 2)}
    assert set(json.loads(home.read_text())) == wanted
    assert all(path.stat().st_mode & 0o077 == 0 for path in home.parent.iterdir())


class TestBrowser:
    def doors(self, stub: Any, *names: str) -> None:
        stub.on("GET", "/auth/issuers", {"issuers": list(names), "login_url": "https://gw.test/in"})
        stub.on("POST", "/auth/token", tokens(1))

    def arrive(
        self, monkeypatch: pytest.MonkeyPatch, brings: dict[str, str] | None = None
    ) -> list[str]:
        """Be the browser: come back with a code, after others have knocked."""
        opened: list[str] = []

        def browse(url: str) -> bool:
            opened.append(url)
            asked = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}

            def visit() -> None:
                base = asked["redirect_uri"]
                for path in ("?state=wrong&code=evil", "?code=evil", "x?state=" + asked["state"]):
                    with pytest.raises(HTTPError):
                        urllib.request.urlopen(base + path, timeout=30)
                said = "&".join(f"{k}={v}" for k, v in (brings or {"code": "good"}).items())
                urllib.request.urlopen(f"{base}?state={asked['state']}&{said}", timeout=30).read()

            threading.Thread(target=visit).start()
            return True

        monkeypatch.setattr("webbrowser.open", browse)
        return opened

    def test_a_browser_brings_a_code(
        self, signed: Run, stub: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.doors(stub, "corp")
        (opened,) = (self.arrive(monkeypatch),)
        done = signed("login")
        assert done.exit_code == 0, done.output
        asked = parse_qs(urlsplit(opened[0]).query)
        (body,) = [body for _, at, _, body in stub.asked if at == "/auth/token"]
        assert body["code"] == "good"
        assert body["redirect_uri"] == asked["redirect_uri"][0]
        assert asked["issuer"] == ["corp"]
        assert opened[0].startswith("https://gw.test/in?")
        assert re.fullmatch(r"[A-Za-z0-9_-]{43,}", body["code_verifier"])

    def test_a_refusal_is_told(
        self, signed: Run, stub: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.doors(stub, "corp")
        self.arrive(monkeypatch, {"error": "access_denied"})
        done = signed("login")
        assert done.exit_code == 4
        assert "refused" in done.output

    def test_one_of_several_is_named(self, signed: Run, stub: Any) -> None:
        self.doors(stub, "corp", "home")
        for words in ((), ("--issuer", "nobody")):
            done = signed("login", *words)
            assert done.exit_code == 2
            assert "corp, home" in done.output
        self.doors(stub)
        assert "--with-key" in signed("login").output

    def test_who_does_not_come_is_not_waited_for_for_ever(self, signed: Run, stub: Any) -> None:
        self.doors(stub, "corp")
        began = time.monotonic()
        done = signed("login", "--no-browser", "--within", "1")
        assert done.exit_code == 1
        assert "https://gw.test/in?" in done.output
        assert time.monotonic() - began >= 1
