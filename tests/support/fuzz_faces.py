"""Every client face over one gateway on loopback: where it is called, what a good body is, how
its own client reads an error, and a provider of any dialect that always answers well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import botocore.session
from anthropic.types.shared import ErrorResponse
from botocore.parsers import create_parser
from cross_world import WIRES
from fuzz_bodies import Document, golden_bodies
from inprocess import SECRET, Gateway, deployment, gateway, model, provider, route, snapshot
from native_vendors import answer, base_path
from openai.types.shared import ErrorObject
from scripted import Talk, Upstream
from scripted import whole as openai_whole

from federation.domain.catalogue import Ability, Auth
from federation.domain.routes import Settings

Result = TypeVar("Result")


@dataclass(frozen=True)
class Face:
    """A client face. `path` has a place for the model where the path names it."""

    name: str
    path: str
    stream_path: str
    bodies: list[Document]
    read_error: Callable[[int, dict[str, str], bytes], str]
    """The message in an error, read as the vendor's own client reads it."""


def _openai_error(status: int, headers: dict[str, str], body: bytes) -> str:
    return ErrorObject.model_validate(json.loads(body)["error"], strict=True).message


def _anthropic_error(status: int, headers: dict[str, str], body: bytes) -> str:
    found = ErrorResponse.model_validate(json.loads(body), strict=True)
    assert found.type == "error"
    return found.error.message


def _gemini_error(status: int, headers: dict[str, str], body: bytes) -> str:
    error = json.loads(body)["error"]
    assert error["code"] == status
    assert isinstance(error["status"], str)
    message: str = error["message"]
    return message


_SHAPES: Final = (
    botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")
)


def _bedrock_error(status: int, headers: dict[str, str], body: bytes) -> str:
    reply = {"status_code": status, "headers": headers, "body": body}
    parsed = create_parser("rest-json").parse(reply, _SHAPES.output_shape)
    assert parsed["Error"]["Code"].endswith("Exception")
    message: str = parsed["Error"]["Message"]
    return message


def _cohere_error(status: int, headers: dict[str, str], body: bytes) -> str:
    message = json.loads(body)["message"]
    assert isinstance(message, str)
    return message


def _ollama_error(status: int, headers: dict[str, str], body: bytes) -> str:
    error = json.loads(body)["error"]
    assert isinstance(error, str)
    return error


_COMPLETIONS: Final[list[Document]] = [
    {
        "model": "chat",
        "prompt": "Say it.",
        "max_tokens": 7,
        "temperature": 0.5,
        "n": 1,
        "stop": ["x", "y"],
        "logprobs": 2,
        "logit_bias": {"50256": -100},
        "stream": False,
        "stream_options": {"include_usage": True},
        "suffix": "",
        "echo": False,
        "user": "u",
    },
    {"model": "chat", "prompt": ["Say it."], "federation": {"tags": {"a": "b"}}},
]
_GENERATE: Final[list[Document]] = [
    {
        "model": "chat",
        "prompt": "Say it.",
        "system": "Be brief.",
        "images": ["iVBORw0KGgo="],
        "format": {"type": "object", "properties": {"a": {"type": "integer"}}},
        "options": {"temperature": 0.5, "num_predict": 5, "stop": ["x"], "seed": 1},
        "think": True,
        "keep_alive": "5m",
        "stream": False,
    },
    {"model": "chat", "prompt": "", "context": [1, 2, 3], "raw": False, "template": "x"},
]

FACES: Final = {
    face.name: face
    for face in (
        Face(
            "openai",
            "/v1/chat/completions",
            "/v1/chat/completions",
            golden_bodies("openai", "request", "request"),
            _openai_error,
        ),
        Face(
            "openai_completions", "/v1/completions", "/v1/completions", _COMPLETIONS, _openai_error
        ),
        Face(
            "openai_responses",
            "/v1/responses",
            "/v1/responses",
            golden_bodies("openai_responses", "request", "request"),
            _openai_error,
        ),
        Face(
            "anthropic",
            "/v1/messages",
            "/v1/messages",
            golden_bodies("anthropic", "request", "request"),
            _anthropic_error,
        ),
        Face(
            "gemini",
            "/v1beta/models/{}:generateContent",
            "/v1beta/models/{}:streamGenerateContent?alt=sse",
            golden_bodies("gemini", "request", "body"),
            _gemini_error,
        ),
        Face(
            "bedrock",
            "/model/{}/converse",
            "/model/{}/converse-stream",
            golden_bodies("bedrock", "request", "request"),
            _bedrock_error,
        ),
        Face(
            "cohere",
            "/v2/chat",
            "/v2/chat",
            golden_bodies("cohere", "request", "request"),
            _cohere_error,
        ),
        Face(
            "ollama",
            "/api/chat",
            "/api/chat",
            golden_bodies("ollama", "request", "request"),
            _ollama_error,
        ),
        Face("ollama_generate", "/api/generate", "/api/generate", _GENERATE, _ollama_error),
    )
}
MODEL_IN_PATH: Final = frozenset({"gemini", "bedrock"})


def called(body: Document, model: str, *, stream: bool, face: Face) -> Document:
    """A body for a route; streamed or not where the body says so."""
    if face.name in MODEL_IN_PATH:
        return body
    return {**body, "model": model, "stream": stream}


def place(face: Face, model: str, *, stream: bool) -> str:
    return (face.stream_path if stream else face.path).format(model)


async def behave(talk: Talk) -> None:
    """A provider that answers well: `/<dialect>/...` speaks that dialect."""
    target = talk.seen.head.split(" ")[1]
    if target.startswith("/openai/"):
        await openai_whole(talk)
        return
    kind, data = answer(target, talk.seen.body)
    await talk.answer(data, kind=kind.decode())


def row(dialect: str, url: str) -> Any:
    """A deployment that speaks a dialect at this address."""
    auth = Auth("bearer") if dialect == "bedrock" else Auth()
    offered = model(
        "acme-large",
        input_modalities=("text", "image", "pdf", "audio", "video"),
        abilities=frozenset(Ability),
    )
    return deployment(provider(dialect, url, dialect=dialect, auth=auth), offered)


@dataclass(frozen=True)
class Reply:
    """What the gateway answered; `whole` where its framing was finished."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool


class Loopback:
    """The gateway, a provider behind it, and one client connection, in a loop of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.gateway: Gateway = self.run(self._start())

    def run(self, work: Awaitable[Result]) -> Result:
        return self._loop.run_until_complete(asyncio.wait_for(work, 20))

    async def _start(self) -> Gateway:
        upstream = await self._stack.enter_async_context(Upstream(behave))
        origin = upstream.url.removesuffix("/v1")
        rows = tuple(row(name, origin + base_path(name)) for name in WIRES)
        routes = [route(f"to-{name}", each.id) for name, each in zip(WIRES, rows, strict=True)]
        state = snapshot(rows, *routes, settings=Settings(attempts=1))
        return await self._stack.enter_async_context(gateway(state))

    def close(self) -> None:
        """Stop everything; fails where the gateway met a bug."""
        if self._streams is not None:
            self._streams[1].close()
        self.run(self._stack.aclose())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def post(self, path: str, body: bytes) -> Reply:
        return self.run(self._post(path, body))

    async def _post(self, path: str, body: bytes) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        reader, writer = self._streams
        head = (
            f"POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {SECRET}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        reply = await _read(reader)
        if not reply.whole or reply.headers.get("connection") == "close":
            writer.close()
            self._streams = None
        return reply


async def _read(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    headers = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if "content-length" in headers:
        return Reply(
            status, headers, await reader.readexactly(int(headers["content-length"])), True
        )
    body = b""
    try:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    except asyncio.IncompleteReadError:
        return Reply(status, headers, body, False)
    return Reply(status, headers, body, True)
