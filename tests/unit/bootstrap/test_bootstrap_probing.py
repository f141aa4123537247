"""Providers are probed by the way that calls take: through the proxy of the moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Self

from federation.bootstrap.probing import open_prober
from federation.domain.catalogue import Auth, Provider, Tier
from federation.domain.routes import Settings
from federation.transport.client import Client

ROW = Provider("acme", "Acme", Tier.EMERGING, "openai", "http://api.acme.test/v1", Auth("none"))


class Proxy:
    """Answers for whoever is named to it, and notes whom."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.partition(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()


async def test_a_probe_takes_the_proxy_of_the_moment() -> None:
    settings = Settings()
    client = Client()
    prober = open_prober(client, lambda: settings)
    try:
        async with Proxy() as one, Proxy() as other:
            for proxy in (one, other):
                settings = replace(settings, http_proxy=proxy.url)
                assert (await prober.ask(ROW, None)).ok
                assert proxy.asked == [b"GET http://api.acme.test/v1/models HTTP/1.1"]
            settings = replace(settings, no_proxy=("acme.test",))
            assert not (await prober.ask(ROW, None)).ok
            assert (len(one.asked), len(other.asked)) == (1, 1)
    finally:
        await client.aclose()
