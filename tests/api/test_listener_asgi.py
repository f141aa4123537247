"""The ASGI adapter: in process, and under a real ASGI server."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import pytest
import uvicorn
from listener_harness import LIMITS, Behind, Client, Pieces, render_error, request

from federation.errors import Unauthorized, UpstreamCut
from federation.listener.asgi import AsgiApp, StreamCut, asgi_app
from federation.schema.http import ClientRequest


class Faults(list[tuple[BaseException, str]]):
    def __call__(self, fault: BaseException, request_id: str) -> None:
        self.append((fault, request_id))


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def app(behind: Behind, faults: Faults) -> AsgiApp:
    return asgi_app(behind, LIMITS, render_error, faults)


@pytest.fixture
async def client(app: AsgiApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_request_is_the_same_as_through_the_listener(
    client: httpx.AsyncClient, behind: Behind
) -> None:
    reply = await client.post("/a%20b/c%2Fd?x=%20y", content=b"{}", headers={"X-A": "b"})
    assert (reply.status_code, reply.content) == (200, b"{}")
    assert reply.headers["content-length"] == "2"
    seen = behind.requests[0]
    assert (seen.method, seen.path, seen.query) == ("POST", "/a b/c/d", "x=%20y")
    assert seen.headers[b"x-a"] == b"b"
    assert seen.peer == "127.0.0.1"


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-encoding": "gzip"}, gzip.compress(b"{}", mtime=0), 200),
        ({"content-encoding": "gzip"}, b"bad", 400),
        ({"content-encoding": "br"}, b"x", 415),
        ({}, b"x" * 100_001, 413),
        ({"content-length": "1e3"}, b"x", 400),
    ],
)
async def test_bodies_are_checked(
    client: httpx.AsyncClient, headers: dict[str, str], content: bytes, status: int
) -> None:
    assert (await client.post("/echo", content=content, headers=headers)).status_code == status


async def test_a_body_without_length_is_bounded_while_it_arrives(
    client: httpx.AsyncClient,
) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b"x" * 10_000

    assert (await client.post("/echo", content=pieces())).status_code == 413
    assert sent <= 120_000


async def test_paths_are_checked(client: httpx.AsyncClient) -> None:
    assert (await client.get("/%00")).status_code == 400


async def test_errors_and_bugs_are_rendered(client: httpx.AsyncClient, faults: Faults) -> None:
    assert (await client.get("/missing")).text == "/missing|no such model"
    reply = await client.get("/bug")
    assert reply.status_code == 500
    assert reply.headers["x-request-id"] == faults[0][1]


async def test_forged_headers_are_a_500(client: httpx.AsyncClient, behind: Behind) -> None:
    behind.headers = [(b"x", b"a\r\nset-cookie: b")]
    behind.plays["/s"] = lambda: Pieces(b"x")
    for path in ("/abc", "/s"):
        reply = await client.get(path)
        assert reply.status_code == 500
        assert "set-cookie" not in reply.headers
    assert behind.streams[0].closed == 1


async def test_streams_are_sent_and_closed(client: httpx.AsyncClient, behind: Behind) -> None:
    behind.plays["/s"] = lambda: Pieces(b"one", None, b"two")
    assert (await client.get("/s")).content == b"onetwo"
    assert (await client.head("/s")).content == b""
    assert [stream.closed for stream in behind.streams] == [1, 1]
    assert behind.streams[1].reads == 0


async def test_an_empty_status_has_no_length(client: httpx.AsyncClient, behind: Behind) -> None:
    behind.status = 204
    behind.plays["/none"] = lambda: b""
    assert "content-length" not in (await client.get("/none")).headers


@pytest.mark.parametrize("error", [UpstreamCut("cut"), RuntimeError("bug")])
async def test_a_broken_stream_is_raised_to_the_server(
    client: httpx.AsyncClient, behind: Behind, faults: Faults, error: Exception
) -> None:
    behind.plays["/s"] = lambda: Pieces(b"one", error)
    with pytest.raises(StreamCut):
        await client.get("/s")
    assert behind.streams[0].closed == 1
    assert len(faults) == isinstance(error, RuntimeError)


async def played(
    app: AsgiApp, scope: dict[str, Any], *incoming: dict[str, Any]
) -> list[MutableMapping[str, Any]]:
    """Run the app with scripted messages; a missing one is waited for in vain."""
    messages, sent = list(incoming), []

    async def receive() -> MutableMapping[str, Any]:
        if not messages:
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)
        return messages.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), 5)
    return sent


SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/wait",
    "query_string": b"",
    "headers": [(b"host", b"a")],
}
WHOLE = {"type": "http.request", "body": b"{}"}
GONE = {"type": "http.disconnect"}


async def test_a_disconnect_cancels_the_handler(app: AsgiApp, behind: Behind) -> None:
    assert await played(app, SCOPE, WHOLE, GONE) == []
    assert behind.cancelled == 1


async def test_a_disconnect_in_mid_body_ends_quietly(app: AsgiApp, behind: Behind) -> None:
    assert await played(app, SCOPE, {**WHOLE, "more_body": True}, GONE) == []
    assert behind.requests == []


async def test_a_disconnect_in_mid_stream_closes_the_stream(app: AsgiApp, behind: Behind) -> None:
    behind.plays["/wait"] = lambda: Pieces(b"one", asyncio.Event())
    sent = await played(app, SCOPE, WHOLE, GONE)
    assert sent[-1]["more_body"]
    assert behind.streams[0].closed == 1


async def test_a_stream_that_comes_too_late_is_closed(app: AsgiApp, behind: Behind) -> None:
    await played(app, {**SCOPE, "path": "/late"}, WHOLE, GONE)
    assert [stream.closed for stream in behind.streams] == [1]


async def test_the_servers_own_cancellation_reaches_the_handler(
    app: AsgiApp, behind: Behind
) -> None:
    task = asyncio.create_task(played(app, SCOPE, WHOLE))
    while not behind.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert behind.cancelled == 1


async def test_lifespan_is_answered(app: AsgiApp) -> None:
    sent = await played(
        app, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
    )
    assert [each["type"] for each in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_websockets_are_turned_away(app: AsgiApp) -> None:
    sent = await played(app, {"type": "websocket"})
    assert [each["type"] for each in sent] == ["websocket.close"]


@pytest.fixture
async def port(app: AsgiApp) -> AsyncIterator[int]:
    config = uvicorn.Config(app, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve([listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        await task


async def test_a_real_server_runs_it(port: int, behind: Behind) -> None:
    behind.plays["/s"] = lambda: Pieces(b"one", None, b"two")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.post("/echo", content=b"{}")).content == b"{}"
        assert (await client.get("/s")).content == b"onetwo"


async def test_a_client_that_leaves_a_real_server_cancels_the_handler(
    port: int, behind: Behind
) -> None:
    behind.plays["/s"] = lambda: Pieces(b"one", asyncio.Event())
    with Client(port) as client:
        client.send(request("/wait"))
        while not behind.requests:
            await asyncio.sleep(0.01)
    with Client(port) as client:
        client.send(request("/s"))
        while not behind.streams or behind.streams[0].reads < 2:
            await asyncio.sleep(0.01)
    for _ in range(100):
        await asyncio.sleep(0.01)
        if behind.cancelled and behind.streams[0].closed:
            break
    assert behind.cancelled == 1
    assert behind.streams[0].closed == 1


async def test_a_real_server_cuts_a_broken_stream(port: int, behind: Behind) -> None:
    behind.plays["/s"] = lambda: Pieces(b"one", UpstreamCut("cut"))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/s")


async def test_a_client_that_asks_first_is_refused_before_its_body_is_read(
    behind: Behind, faults: Faults
) -> None:
    def nobody(head: ClientRequest) -> None:
        raise Unauthorized("who are you?")

    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("nobody asks for it")
        yield b""

    app = asgi_app(behind, LIMITS, render_error, faults, nobody)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        asks = {"expect": "100-continue"}
        reply = await client.post("/echo", content=body(), headers=asks)
        assert reply.status_code == 401
        assert (await client.post("/echo", content=b"{}")).status_code == 200
