"""A budget's alert through the whole service: from a call to somebody's webhook, once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

from gateway_rig import CHAT, HELLO
from processes import FEDERATION, serving, write_config
from scripted import Upstream, whole
from webhook_receiver import receiving

ALERTS = """
alerts:
  webhooks:
    - {{name: ops, url: '{url}', secret: 'file:{secret}', private: true}}
"""


async def test_an_alert_is_told_once_also_by_a_control_that_starts_anew(tmp_path: Path) -> None:
    secret = tmp_path / "hook.secret"
    secret.touch(0o600)
    secret.write_text("a-secret-that-both-know")
    async with receiving() as receiver, Upstream(whole) as upstream:
        text = FEDERATION + ALERTS.format(url=receiver.url, secret=secret)
        config = write_config(tmp_path, upstream.url, text)
        async with serving(tmp_path, config) as service, service.client() as client:
            # A call costs 0.000075 USD: two thirds of it after the first one.
            limit = {"scope": "tenant", "limit_usd": "0.0001", "period": "total", "hard": False}
            made = await client.post("/v1/admin/budgets", json=limit)
            assert made.status_code in (200, 201), made.text
            end = time.monotonic() + 60
            while not receiver.got:
                assert time.monotonic() < end, service.log.read_text()
                assert (await client.post(CHAT, json=HELLO)).status_code == 200
                await asyncio.sleep(0.3)
            (before,) = service.every("control")
            os.kill(before, signal.SIGKILL)
            while service.every("control") in (set(), {before}):
                assert time.monotonic() < end + 30
                await asyncio.sleep(0.05)
            spent, end = 0, time.monotonic() + 60
            while spent < 3:
                assert time.monotonic() < end, service.log.read_text()
                reply = await client.post(CHAT, json=HELLO)
                spent += reply.status_code == 200
                await asyncio.sleep(0.5)
        told = [json.loads(body) for _, body in receiver.got]
        assert len({each["id"] for each in told}) == len(told), told
        assert {each["budget"] for each in told} == {made.json()["id"]}
        assert all(each["type"] == "budget.threshold" for each in told)
