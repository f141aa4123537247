"""A scripted upstream on loopback: a raw HTTP server whose every byte a test decides."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Seen:
    """One request as the upstream saw it, and when its client hung up, if it did."""

    head: str
    headers: dict[str, str]
    body: bytes
    at: float
    hung_up: float | None = None

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


Behave = Callable[["Talk"], Awaitable[None]]


@dataclass
class Talk:
    """One exchange: what was asked, and a pen."""

    seen: Seen
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(
        self,
        body: bytes,
        status: int = 200,
        headers: str = "",
        kind: str = "application/json",
    ) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        await self.send(head.encode() + headers.encode() + b"\r\n" + body)

    async def begin_stream(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n"
        )

    async def event(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        self.writer.transport.abort()


@dataclass
class Upstream:
    """Serves `behave` on a loopback port; `async with` starts and stops it."""

    behave: Behave
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    connections: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while (seen := await read_request(reader)) is not None:
                self.seen.append(seen)
                watch = asyncio.ensure_future(reader.read(1))
                work = asyncio.ensure_future(self.behave(Talk(seen, writer)))
                await asyncio.wait((watch, work), return_when=asyncio.FIRST_COMPLETED)
                if watch.done():
                    seen.hung_up = time.monotonic()
                    work.cancel()
                    await asyncio.gather(work, watch, return_exceptions=True)
                    return
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
                await work
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a test that is over cancels; the streams library would log that as an error
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = head.decode().split("\r\n")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name:
            before = headers.get(name.strip().lower())
            headers[name.strip().lower()] = (f"{before}, " if before else "") + value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(lines[0], headers, body, time.monotonic())


def completion(text: str = "Hello.", model: str = "acme-large", **extra: Any) -> bytes:
    """A whole answer as an OpenAI-speaking provider sends it."""
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        | extra
    ).encode()


def chunk(text: str | None = None, finish: str | None = None, **extra: Any) -> bytes:
    """One stream event."""
    delta = {} if text is None else {"content": text}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "acme-large",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    } | extra
    return b"data: " + json.dumps(body).encode() + b"\n\n"


USAGE = (
    b"data: "
    + json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "acme-large",
            "choices": [],
            "usage": {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13},
        }
    ).encode()
    + b"\n\n"
)
DONE = b"data: [DONE]\n\n"


async def whole(talk: Talk) -> None:
    """Answers whole or streamed, as asked, with usage where it is asked for."""
    asked = talk.seen.json
    if not asked.get("stream"):
        await talk.answer(completion(model=asked["model"]))
        return
    await talk.begin_stream()
    for word in ("Hel", "lo", "."):
        await talk.event(chunk(word))
    await talk.event(chunk(finish="stop"))
    if (asked.get("stream_options") or {}).get("include_usage"):
        await talk.event(USAGE)
    await talk.event(DONE)
    await talk.end_stream()
