"""An identity provider in a test: OpenID Connect over real sockets, with keys of its own.

It lets in whoever `person` says, without asking. What a test wants to go wrong it changes here.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from token_world import Party, b64

from federation.credentials.oidc import challenge_of

CLIENT, SECRET = "gateway", "s3cret/with:odd+signs"


@dataclass
class IdentityProvider:
    """A provider at `url`; `now` is the time that its tokens say."""

    url: str = ""
    now: float = 0.0
    person: dict[str, Any] = field(
        default_factory=lambda: {"sub": "ada", "email": "ada@corp.test", "email_verified": True}
    )
    party: Party = field(default_factory=Party)
    says: dict[str, Any] = field(default_factory=dict)
    """Claims that replace those that it would make."""
    discovery: dict[str, Any] = field(default_factory=dict)
    """The same of its configuration."""
    asked: list[str] = field(default_factory=list)
    failing: bool = False
    public: bool = False
    published: dict[str, Any] | None = None
    """The key that it shows, where that is not the one it signs with."""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
        } | self.discovery

    def token(self, **claims: Any) -> str:
        """A token of this provider for whoever asks with it."""
        said = {"iss": self.url, "aud": CLIENT, "iat": int(self.now), "exp": int(self.now) + 300}
        party = Party(self.url, self.party.kid, self.party.key)
        return party.token(said | self.person | claims)

    def rotate(self, kid: str) -> None:
        """Sign with another key from now on."""
        self.party = Party(kid=kid)

    def answer(self, method: str, target: str, headers: dict[str, str], body: str) -> Answer:
        self.asked.append(f"{method} {target.partition('?')[0]}")
        path, query = urlsplit(target).path, urlsplit(target).query
        if self.failing:
            return 500, {}, b"{}"
        if path == "/.well-known/openid-configuration":
            return _json(self.configuration())
        if path == "/jwks":
            return _json(
                {"keys": [self.published or self.party.jwk, {"kty": "oct", "k": b64(b"x" * 32)}]}
            )
        if path == "/authorize":
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            code = secrets.token_urlsafe(16)
            self._codes[code] = asked
            back = urlencode({"code": code, "state": asked["state"]})
            return 302, {"location": f"{asked['redirect_uri']}?{back}"}, b""
        if path == "/token":
            return self._exchange(headers, {k: v[0] for k, v in parse_qs(body).items()})
        return 404, {}, b"{}"

    def _exchange(self, headers: dict[str, str], form: dict[str, str]) -> Answer:
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or not self._is_client(headers, form):
            return _json({"error": "invalid_grant"}, 400)
        if challenge_of(form["code_verifier"]) != asked["code_challenge"]:
            return _json({"error": "invalid_grant"}, 400)
        if form["redirect_uri"] != asked["redirect_uri"]:
            return _json({"error": "invalid_grant"}, 400)
        token = self.token(**({"nonce": asked["nonce"]} | self.says))
        return _json({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def _is_client(self, headers: dict[str, str], form: dict[str, str]) -> bool:
        if self.public:
            return form.get("client_id") == CLIENT and "authorization" not in headers
        basic = headers.get("authorization", "").removeprefix("Basic ")
        if basic:
            name, _, secret = b64decode(basic).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (CLIENT, SECRET)
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)


Answer = tuple[int, dict[str, str], bytes]


def _json(value: object, status: int = 200) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(value).encode()


@asynccontextmanager
async def identity_provider(now: float) -> AsyncIterator[IdentityProvider]:
    """One on a free port of this machine."""
    provider = IdentityProvider(now=now)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.strip().split("\r\n")
            headers = {k.strip().lower(): v.strip() for k, _, v in (r.partition(":") for r in rest)}
            body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
            method, target, _ = line.split(" ")
            status, more, answer = provider.answer(method, target, headers, body)
            more |= {"content-length": str(len(answer)), "connection": "close"}
            lines = "".join(f"{name}: {value}\r\n" for name, value in more.items())
            writer.write(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()
        await server.wait_closed()
