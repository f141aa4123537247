"""Secrets in a Vault, as a running service meets them: changed, gone for a while, back again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway_rig import CHAT, HELLO, answers
from processes import ADMIN, serving
from scripted import Upstream
from vault_server import FakeVault

PROVIDERS = """
providers:
  - id: acme
    dialect: openai
    base_url: {url}
    credential: vault:secret/llm/acme#key
    regions: [eu]
    data_use: none
    models:
      - {{id: acme-large, price: {{input: 2.5, output: 10}}, context: 128000}}
"""
FEDERATION = """
routes:
  - {name: chat, strategy: priority, targets: [acme/acme-large]}
secrets: {refresh_s: 0.3, lifetime_s: 4}
sealing: {root: "vault-transit:transit/federation"}
payloads: {keep: true}
"""


async def until(check: Callable[[], Awaitable[bool]], what: str) -> None:
    end = time.monotonic() + 30.0
    while not await check():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.1)


async def test_a_secret_changes_without_a_restart_and_outlives_its_vault_for_its_time(
    tmp_path: Path,
) -> None:
    with FakeVault() as vault:
        vault.put("secret/llm/acme", key="sk-first")
        vault.put("secret/federation", master="6d" * 32, admin=ADMIN)
        vault.make_key("transit/federation")
        environ = vault.environ | {
            "FEDERATION_MASTER_KEY": "vault:secret/federation#master",
            "FEDERATION_ADMIN_KEY": "vault:secret/federation#admin",
        }
        async with Upstream(answers()) as upstream:
            config = tmp_path / "config"
            config.mkdir()
            (config / "providers.yaml").write_text(PROVIDERS.format(url=upstream.url))
            (config / "federation.yaml").write_text(FEDERATION)
            async with (
                serving(tmp_path, config, 1, environ=environ) as running,
                running.client() as client,
            ):

                async def answered() -> int:
                    return (await client.post(CHAT, json=HELLO)).status_code

                async def presents(secret: str) -> bool:
                    assert await answered() == 200
                    return upstream.seen[-1].headers["authorization"] == f"Bearer {secret}"

                assert await presents("sk-first")
                vault.put("secret/llm/acme", key="sk-second")
                await until(lambda: presents("sk-second"), "the new secret is not in force")

                vault.sealed = True
                assert await presents("sk-second")

                async def refused() -> bool:
                    return await answered() != 200

                await until(refused, "a secret outlives its time")
                vault.sealed = False
                await until(lambda: _not(refused), "the secret does not come back")

                reply = await client.post(CHAT, json=HELLO)
                name = reply.headers["x-request-id"]

                async def kept() -> bool:
                    found = await client.get(f"/v1/admin/data/payloads/{name}")
                    return found.status_code == 200 and found.json()["proven"] is True

                await until(kept, running.log.read_text())
                log = running.log.read_text()
        assert not (tmp_path / "data" / "master.key").exists()
        assert not (tmp_path / "data" / "keys" / "root").exists()
        for secret in ("sk-first", "sk-second", "6d" * 32, ADMIN):
            assert secret not in log
            for path in (tmp_path / "data").rglob("*"):
                assert not path.is_file() or secret.encode() not in path.read_bytes(), path


async def _not(check: Callable[[], Awaitable[bool]]) -> bool:
    return not await check()
