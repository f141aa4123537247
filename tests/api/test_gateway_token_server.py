"""Tokens from a real token server on loopback, by the real transport."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio

from federation.credentials.plans import ByToken
from federation.credentials.signers import plan
from federation.domain.catalogue import Auth, Provider, Tier
from federation.errors import UpstreamDenied, UpstreamFailed
from federation.gateway.tokens import YOUNG_S, Tokens
from federation.schema.http import Timeouts, WireRequest
from federation.transport.client import Client

PAIR = '{"client_id": "gateway", "client_secret": "s3cret-0123456789"}'
BASIC = b"Basic " + b64encode(b"gateway:s3cret-0123456789")
NOW = datetime.now(UTC)
TIMEOUTS = Timeouts(connect_s=2.0, first_byte_s=5.0, idle_s=5.0, total_s=10.0)


class TokenServer:
    """A token endpoint, and beside it a provider that takes only the newest token."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.issued = 0
        self.slow_s = 0.0
        self.port = 0

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                start, *lines = head.rstrip().split(b"\r\n")
                fields = dict(line.split(b": ", 1) for line in lines)
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
                status, answer = await self._answer(start, fields, body)
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, len(answer)))
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, start: bytes, fields: dict[bytes, bytes], body: bytes
    ) -> tuple[int, bytes]:
        proof = fields.get(b"authorization")
        if not start.startswith(b"POST /oidc/v1/token "):
            good = proof == b"Bearer token-%d" % self.issued
            return (200, b"{}") if good else (401, b"{}")
        self.asked.append(dict(parse_qsl(body.decode(), strict_parsing=True)))
        await asyncio.sleep(self.slow_s)
        if proof != BASIC:
            return 401, b'{"error": "invalid_client", "error_description": "%s"}' % (proof or b"")
        self.issued += 1
        return 200, b'{"access_token": "token-%d", "expires_in": 3600}' % self.issued


@pytest_asyncio.fixture
async def server() -> AsyncIterator[TokenServer]:
    found = TokenServer()
    listening = await asyncio.start_server(found.play, "127.0.0.1", 0)
    found.port = listening.sockets[0].getsockname()[1]
    yield found
    listening.close()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.aclose()
    await asyncio.sleep(0.01)


def a_row(port: int) -> Provider:
    return Provider(
        "acme",
        "Acme",
        Tier.CLOUD,
        "openai",
        f"http://127.0.0.1:{port}/v1",
        auth=Auth(),
        quirks={"token_path": "/oidc/v1/token", "auth_scope": "all-apis"},
        private=True,
    )


async def status_of(client: Client, request: WireRequest) -> int:
    exchange = await client.send(request, TIMEOUTS)
    await exchange.body(1_000)
    return exchange.status


def a_call(signing: ByToken) -> WireRequest:
    origin = signing.spec.request(NOW, "").origin
    return WireRequest("POST", origin, "/v1/chat/completions", (), b"{}")


async def test_calls_are_signed_with_a_token_that_is_fetched_once(
    server: TokenServer, client: Client
) -> None:
    server.slow_s = 0.05
    tokens = Tokens(client)
    signing = plan(a_row(server.port), PAIR)
    assert isinstance(signing, ByToken)

    async def call() -> int:
        return await status_of(client, await tokens.sign(signing, a_call(signing)))

    assert set(await asyncio.gather(*(call() for _ in range(20)))) == {200}
    assert server.asked == [{"grant_type": "client_credentials", "scope": "all-apis"}]


async def test_a_revoked_token_is_forgotten_and_fetched_anew(
    server: TokenServer, client: Client
) -> None:
    now = [0.0]
    tokens = Tokens(client, clock=lambda: now[0])
    signing = plan(a_row(server.port), PAIR)
    assert isinstance(signing, ByToken)
    await tokens.get(signing.spec)
    server.issued += 1
    now[0] += YOUNG_S
    assert await status_of(client, await tokens.sign(signing, a_call(signing))) == 401
    assert tokens.forget(signing.spec)
    assert await status_of(client, await tokens.sign(signing, a_call(signing))) == 200


async def test_a_refusal_says_why_and_holds_no_secret(server: TokenServer, client: Client) -> None:
    tokens = Tokens(client)
    signing = plan(a_row(server.port), PAIR.replace("s3cret", "wrong"))
    assert isinstance(signing, ByToken)
    for _ in range(5):
        with pytest.raises(UpstreamDenied, match=r"\(invalid_client\)") as caught:
            await tokens.get(signing.spec)
        assert "wrong-0123456789" not in str(caught.value)
    assert len(server.asked) == 1


async def test_a_server_that_is_not_there_fails_the_attempt(client: Client) -> None:
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    signing = plan(a_row(port), PAIR)
    assert isinstance(signing, ByToken)
    with pytest.raises(UpstreamFailed):
        await Tokens(client).get(signing.spec)


async def test_a_call_that_hangs_up_does_not_stop_the_fetch(
    server: TokenServer, client: Client
) -> None:
    server.slow_s = 0.05
    tokens = Tokens(client)
    signing = plan(a_row(server.port), PAIR)
    assert isinstance(signing, ByToken)
    first = asyncio.ensure_future(tokens.get(signing.spec))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await tokens.get(signing.spec) == "token-1"
    assert len(server.asked) == 1
