"""The work of `federation login`: through a browser and back to this machine (RFC 8252), or with
a key.

The trap: any program of this machine may knock at the loopback address. What does not carry the
state that we made is answered and not believed.
"""

from __future__ import annotations

import secrets
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from federation.cli import login_store, output
from federation.cli.client import Gateway
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.credentials.oidc import challenge_of

PATH: Final = "/signed-in"
_DONE: Final = b"<!doctype html><title>Federation</title><p>You can close this page."


class Waiting(HTTPServer):
    """Waits on loopback for one browser; `brought` is what it brought."""

    def __init__(self, state: str) -> None:
        super().__init__(("127.0.0.1", 0), _Landing)
        self.state = state
        self.brought: dict[str, str] = {}

    @property
    def address(self) -> str:
        """Where the browser is to come back to."""
        return f"http://127.0.0.1:{self.server_port}{PATH}"

    def wait(self, within_s: float) -> dict[str, str]:
        """What the browser brings. Raises `CommandFailed` where it does not come in time."""
        end = time.monotonic() + within_s
        while not self.brought and (left := end - time.monotonic()) > 0:
            self.timeout = left
            self.handle_request()
        if not self.brought:
            raise CommandFailed(
                "Nobody has signed in.", hint="Try again, or use --with-key.", code="timeout"
            )
        return self.brought


class _Landing(BaseHTTPRequestHandler):
    server: Waiting
    timeout = 5

    def do_GET(self) -> None:
        """Take what a browser brings."""
        parts = urlsplit(self.path)
        said = {name: values[0] for name, values in parse_qs(parts.query).items()}
        ours = secrets.compare_digest(said.get("state", "").encode(), self.server.state.encode())
        self.send_response(200 if ours and parts.path == PATH else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        if ours and parts.path == PATH:
            self.server.brought = said
            self.wfile.write(_DONE)

    def log_message(self, *_: object) -> None:
        """Say nothing: an address with a code in it is no matter for a terminal."""


def with_browser(
    place: Place, issuer: str | None, *, browser: bool, within_s: float, as_json: bool
) -> None:
    """Sign in at an identity provider."""
    url = place.address()
    gateway = Gateway(url)
    doors = gateway.get("/auth/issuers")
    chosen = _chosen(issuer, doors["issuers"])
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    with Waiting(state) as waiting:
        asked = {
            "issuer": chosen,
            "redirect_uri": waiting.address,
            "code_challenge": challenge_of(verifier),
            "state": state,
        }
        way = f"{doors['login_url']}?{urlencode(asked)}"
        if not browser or not webbrowser.open(way):
            output.note(f"Open this in a browser of this machine:\n\n{way}\n")
        else:
            output.note(f"Your browser signs you in at '{chosen}'.")
        brought = waiting.wait(within_s)
        if "code" not in brought:
            raise CommandFailed(
                "The sign-in was refused.", code="access_denied", exit_code=Exit.REFUSED
            )
        body = {
            "grant_type": "authorization_code",
            "code": brought["code"],
            "code_verifier": verifier,
            "redirect_uri": waiting.address,
        }
    _keep(url, gateway.post("/auth/token", body), place, as_json=as_json)


def with_key(place: Place, key: str, *, as_json: bool) -> None:
    """Sign in with an API key, which is kept nowhere; raises where none is given."""
    if not key.strip():
        raise CommandFailed(
            "No key came on standard input.",
            hint="Pipe it in: federation login --with-key < FILE",
            code="usage",
            exit_code=Exit.USAGE,
        )
    url = place.address()
    answer = Gateway(url).post("/auth/token", {"api_key": key.strip()})
    _keep(url, answer, place, as_json=as_json)


def out(place: Place, *, everywhere: bool, force: bool, as_json: bool) -> None:
    """End the session at the gateway, then here.

    Raises where the gateway does not end it, and the tokens stay then, to try again: whoever had
    a copy of them could go on. With `force` they are forgotten here all the same.
    """
    url = place.address()
    found = login_store.find(url, place.environ)
    if found is None:
        raise CommandFailed(f"Nobody has signed in at {url}.", code="not_signed_in")
    failure: CommandFailed | None = None
    try:
        Gateway(url).post("/auth/revoke", {"token": found.refresh, "everywhere": everywhere})
    except CommandFailed as error:
        failure = error
    if failure is not None and not force:
        failure.hint = "You are signed in yet. Try again, or forget it here alone with --force."
        raise failure
    login_store.forget(url, place.environ)
    if failure is not None:
        output.note(f"The session is not ended at the gateway: {failure.message}")
    if as_json:
        output.print_json({"revoked": failure is None})
    else:
        output.say(f"Signed out of {url}.")


def who(place: Place, *, as_json: bool) -> None:
    """Say who one is to the gateway."""
    _show(place.gateway().get("/auth/me"), as_json=as_json)


def _chosen(issuer: str | None, issuers: list[str]) -> str:
    if not issuers:
        raise CommandFailed(
            "Nobody can sign in by browser here: the gateway has no 'sign_in.issuers' with a "
            "client_id.",
            hint="Use --with-key.",
            code="no_issuer",
        )
    if issuer is None and len(issuers) == 1:
        return issuers[0]
    if issuer not in issuers:
        names = ", ".join(issuers)
        raise CommandFailed(
            f"Say where to sign in: one of {names}.",
            hint="See --issuer.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    return issuer


def _keep(url: str, answer: dict[str, Any], place: Place, *, as_json: bool) -> None:
    path = login_store.keep(url, login_store.kept_of(answer), place.environ)
    _show(Gateway(url, answer["access_token"]).get("/auth/me"), as_json=as_json)
    if not as_json:
        output.note(f"Kept in {path}. Commands for {url} use it; `federation logout` ends it.")


def _show(me: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        output.print_json(me)
        return
    facts = [(name, me[name]) for name in ("name", "tenant", "team", "user", "role")]
    output.facts([*facts, ("may", ", ".join(me["permissions"]))])
