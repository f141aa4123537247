"""Providers of every dialect that always answer well: what they say, whole and streamed.

The bytes are written by the client faces, which speak the same wire; that the official
clients can read them is what the tests of each face show.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

from cross_answers import ASKED, STREAMED, chunks_of
from cross_world import WIRES

from federation.schema.chat import ChatResponse, Choice
from federation.schema.http import ClientRequest
from federation.schema.parts import Text, Thinking, ToolCall
from federation.schema.usage import Usage

ANSWER: Final = ChatResponse(
    "none",
    "resp_1",
    "acme-large",
    (
        Choice(
            0,
            (Thinking("Hm.", "c2ln"), Text("Hello."), ToolCall("call_1", "f", '{"a":1}')),
            "tool_calls",
        ),
    ),
    1_790_000_000,
    Usage(12, 5, 3),
)
_STREAM_PATHS: Final = {
    "gemini": ("/v1beta/models/m:streamGenerateContent", "alt=sse"),
    "bedrock": ("/model/m/converse-stream", ""),
    "ollama": ("/api/chat", ""),
}


def _whole(dialect: str) -> bytes:
    return WIRES[dialect].face.render(ANSWER, ASKED[dialect])


def _stream(dialect: str) -> list[bytes]:
    renderer = WIRES[dialect].face.renderer(STREAMED[dialect])
    pieces = [renderer.render([chunk]) for chunk in chunks_of(ANSWER, 3)]
    return [piece for piece in (*pieces, renderer.close()) if piece]


WHOLE: Final = {name: _whole(name) for name in WIRES}
STREAM: Final = {name: _stream(name) for name in WIRES}


def stream_type(dialect: str) -> bytes:
    """How a provider of this dialect marks a stream."""
    path, query = _STREAM_PATHS.get(dialect, ("/v1/chat", ""))
    return WIRES[dialect].face.stream_type(ClientRequest("POST", path, query, {}, b"{}"))


def wants_stream(dialect: str, target: str, body: bytes) -> bool:
    """Whether a provider is asked for a stream."""
    if dialect == "gemini":
        return ":streamGenerateContent" in target
    if dialect == "bedrock":
        return target.endswith("/converse-stream")
    asked = json.loads(body).get("stream")
    return dialect == "ollama" if asked is None else bool(asked)


def answer(target: str, body: bytes) -> tuple[bytes, bytes]:
    """The content type and the bytes for a request to `/<dialect>/...`."""
    dialect = target.split("/")[1]
    if wants_stream(dialect, target, body):
        return stream_type(dialect), b"".join(STREAM[dialect])
    return b"application/json", WHOLE[dialect]


def base_path(dialect: str) -> str:
    """The path under which a provider of this dialect is reached."""
    if dialect in ("ollama", "bedrock"):
        return f"/{dialect}"
    return f"/{dialect}/v1beta" if dialect == "gemini" else f"/{dialect}/v1"


class _Play(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        kind, data = answer(self.path, body)
        self.send_response(200)
        self.send_header("content-type", kind.decode())
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def start_vendors() -> tuple[str, ThreadingHTTPServer]:
    """Start all of them on one port; the caller shuts the server down."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Play)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}", server
