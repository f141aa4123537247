"""A gateway in front of scripted upstreams, and the misbehaviors that they are scripted with."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from inprocess import SECRET, Gateway, deployment, gateway, model, provider, snapshot
from scripted import Behave, Seen, Talk, Upstream, completion

from federation.domain.catalogue import Deployment
from federation.domain.policies import Policy
from federation.domain.routes import Deadlines, ListenerLimits, Route, Settings, Target
from federation.ports import Journal

AUTH = {"authorization": f"Bearer {SECRET}"}
HELLO: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}
STREAM = HELLO | {"stream": True}
CHAT = "/v1/chat/completions"

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Spares each client the tenth of a second that reading the system's certificates takes."""

Alter = Callable[[int, Deployment], Deployment]


@asynccontextmanager
async def rig(
    *behaviors: Behave,
    settings: Settings | None = None,
    deadlines: Deadlines | None = None,
    mend: str | None = None,
    policies: tuple[Policy, ...] = (),
    alter: Alter | None = None,
    routes: tuple[Route, ...] = (),
    limits: ListenerLimits | None = None,
    control: Path = Path("/nonexistent/api.sock"),
    timeout: float = 20.0,
    journal: Journal | None = None,
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient, list[Upstream]]]:
    """A gateway whose route `chat` has one deployment for each behavior, in order."""
    upstreams = [Upstream(behave) for behave in behaviors]
    for upstream in upstreams:
        await upstream.__aenter__()
    rows = [
        deployment(provider(f"p{place}", upstream.url), model("acme-large"))
        for place, upstream in enumerate(upstreams)
    ]
    if alter is not None:
        rows = [alter(place, row) for place, row in enumerate(rows)]
    targets = tuple(Target(row.id) for row in rows)
    chat = Route("chat", "priority", targets, deadlines=deadlines, mend=mend)
    state = snapshot(tuple(rows), chat, *routes, settings=settings)
    state = replace(state, policies=policies)
    try:
        async with (
            gateway(state, limits=limits, control=control, journal=journal) as running,
            http_client(running.url, timeout) as client,
        ):
            yield running, client, upstreams
    finally:
        for upstream in upstreams:
            await upstream.__aexit__()


def http_client(url: str, timeout: float = 20.0) -> httpx.AsyncClient:
    """A client that presents the test's key."""
    return httpx.AsyncClient(
        base_url=url, headers=AUTH, timeout=timeout, verify=NO_TLS, trust_env=False
    )


def at_port(row: Deployment, port: int) -> Deployment:
    """The deployment at another loopback port."""
    return deployment(provider(row.provider.id, f"http://127.0.0.1:{port}/v1"), row.model)


def deaf_port() -> int:
    """A loopback port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def error_body(message: str, **members: Any) -> bytes:
    """An error as an OpenAI-speaking provider words it."""
    details = {"message": message, "type": None, "code": None}
    return json.dumps({"error": details | members}).encode()


def status(code: int, headers: str = "", body: bytes | None = None) -> Behave:
    """Answers every request with this status."""

    async def behave(talk: Talk) -> None:
        await talk.answer(error_body(f"status {code}") if body is None else body, code, headers)

    return behave


def answers(body: bytes | None = None) -> Behave:
    """Answers every request with this body."""

    async def behave(talk: Talk) -> None:
        await talk.answer(completion() if body is None else body)

    return behave


def sends(*pieces: bytes, close: bool = True) -> Behave:
    """Sends these bytes as they are, then closes (or falls silent)."""

    async def behave(talk: Talk) -> None:
        for piece in pieces:
            await talk.send(piece)
        if close:
            talk.writer.close()
        else:
            await asyncio.Event().wait()

    return behave


def streams(*events: bytes, end: bool = True, gap_s: float = 0.0) -> Behave:
    """Streams these events; without `end` it cuts the connection after them."""

    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        for event in events:
            await talk.event(event)
            await asyncio.sleep(gap_s)
        if end:
            await talk.end_stream()
        else:
            reset(talk)

    return behave


async def silent(talk: Talk) -> None:
    """Reads the request and says nothing, for ever."""
    await asyncio.Event().wait()


async def resets(talk: Talk) -> None:
    """Resets the connection in place of an answer."""
    reset(talk)


def reset(talk: Talk) -> None:
    """Close with a TCP reset."""
    raw = talk.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.writer.transport.abort()


def refused(reply: httpx.Response, code: int, word: str | None = None) -> dict[str, Any]:
    """The error object of a reply, which must be in OpenAI's format with this status."""
    assert reply.status_code == code, (reply.status_code, reply.text)
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    if word is not None:
        assert error["code"] == word, error
    return error


def request_bytes(
    body: bytes,
    *,
    path: str = CHAT,
    method: str = "POST",
    headers: tuple[str, ...] = (),
    key: str = SECRET,
) -> bytes:
    """A request as it goes over the wire."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: gateway",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def eventually(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it never came about"
        await asyncio.sleep(0.005)


async def hung_up(seen: Seen, within_s: float = 5.0) -> float:
    """When the gateway hung up on this upstream request."""
    await eventually(lambda: seen.hung_up is not None, within_s)
    assert seen.hung_up is not None
    return seen.hung_up


def at_rest(running: Gateway) -> bool:
    """Nothing is in flight: no request, no attempt."""
    world = running.world
    return running.server.in_flight == 0 and not any(world.health.live(world.clock()).inflight)
