"""Through a proxy: CONNECT for https, the absolute form for http, secrets kept apart."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from federation.errors import UpstreamError, UpstreamFailed, UpstreamTimeout
from federation.schema.http import Origin, Timeouts, WireRequest
from federation.transport import proxies
from federation.transport.client import Client

Serve: TypeAlias = Callable[..., Awaitable[Origin]]
Authority: TypeAlias = tuple[Path, ssl.SSLContext]
T = Timeouts(connect_s=2.0, first_byte_s=2.0, idle_s=2.0, total_s=5.0)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
SECRET = b"Basic " + base64.b64encode(b"us:pw")


class Pipe:
    """A proxy: does what CONNECT says (towards `port`, whatever the name), or refuses."""

    def __init__(self, port: int = 0, refusal: bytes = b"", extra: bytes = b"") -> None:
        self.port = port
        self.refusal = refusal
        self.extra = extra
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self.refusal:
            writer.write(self.refusal)
            await reader.read()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nx: y\r\n\r\n" + self.extra)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        back = asyncio.ensure_future(pump(up_reader, writer))
        try:
            await pump(reader, up_writer)
        finally:
            back.cancel()
            up_writer.close()


class Answering:
    """An origin that notes what it hears."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.gone = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(OK)
        finally:
            self.gone.set()


def get(origin: Origin) -> WireRequest:
    return WireRequest("GET", origin, "/v1/x", ((b"authorization", b"Bearer k"),))


def url(proxy: Origin) -> str:
    return f"{proxy.scheme}://us:pw@127.0.0.1:{proxy.port}"


@pytest.mark.parametrize("secure", [False, True])
async def test_https_goes_through_a_tunnel(
    serve: Serve, new_client: Callable[..., Client], authority: Authority, secure: bool
) -> None:
    server = Answering()
    port = (await serve(server, tls=authority[1])).port
    pipe = Pipe(port)
    proxy = await serve(pipe, tls=authority[1] if secure else None)
    client = new_client(
        proxies=proxies.parse(https=url(proxy)),
        authorities=authority[0].read_text,
    )
    for _ in range(2):
        exchange = await client.send(get(Origin("https", "api.example", 443)), T)
        assert await exchange.body(10) == b"hello"
    assert client.opened == 1
    assert pipe.heads == [
        b"CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n"
        b"proxy-authorization: " + SECRET + b"\r\n\r\n"
    ]
    assert server.heads[0].startswith(b"GET /v1/x HTTP/1.1\r\n")
    assert b"\r\nhost: api.example\r\n" in server.heads[0]
    assert b"proxy-authorization" not in server.heads[0]
    assert b"Bearer k" not in pipe.heads[0]


@pytest.mark.parametrize(
    ("host", "told"), [("bücher.example", "xn--bcher-kva.example"), ("ü..x", "?..x")]
)
async def test_a_proxy_is_told_a_name_of_another_script_as_a_resolver_is(
    serve: Serve, new_client: Callable[..., Client], host: str, told: str
) -> None:
    pipe = Pipe(refusal=b"HTTP/1.1 502 no such host\r\ncontent-length: 0\r\n\r\n")
    address = url(await serve(pipe))
    client = new_client(proxies=proxies.parse(https=address, http=address))
    with pytest.raises(UpstreamFailed, match="502"):
        await client.send(get(Origin("https", host, 443)), T)
    assert (await client.send(get(Origin("http", host, 80)), T)).status == 502
    assert pipe.heads[0].startswith(f"CONNECT {told}:443 ".encode())
    assert pipe.heads[1].startswith(f"GET http://{told}/v1/x ".encode())
    assert f"\r\nhost: {told}\r\n".encode() in pipe.heads[1]


async def test_the_certificate_behind_the_tunnel_is_verified(
    serve: Serve, new_client: Callable[..., Client], authority: Authority
) -> None:
    pipe = Pipe((await serve(Answering(), tls=authority[1])).port)
    proxy = await serve(pipe)
    client = new_client(
        proxies=proxies.parse(https=url(proxy)),
        authorities=authority[0].read_text,
    )
    with pytest.raises(UpstreamFailed, match=r"certificate of other\.example is not trusted"):
        await client.send(get(Origin("https", "other.example", 443)), T)
    assert client.opened == 0


async def test_http_goes_in_absolute_form(serve: Serve, new_client: Callable[..., Client]) -> None:
    server = Answering()
    proxy = await serve(server)
    client = new_client(proxies=proxies.parse(http=url(proxy)))
    exchange = await client.send(get(Origin("http", "api.example", 8080)), T)
    assert await exchange.body(10) == b"hello"
    assert server.heads[0].startswith(b"GET http://api.example:8080/v1/x HTTP/1.1\r\n")
    assert b"\r\nhost: api.example:8080\r\n" in server.heads[0]
    assert b"\r\nproxy-authorization: " + SECRET + b"\r\n" in server.heads[0]


async def test_what_no_proxy_names_is_reached_directly(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    server = Answering()
    origin = await serve(server)
    chosen = proxies.parse(http="http://127.0.0.1:9", no_proxy="inner.example")
    client = new_client(proxies=chosen, resolve=resolve)
    for host in ("inner.example", "127.0.0.1"):
        exchange = await client.send(get(Origin("http", host, origin.port, private=True)), T)
        assert await exchange.body(10) == b"hello"
    assert server.heads[0].startswith(b"GET /v1/x ")


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (b"HTTP/1.1 407 Authenticate\r\ncontent-length: 0\r\n\r\n", "status 407.*password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nyou may not: us:pw", "status 403"),
        (b"HTTP/1.1 407 No\r\ncontent-length: 5\r\n\r\nus:pw", "status 407.*password"),
        (b"HTTP/1.1 407 No\r\n\r\n" + b"p" * 20_000, "status 407.*password"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 407 No\r\n\r\nno", "status 407.*password"),
        (b"HTTP/1.1 100 Continue\r\n\r\nnonsense\r\n\r\n", "not valid HTTP"),
        (b"nonsense\r\n\r\n", "not valid HTTP"),
        (b"HTTP/1.1\r\n\r\n", "not valid HTTP"),
        (b"a" * 20_000, "not valid HTTP"),
    ],
)
async def test_a_proxy_that_refuses_is_a_failure(
    serve: Serve, new_client: Callable[..., Client], refusal: bytes, message: str
) -> None:
    proxy = await serve(Pipe(refusal=refusal))
    client = new_client(proxies=proxies.parse(https=url(proxy)))
    with pytest.raises(UpstreamFailed, match=message) as caught:
        await client.send(get(Origin("https", "api.example", 443)), T)
    assert "pw" not in str(caught.value)
    assert client.opened == 0


async def test_nobody_may_speak_in_the_tunnel_before_us(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    pipe = Pipe((await serve(Answering())).port, extra=b"HTTP/1.1 200 OK\r\n\r\n")
    proxy = await serve(pipe)
    client = new_client(proxies=proxies.parse(https=url(proxy)))
    with pytest.raises(UpstreamFailed, match="not valid HTTP"):
        await client.send(get(Origin("https", "api.example", 443)), T)


async def test_a_proxy_that_hangs_up_or_is_silent(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    client = new_client(proxies=proxies.parse(https=url(await serve(hang_up))))
    with pytest.raises(UpstreamFailed, match="proxy closed the connection"):
        await client.send(get(Origin("https", "api.example", 443)), T)
    client = new_client(proxies=proxies.parse(https=url(await serve(silent))))
    with pytest.raises(UpstreamTimeout, match="connect"):
        await client.send(get(Origin("https", "api.example", 443)), Timeouts(connect_s=0.2))
    assert client.opened == 0


async def test_an_origin_that_hangs_up_in_the_tunnel(
    serve: Serve, new_client: Callable[..., Client]
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    proxy = await serve(Pipe((await serve(hang_up)).port))
    client = new_client(proxies=proxies.parse(https=url(proxy)))
    with pytest.raises(UpstreamFailed):
        await client.send(get(Origin("https", "api.example", 443)), T)
    assert client.opened == 0


async def test_cancelling_ends_the_tunnel(
    serve: Serve, new_client: Callable[..., Client], authority: Authority
) -> None:
    there, gone = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            there.set()
            await reader.read()
        finally:
            gone.set()

    pipe = Pipe((await serve(silent, tls=authority[1])).port)
    client = new_client(
        proxies=proxies.parse(https=url(await serve(pipe))),
        authorities=authority[0].read_text,
    )
    task = asyncio.create_task(client.send(get(Origin("https", "api.example", 443)), T))
    await asyncio.wait_for(there.wait(), 30)
    assert not gone.is_set()
    task.cancel()
    await asyncio.wait_for(gone.wait(), 30)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("host", ["10.0.0.1", "[::1]", "169.254.169.254", "metadata.goog"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_is_not_asked_for_inside_addresses(
    serve: Serve, new_client: Callable[..., Client], host: str, scheme: str
) -> None:
    pipe = Pipe(refusal=b"HTTP/1.1 500 Asked\r\n\r\n")
    address = url(await serve(pipe))
    client = new_client(proxies=proxies.parse(https=address, http=address))
    with pytest.raises(UpstreamError) as caught:
        await client.send(get(Origin(scheme, host, 443)), T)
    assert caught.value.code == "upstream_address_forbidden"
    assert pipe.heads == []
