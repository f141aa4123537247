"""TLS: the trust store, names, and hang-ups through it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from federation.errors import UpstreamCut, UpstreamFailed, UpstreamTimeout
from federation.schema.http import Origin, Timeouts, WireRequest
from federation.transport.client import Client
from federation.transport.tls import client_context

Serve: TypeAlias = Callable[..., Awaitable[Origin]]
Authority: TypeAlias = tuple[Path, ssl.SSLContext]
T = Timeouts(connect_s=2.0, first_byte_s=2.0, idle_s=2.0, total_s=5.0)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def get(origin: Origin) -> WireRequest:
    return WireRequest("GET", origin, "/", ())


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await reader.readuntil(b"\r\n\r\n")
        tls = writer.get_extra_info("ssl_object")
        assert tls.selected_alpn_protocol() == "http/1.1"
        writer.write(OK)


def trusting(authority: Authority) -> Callable[[], str]:
    return authority[0].read_text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "api.example"])
async def test_a_trusted_server_is_spoken_to(
    serve: Serve, new_client: Callable[..., Client], authority: Authority, host: str
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    origin = await serve(answering, tls=authority[1])
    client = new_client(authorities=trusting(authority), resolve=resolve)
    for _ in range(3):
        exchange = await client.send(get(Origin("https", host, origin.port, private=True)), T)
        assert await exchange.body(10) == b"hello"
    assert client.opened == 1


async def test_the_context_is_built_once_and_at_the_first_need(
    serve: Serve, new_client: Callable[..., Client], authority: Authority
) -> None:
    built = 0

    def build(authorities: str) -> ssl.SSLContext:
        nonlocal built
        built += 1
        return client_context(authorities)

    client = new_client(tls=build, authorities=trusting(authority))
    assert built == 0
    origin = await serve(answering, tls=authority[1])
    for exchange in await asyncio.gather(*(client.send(get(origin), T) for _ in range(3))):
        assert await exchange.body(10) == b"hello"
    assert built == 1


async def test_an_unknown_authority_is_not_trusted(
    serve: Serve, client: Client, authority: Authority
) -> None:
    origin = await serve(answering, tls=authority[1])
    with pytest.raises(UpstreamFailed, match=r"the certificate of 127\.0\.0\.1 is not trusted"):
        await client.send(get(origin), T)
    assert client.opened == 0


async def test_a_certificate_for_another_name_is_not_trusted(
    serve: Serve, new_client: Callable[..., Client], authority: Authority
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    origin = await serve(answering, tls=authority[1])
    client = new_client(authorities=trusting(authority), resolve=resolve)
    other = Origin("https", "other.example", origin.port, private=True)
    with pytest.raises(UpstreamFailed, match=r"certificate of other\.example is not trusted"):
        await client.send(get(other), T)


async def test_a_server_without_tls(serve: Serve, client: Client) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    origin = await serve(script)
    secure = Origin("https", "127.0.0.1", origin.port, private=True)
    with pytest.raises(UpstreamFailed, match=r"no TLS connection to 127\.0\.0\.1"):
        await client.send(get(secure), T)


async def test_a_server_that_hangs_up_on_the_handshake(serve: Serve, client: Client) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    origin = await serve(script)
    secure = Origin("https", "127.0.0.1", origin.port, private=True)
    with pytest.raises(UpstreamFailed, match=r"127\.0\.0\.1"):
        await client.send(get(secure), T)


async def test_a_handshake_that_never_ends_is_a_timeout(serve: Serve, client: Client) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    origin = await serve(script)
    secure = Origin("https", "127.0.0.1", origin.port, private=True)
    with pytest.raises(UpstreamTimeout, match="connect"):
        await client.send(get(secure), Timeouts(connect_s=0.2))
    assert client.opened == 0


async def test_closing_in_mid_stream_is_seen_at_once(
    serve: Serve, new_client: Callable[..., Client], authority: Authority
) -> None:
    gone = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        try:
            while await reader.read(100):
                pass
        except (ConnectionError, ssl.SSLError):
            pass
        gone.set()

    origin = await serve(script, tls=authority[1])
    client = new_client(authorities=trusting(authority))
    exchange = await client.send(get(origin), T)
    assert await exchange.read() == b"hello"
    await exchange.aclose()
    await asyncio.wait_for(gone.wait(), 0.1)
    assert client.opened == 0


async def test_a_stream_that_is_cut_under_tls(
    serve: Serve, new_client: Callable[..., Client], authority: Authority
) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()

    origin = await serve(script, tls=authority[1])
    client = new_client(authorities=trusting(authority))
    exchange = await client.send(get(origin), T)
    assert await exchange.read() == b"hello"
    with pytest.raises(UpstreamCut):
        await exchange.read()


async def test_whom_is_trusted_may_change_between_two_connections(
    serve: Serve, new_client: Callable[..., Client], authority: Authority
) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    trusted = [""]
    origin = await serve(once, tls=authority[1])
    client = new_client(authorities=lambda: trusted[0])
    for known in (False, True, False):
        trusted[0] = authority[0].read_text() if known else ""
        if known:
            exchange = await client.send(get(origin), T)
            assert await exchange.body(10) == b"hello"
        else:
            with pytest.raises(UpstreamFailed, match="is not trusted"):
                await client.send(get(origin), T)


def test_what_is_no_certificate_is_an_error() -> None:
    with pytest.raises(ssl.SSLError):
        client_context("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")


def test_a_store_is_looked_for_where_python_does_not_look(
    monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    nowhere = ssl.DefaultVerifyPaths(None, None, "", "", "", "")  # type: ignore[arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    monkeypatch.setattr("federation.transport.tls._STORES", ("/none", str(authority[0])))
    assert any(
        ("commonName", "test authority") in part
        for cert in client_context().get_ca_certs()
        for part in cert["subject"]
    )
    monkeypatch.setattr("federation.transport.tls._STORES", ())
    assert client_context().verify_mode is ssl.CERT_REQUIRED
