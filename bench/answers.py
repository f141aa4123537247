"""A client that reads its answers to the end and says of each whether it is what it claims.

An answer *claims* to be whole where its status is 200, a finish reason came, no error did, and
the body ended in order (with the end marker, if streamed). Whether it *is* whole is told by its
text alone. A claim that is not true is the one thing that must never happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any, cast

import httptools


@dataclass(frozen=True)
class Answer:
    """What came of one call."""

    stream: bool
    status: int
    call: str
    text: str
    claims: bool
    """It passes for a whole answer."""
    problem: str
    """The error's code, or how the connection failed; empty for an answer."""
    seconds: float


class _Exchange(asyncio.Protocol):
    """One connection, one answer at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[bool] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.reset()

    def reset(self) -> None:
        self.body = bytearray()
        self.call = ""
        self.status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._resolve(ended=False)

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, request: bytes) -> asyncio.Future[bool]:
        """Send a request; the future tells whether its answer ended in order."""
        self.reset()
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        assert self._transport is not None
        self._transport.write(request)
        return self._done

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    @property
    def reusable(self) -> bool:
        return self.open and bool(self._parser.should_keep_alive())

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()
            self._resolve(ended=False)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-federation-call-id":
            self.call = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        self._resolve(ended=True)

    def _resolve(self, *, ended: bool) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(ended)


class Asker:
    """Makes calls at one gateway, over connections that it keeps."""

    def __init__(self, port: int, key: str, within_s: float = 60.0) -> None:
        self._port = port
        self._key = key
        self._within_s = within_s
        self._idle: list[_Exchange] = []

    async def ask(self, body: dict[str, Any]) -> Answer:
        """One call to its end; never raises for what becomes of it."""
        stream = bool(body.get("stream"))
        began = time.perf_counter()
        try:
            exchange = await self._connection()
        except OSError as error:
            took = time.perf_counter() - began
            return Answer(stream, 0, "", "", False, type(error).__name__, took)
        ended = False
        with contextlib.suppress(TimeoutError):
            ended = await asyncio.wait_for(exchange.ask(self._request(body)), self._within_s)
        answer = _judged(exchange, stream, ended, time.perf_counter() - began)
        if ended and exchange.reusable:
            self._idle.append(exchange)
        else:
            exchange.close()
        return answer

    def close(self) -> None:
        """Close what is idle."""
        for exchange in self._idle:
            exchange.close()
        self._idle.clear()

    async def _connection(self) -> _Exchange:
        while self._idle:
            exchange = self._idle.pop()
            if exchange.open:
                return exchange
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(_Exchange, "127.0.0.1", self._port)
        return made

    def _request(self, body: dict[str, Any]) -> bytes:
        data = json.dumps(body).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"authorization: Bearer {self._key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data


def _judged(exchange: _Exchange, stream: bool, ended: bool, seconds: float) -> Answer:
    data = bytes(exchange.body)
    try:
        read = _streamed(data) if stream and exchange.status == 200 else _whole(data)
    except (ValueError, AttributeError, KeyError, IndexError, TypeError):
        read = ("", "", "cannot be read", False)
    text, finish, problem, over = read
    if not ended:
        # An error inside of the answer, and then its end: the client knows what happened.
        problem = f"{problem}, then the connection's end" if problem else "connection lost"
    claims = ended and exchange.status == 200 and bool(finish) and not problem and over
    if not claims and not problem:
        problem = f"status {exchange.status}, no end"
    return Answer(stream, exchange.status, exchange.call, text, claims, problem, seconds)


def _whole(data: bytes) -> tuple[str, str, str, bool]:
    body = json.loads(data)
    if "error" in body:
        return "", "", str(body["error"].get("code") or "error"), True
    choice = body["choices"][0]
    return choice["message"]["content"] or "", choice["finish_reason"] or "", "", True


def _streamed(data: bytes) -> tuple[str, str, str, bool]:
    said: list[str] = []
    finish = problem = ""
    over = False
    for block in data.split(b"\n\n"):
        line = block.strip()
        if not line.startswith(b"data:"):
            continue
        told = line[5:].strip()
        if told == b"[DONE]":
            over = True
            continue
        event = json.loads(told)
        if "error" in event:
            problem = str(event["error"].get("code") or "error")
        for choice in event.get("choices") or ():
            said.append(choice["delta"].get("content") or "")
            finish = choice.get("finish_reason") or finish
    return "".join(said), finish, problem, over
