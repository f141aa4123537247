"""A client that dies reaches the provider at once, through whole processes and in every state."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gateway_rig import CHAT, HELLO
from life_load import until
from processes import ADMIN, Service, serving, write_config
from scripted import Seen, Talk, Upstream, chunk

WITHIN_S = 0.1
TIMES = 5
_PROVIDERS = """
providers:
  - {{id: one, dialect: openai, base_url: {url}, auth: {{scheme: none}}, regions: [eu],
     models: [{{id: first, abilities: [prefill], context: 128000}}]}}
  - {{id: two, dialect: openai, base_url: {url}, auth: {{scheme: none}}, regions: [eu],
     models: [{{id: second, abilities: [prefill], context: 128000, quirks: {{prefill: prefix}}}}]}}
"""
_FEDERATION = """
routes:
  - {name: chat, strategy: priority, targets: [one/first, two/second]}
"""


@dataclass
class States:
    """A provider that holds each call in the state that its `user` names."""

    held: list[Seen] = field(default_factory=list)
    """Calls that are where they should be."""

    async def __call__(self, talk: Talk) -> None:
        state = talk.seen.json.get("user")
        if state == "pause":
            self.held.append(talk.seen)
            await talk.answer(b'{"error": {"message": "slow down"}}', 429, "retry-after: 2\r\n")
            return
        if state in ("streaming", "mended"):
            await talk.begin_stream()
            for word in ("one ", "two ", "three "):
                await talk.event(chunk(word))
            if state == "mended" and talk.seen.json["model"] == "first":
                await asyncio.sleep(0.02)
                talk.writer.transport.abort()
                return
        self.held.append(talk.seen)
        await asyncio.Event().wait()


@pytest.fixture
def states() -> States:
    return States()


@pytest.fixture
async def service(tmp_path: Path, states: States) -> AsyncIterator[tuple[Service, Upstream]]:
    async with Upstream(states) as upstream:
        config = write_config(tmp_path, upstream.url, _FEDERATION)
        (config / "providers.yaml").write_text(_PROVIDERS.format(url=upstream.url))
        async with serving(tmp_path, config) as running:
            yield running, upstream


async def call(service: Service, state: str, *, stream: bool) -> socket.socket:
    """A call over a connection of its own, sent and left alone."""
    body = json.dumps(HELLO | {"user": state, "stream": stream}).encode()
    host, _, port = service.url.removeprefix("http://").partition(":")
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    made = socket.create_connection((host, int(port)))
    made.setblocking(False)
    await asyncio.get_running_loop().sock_sendall(made, head.encode() + body)
    return made


def dies(client: socket.socket) -> None:
    """Close as the kernel does for a process that was killed with bytes unread."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


async def test_whoever_dies_is_known_to_the_provider_within_a_tenth_of_a_second(
    service: tuple[Service, Upstream], states: States
) -> None:
    running, _ = service
    for state, stream in (
        ("waiting", False),
        ("waiting", True),
        ("streaming", True),
        ("mended", True),
    ):
        took = []
        for _ in range(TIMES):
            states.held.clear()
            client = await call(running, state, stream=stream)
            await until(lambda: bool(states.held))
            await asyncio.sleep(0.1)
            seen = states.held[-1]
            if state == "mended":
                assert seen.json["model"] == "second"
            left = time.monotonic()
            dies(client)
            await until(lambda seen=seen: seen.hung_up is not None)  # type: ignore[misc]
            assert seen.hung_up is not None
            took.append(seen.hung_up - left)
        # The median, because this machine may be busy with other tests for longer than that.
        assert statistics.median(took) < WITHIN_S, (state, stream, took)


async def test_whoever_dies_in_a_pause_ends_the_call(
    service: tuple[Service, Upstream], states: States
) -> None:
    running, upstream = service
    client = await call(running, "pause", stream=False)
    await until(lambda: bool(states.held))
    await asyncio.sleep(0.2)
    dies(client)
    await asyncio.sleep(2.5)
    assert len(upstream.seen) == 1, "nobody waits for what a second attempt would bring"
    async with running.client() as admin:
        (row,) = (await admin.get("/v1/calls")).json()["data"]
    assert row["outcome"] == "canceled"
