"""A provider whose certificate a private authority signed, as a running service reaches it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

from gateway_rig import CHAT, HELLO, answers
from processes import serving
from scripted import Upstream
from tls_front import tls_front

PROVIDERS = """
providers:
  - id: acme
    dialect: openai
    base_url: {url}
    auth: {{scheme: none}}
    regions: [eu]
    data_use: none
    models:
      - {{id: acme-large, price: {{input: 2.5, output: 10}}, context: 128000}}
"""
ROUTES = """
routes:
  - {name: chat, strategy: priority, targets: [acme/acme-large]}
"""


async def test_workers_and_control_trust_whom_the_operator_names(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    async with Upstream(answers()) as upstream:
        port = urlsplit(upstream.url).port
        assert port is not None
        with tls_front(port, tmp_path) as (url, certificate):
            (config / "providers.yaml").write_text(PROVIDERS.format(url=f"{url}/v1"))
            (config / "federation.yaml").write_text(ROUTES)
            async with (
                serving(tmp_path, config, 1) as running,
                running.client() as client,
            ):

                async def probe() -> bool:
                    reply = await client.post("/v1/providers/acme/test")
                    return bool(reply.json()["ok"])

                reply = await client.post(CHAT, json=HELLO)
                assert reply.status_code == 502
                assert not await probe()
                trusting = f"{ROUTES}upstream: {{ca_file: {certificate}}}\n"
                (config / "federation.yaml").write_text(trusting)
                end = time.monotonic() + 30.0
                while (reply := await client.post(CHAT, json=HELLO)).status_code != 200:
                    assert time.monotonic() < end, reply.text
                    await asyncio.sleep(0.1)
                assert await probe()
