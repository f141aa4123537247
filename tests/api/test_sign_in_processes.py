"""Tokens through the whole product: what every worker makes of them, and how soon they end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path

import httpx
from gateway_rig import CHAT, HELLO
from identity_provider import SECRET, identity_provider
from processes import ADMIN, FEDERATION, Service, serving, write_config
from scripted import Upstream, whole

SIGN_IN = """
sign_in:
  issuers:
    - name: corp
      issuer: {url}
      audience: federation
      private: true
      people: any
"""


async def statuses(service: Service, secret: str, count: int = 8) -> set[int]:
    """Of calls on so many new connections, which spread over the workers."""

    async def once() -> int:
        async with service.client(secret) as client:
            return (await client.post(CHAT, json=HELLO)).status_code

    return set(await asyncio.gather(*(once() for _ in range(count))))


async def becomes(service: Service, secret: str, status: int) -> None:
    """Every worker comes to answer with this status."""
    end = time.monotonic() + 30
    while await statuses(service, secret) != {status}:
        assert time.monotonic() < end, service.log.read_text()
        await asyncio.sleep(0.05)


async def test_every_worker_takes_tokens_and_refuses_those_that_have_ended(tmp_path: Path) -> None:
    async with identity_provider(time.time()) as provider, Upstream(whole) as upstream:
        config = write_config(tmp_path, upstream.url, FEDERATION + SIGN_IN.format(url=provider.url))
        async with serving(tmp_path, config) as service, service.client() as admin:
            wish = {"name": "k", "role": "developer"}
            key = (await admin.post("/v1/keys", json=wish)).json()["secret"]
            found = (await admin.post("/auth/token", json={"api_key": key})).json()
            token = found["access_token"]
            await becomes(service, token, 200)
            async with service.client(token) as client:
                me = (await client.get("/auth/me")).json()
                assert me["role"] == "developer"
                models = await client.get("/v1/models")
                assert models.status_code == 200
            async with service.client("nobody") as nobody:
                keys = (await nobody.get("/auth/jwks.json")).json()["keys"]
                assert [each["alg"] for each in keys] == ["EdDSA"]

            narrow = {"api_key": key, "scopes": ["stats.read"]}
            limited = (await admin.post("/auth/token", json=narrow)).json()["access_token"]
            assert await statuses(service, limited, 2) == {403}

            foreign = provider.token(aud="federation")
            await becomes(service, foreign, 200)
            assert await statuses(service, provider.token(), 2) == {401}

            body = {"refresh_token": found["refresh_token"]}
            following = (await admin.post("/auth/refresh", json=body)).json()
            assert await statuses(service, following["access_token"], 2) == {200}

            await admin.post("/auth/revoke", json={"token": following["refresh_token"]})
            revoked = time.monotonic()
            await asyncio.sleep(1.0)
            assert await statuses(service, token) == {401}, time.monotonic() - revoked
            assert await statuses(service, following["access_token"]) == {401}
            assert await statuses(service, ADMIN, 2) == {200}
            calls = service.calls()
            end = time.monotonic() + 30
            while len(calls) < 10:
                assert time.monotonic() < end
                await asyncio.sleep(0.1)
                calls = service.calls()


PEOPLE = """
sign_in:
  public_url: {public}
  issuers:
    - name: corp
      issuer: {url}
      private: true
      people: any
      client_id: gateway
      client_secret: file:{secret}
"""


async def command(home: Path, *words: str) -> asyncio.subprocess.Process:
    """A `federation` command as a process, with a home of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "federation.cli.main", *words),
        env=kept | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "COLUMNS": "2000"},
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        stdin=asyncio.subprocess.PIPE,
    )


async def said(process: asyncio.subprocess.Process, code: int = 0) -> str:
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    assert process.returncode == code, output.decode()
    return output.decode()


async def address_in(process: asyncio.subprocess.Process) -> str:
    """The address that a command asks to be opened."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while line := (await process.stdout.readline()).decode():
            found = re.search(r"http://\S+/auth/login\?\S+", line)
            if found is not None:
                return found[0]
    raise AssertionError("it printed no address")


async def browse(url: str) -> None:
    """What a browser does: cookies, and every redirect."""
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True, timeout=30) as browser:
        page = await browser.get(url)
    assert page.status_code == 200, page.text


async def test_a_person_signs_in_at_the_command_line(tmp_path: Path) -> None:
    async with identity_provider(time.time()) as provider, Upstream(whole) as upstream:
        config = write_config(tmp_path, upstream.url)
        secret = tmp_path / "client.secret"
        secret.touch(0o600)
        secret.write_text(SECRET)
        async with serving(tmp_path, config, workers=1) as service, service.client() as admin:
            text = PEOPLE.format(public=service.url, url=provider.url, secret=secret)
            (config / "federation.yaml").write_text(FEDERATION + text)
            end = time.monotonic() + 30
            while not (await admin.get("/auth/issuers")).json()["issuers"]:
                assert time.monotonic() < end, service.log.read_text()
                await asyncio.sleep(0.1)

            at = ("--url", service.url)
            login = await command(tmp_path, "login", "--no-browser", *at)
            await browse(await address_in(login))
            assert "ada" in await said(login)
            file = tmp_path / "federation" / "sessions.json"
            assert file.stat().st_mode & 0o077 == 0
            me = json.loads(await said(await command(tmp_path, "whoami", "--json", *at)))
            assert (me["user"], me["role"]) == ("ada", "developer")

            token = json.loads(file.read_text())[service.url]["access"]
            assert await statuses(service, token, 2) == {200}
            assert "Signed out" in await said(await command(tmp_path, "logout", *at))
            await becomes(service, token, 401)
            await said(await command(tmp_path, "logout", *at), code=1)

            again = await command(tmp_path, "login", "--with-key", "--json", *at)
            assert again.stdin is not None
            again.stdin.write(f"{ADMIN}\n".encode())
            assert json.loads(await said(again))["role"] == "admin"
