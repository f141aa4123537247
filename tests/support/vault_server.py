"""A Vault in a test: a real HTTP server on loopback that speaks as much of Vault's documented
wire as the gateway uses (KV version 2, transit, AppRole). Not a Vault: it keeps nothing safe."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TOKEN = "hvs.test-token"
ROLE, ROLE_SECRET = "role-1", "secret-1"


@dataclass
class Answer(Exception):
    """What is answered at once."""

    status: int
    body: dict[str, Any]


@dataclass
class FakeVault:
    """`with FakeVault() as vault:` serves on `vault.url`. Tokens in `tokens` are let in."""

    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    kv: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    transit: dict[str, list[bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sealed: bool = False
    """Answers everything with 503, as a sealed Vault does."""
    delay_s: float = 0.0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        return {"VAULT_ADDR": self.url, "VAULT_TOKEN": TOKEN}

    def put(self, path: str, **fields: str) -> int:
        """Write the next version of `mount/path`; its number."""
        versions = self.kv.setdefault(path, [])
        versions.append(dict(fields))
        return len(versions)

    def make_key(self, name: str) -> None:
        """Make a transit key `mount/name`."""
        self.transit[name] = [secrets.token_bytes(32)]

    def __enter__(self) -> Self:
        vault = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                vault._serve(self)

            do_POST = do_PUT = do_GET  # noqa: N815  the names that http.server looks for

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        size = int(request.headers.get("content-length") or 0)
        raw = request.rfile.read(size) if size else b"{}"
        path, _, query = request.path.partition("?")
        self.asked.append(f"{request.command} {path}")
        try:
            body = json.loads(raw)
            token = request.headers.get("x-vault-token", "")
            answer = self._answer(request.command, path.removeprefix("/v1/"), query, body, token)
            status = 200
        except Answer as early:
            status, answer = early.status, early.body
        data = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def _answer(
        self, verb: str, path: str, query: str, body: dict[str, Any], token: str
    ) -> dict[str, Any]:
        if self.sealed:
            raise Answer(503, {"errors": ["Vault is sealed"]})
        if path == "auth/approle/login":
            if (body.get("role_id"), body.get("secret_id")) != (ROLE, ROLE_SECRET):
                raise Answer(400, {"errors": ["invalid role or secret ID"]})
            made = f"hvs.{secrets.token_hex(8)}"
            self.tokens.add(made)
            return {"auth": {"client_token": made, "lease_duration": 60, "renewable": True}}
        if token not in self.tokens:
            raise Answer(403, {"errors": ["permission denied"]})
        mount, _, rest = path.partition("/")
        kind, _, name = rest.partition("/")
        if kind == "data":
            return self._kv(verb, f"{mount}/{name}", query, body)
        return self._transit(kind, f"{mount}/{name}", body)

    def _kv(self, verb: str, path: str, query: str, body: dict[str, Any]) -> dict[str, Any]:
        versions = self.kv.get(path, [])
        if verb != "GET":
            cas = body.get("options", {}).get("cas")
            if cas is not None and cas != len(versions):
                raise Answer(400, {"errors": ["check-and-set parameter did not match"]})
            return {"data": {"version": self.put(path, **body["data"])}}
        wanted = int(query.partition("version=")[2] or 0) or len(versions)
        if not 0 < wanted <= len(versions):
            raise Answer(404, {"errors": []})
        found = versions[wanted - 1]
        return {"data": {"data": found, "metadata": {"version": wanted, "destroyed": False}}}

    def _transit(self, kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        name = name.removesuffix("/rotate") if (turn := name.endswith("/rotate")) else name
        keys = self.transit.get(name)
        if keys is None:
            raise Answer(404, {"errors": []})
        if turn:
            keys.append(secrets.token_bytes(32))
        bound = base64.b64decode(body.get("associated_data") or "")
        if kind == "encrypt":
            nonce = secrets.token_bytes(12)
            sealed = AESGCM(keys[-1]).encrypt(nonce, base64.b64decode(body["plaintext"]), bound)
            text = base64.b64encode(nonce + sealed).decode()
            return {"data": {"ciphertext": f"vault:v{len(keys)}:{text}", "key_version": len(keys)}}
        if kind == "decrypt":
            _, version, text = body["ciphertext"].split(":")
            blob = base64.b64decode(text)
            try:
                plain = AESGCM(keys[int(version[1:]) - 1]).decrypt(blob[:12], blob[12:], bound)
            except InvalidTag:
                raise Answer(400, {"errors": ["cipher: message authentication failed"]}) from None
            return {"data": {"plaintext": base64.b64encode(plain).decode()}}
        return {"data": {"name": name, "latest_version": len(keys), "type": "aes256-gcm96"}}
