"""The provider that every measured gateway forwards to: as little work per answer as Python allows.

It answers from bytes that are built once, so that its own cost stays small and the same for
every target. It is a measuring aid, not a model of a provider: the sandbox is that.

    python -m bench.upstream --port 0 --ready-fd 1 [--answer-bytes 1024] [--events 64] [--gap-ms 20]

It stops when its standard input is closed, so that a killed benchmark leaves nothing behind.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import dataclass
from typing import cast

import httptools
import uvloop

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    b"x-request-id: req_0123456789abcdef\r\ncontent-length: %d\r\n\r\n"
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"x-request-id: req_0123456789abcdef\r\ntransfer-encoding: chunked\r\n\r\n"
)
_STREAM_MARKS = (b'"stream":true', b'"stream": true')
_USAGE_MARKS = (b'"include_usage":true', b'"include_usage": true')
_MODEL = "bench-model"
_END = 512


@dataclass(frozen=True)
class Script:
    """Every byte that the upstream can say, ready to be written."""

    whole: bytes
    event: bytes
    last: bytes
    usage: bytes
    end: bytes
    events: int
    gap_s: float


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(body: dict[str, object]) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def _chunk_body(**more: object) -> dict[str, object]:
    body: dict[str, object] = {
        "id": "chatcmpl-bench0123456789",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": _MODEL,
    }
    body.update(more)
    return body


def build_script(answer_bytes: int, events: int, gap_ms: float) -> Script:
    """Answers of about `answer_bytes` bytes and streams of `events` content events."""
    usage = {"prompt_tokens": 230, "completion_tokens": 64, "total_tokens": 294}
    answer = {
        "id": "chatcmpl-bench0123456789",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": _MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ""},
                "finish_reason": "stop",
            }
        ],
        "usage": usage,
    }
    room = max(0, answer_bytes - len(json.dumps(answer)))
    words = ("a plain answer of some length, said by a machine. " * (room // 50 + 1))[:room]
    answer["choices"][0]["message"]["content"] = words  # type: ignore[index]
    body = json.dumps(answer).encode()
    delta = {"index": 0, "delta": {"content": "a few words "}, "finish_reason": None}
    stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return Script(
        whole=_HEAD % len(body) + body,
        event=_chunked(_event(_chunk_body(choices=[delta]))),
        last=_chunked(_event(_chunk_body(choices=[stop]))),
        usage=_chunked(_event(_chunk_body(choices=[], usage=usage))),
        end=_chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n",
        events=events,
        gap_s=gap_ms / 1000,
    )


class Upstream(asyncio.Protocol):
    """One connection; requests are answered in turn, a stream one event per gap."""

    def __init__(self, script: Script, loop: asyncio.AbstractEventLoop) -> None:
        self._script = script
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._left = 0
        self._with_usage = False
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        self._body.clear()
        if self._transport is None:
            return
        # The measured bodies have their long part in the middle: a search of the ends is cheap.
        ends = body if len(body) < 2 * _END else body[:_END] + body[-_END:]
        if any(mark in ends for mark in _STREAM_MARKS):
            self._with_usage = any(mark in ends for mark in _USAGE_MARKS)
            self._left = self._script.events
            self._transport.write(_STREAM_HEAD)
            self._due = self._loop.time()
            self._say()
        else:
            self._transport.write(self._script.whole)

    def _say(self) -> None:
        """Write the next event and plan the one after it, without drift."""
        if self._transport is None:
            return
        script = self._script
        if self._left:
            self._left -= 1
            self._transport.write(script.event)
            self._due += script.gap_s
            self._timer = self._loop.call_at(self._due, self._say)
            return
        usage = script.usage if self._with_usage else b""
        self._transport.write(script.last + usage + script.end)
        self._timer = None


async def serve(port: int, ready_fd: int, script: Script) -> None:
    """Listen until standard input ends; the port is written to `ready_fd` as a line."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Upstream(script, loop), "127.0.0.1", port, backlog=4096
    )
    os.write(ready_fd, b"%d\n" % server.sockets[0].getsockname()[1])
    gone = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), gone.set)
    await gone.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready-fd", type=int, default=1)
    parser.add_argument("--answer-bytes", type=int, default=1024)
    parser.add_argument("--events", type=int, default=64)
    parser.add_argument("--gap-ms", type=float, default=20.0)
    args = parser.parse_args()
    script = build_script(args.answer_bytes, args.events, args.gap_ms)
    uvloop.run(serve(args.port, args.ready_fd, script))


if __name__ == "__main__":
    main()
