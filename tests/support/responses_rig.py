"""A worker's gateway and the control that keeps its responses, both in the test's own loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from control_plane import Plane, plane
from gateway_rig import http_client
from inprocess import Gateway, deployment, gateway, model, provider, route, snapshot
from scripted import Behave, Talk, Upstream, completion

from federation.api.app import create_app
from federation.api.internal import Internal
from federation.api.server import ApiServer
from federation.domain.access import Role, VirtualKey
from federation.domain.routes import Settings
from federation.gateway.desk import Desk
from federation.schema.storing import Find, Found
from federation.storage.keyring import internal_key
from federation.telemetry.meter import Meter

PATH = "/v1/responses"
Body = dict[str, Any]


@dataclass
class Rig:
    """Everything that a test wants to look at or move."""

    running: Gateway
    client: httpx.AsyncClient
    upstreams: list[Upstream]
    plane: Plane
    stop_control: Callable[[], None]

    @property
    def desk(self) -> Desk:
        """The worker's front desk."""
        return self.running.desk

    async def ask(self, text: str = "Hello", **members: Any) -> Body:
        """The answer to a call, which must succeed."""
        reply = await self.client.post(PATH, json={"model": "chat", "input": text} | members)
        assert reply.status_code == 200, reply.text
        found: Body = reply.json()
        return found

    async def stream(self, text: str = "Hello", **members: Any) -> list[Body]:
        """The events of a streamed answer."""
        body = {"model": "chat", "input": text, "stream": True} | members
        reply = await self.client.post(PATH, json=body)
        assert reply.status_code == 200, reply.text
        return events_of(reply.content)

    async def get(self, name: str, rest: str = "") -> httpx.Response:
        """What is kept of a response."""
        return await self.client.get(f"{PATH}/{name}{rest}")

    async def kept(self, name: str, tenant: str = "default") -> str:
        """The status that control knows of a response; empty where it has none."""
        found = await self.plane.control.responses.answer(Find(tenant, name))
        assert isinstance(found, Found)
        return found.held[0].status if found.held else ""

    def become(self, tenant: str = "default", role: Role = Role.DEVELOPER) -> None:
        """From now on the test's key is somebody else's."""
        self.running.keys.key = VirtualKey("key_2", b"", "test", tenant, role, 0)

    def counted(self, name: str) -> float:
        """The sum of a counter of the worker."""
        meter = self.running.world.meter
        assert isinstance(meter, Meter)
        counters = meter.drain().counters
        return sum(value for key, value in counters.items() if key.startswith(name))


@dataclass
class Spoken:
    """A provider of one dialect, as `responses_rig.rig` sets it up."""

    behave: Behave
    dialect: str = "openai_responses"
    quirks: dict[str, object] = field(default_factory=dict)


@asynccontextmanager
async def rig(
    home: Path,
    *spoken: Spoken,
    settings: Settings | None = None,
    strategy: str = "priority",
) -> AsyncIterator[Rig]:
    """A gateway whose route `chat` has these providers in order, and whose routes `p0`, `p1`
    have one each."""
    settings = settings or Settings()
    made = plane(home)
    made.files.loaded = replace(made.files.loaded, settings=settings)
    made.control.configuration.reload()
    await made.control.publish_snapshot()
    socket = home / "api.sock"
    server = ApiServer(Internal(create_app(made.control), made.control), socket)
    serving = asyncio.create_task(server.run())
    upstreams = [Upstream(each.behave) for each in spoken]
    for upstream in upstreams:
        await upstream.__aenter__()
    rows = [
        deployment(
            provider(f"p{at}", upstream.url, dialect=each.dialect, quirks=each.quirks),
            model("acme-large"),
        )
        for at, (each, upstream) in enumerate(zip(spoken, upstreams, strict=True))
    ]
    names = [row.id for row in rows]
    routes = [route(f"p{at}", name) for at, name in enumerate(names)]
    state = snapshot(
        tuple(rows),
        route("chat", *names, strategy=strategy),
        *routes,
        settings=settings,
        keeps=True,
    )
    try:
        async with gateway(state, control=socket) as running, http_client(running.url) as client:
            running.world.internal_key = internal_key(made.control.keys.ring.hash_key)
            yield Rig(running, client, upstreams, made, server.stop)
    finally:
        for upstream in upstreams:
            await upstream.__aexit__()
        server.stop()
        await serving
        made.control.responses.close()


def events_of(stream: bytes) -> list[Body]:
    """The events of a stream."""
    blocks = stream.decode().split("\n\n")
    assert blocks.pop() == ""
    return [json.loads(block.partition("data: ")[2]) for block in blocks]


def message(text: str = "Hello.", name: str = "msg_theirs") -> Body:
    """An item of an answer."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": name,
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def reasoning(sealed: str | None, name: str = "rs_theirs") -> Body:
    """An item of reasoning, sealed or not."""
    item: Body = {
        "id": name,
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}],
    }
    return item if sealed is None else item | {"encrypted_content": sealed}


def response(*output: Body, **members: Any) -> Body:
    """A Response object as a provider sends it."""
    return {
        "id": "resp_theirs",
        "object": "response",
        "created_at": 5,
        "status": "completed",
        "model": "acme-large",
        "output": list(output) or [message()],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "store": False,
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 15,
        },
    } | members


def event(kind: str, number: int, **members: Any) -> bytes:
    """One event of a stream."""
    body = json.dumps({"type": kind, "sequence_number": number} | members)
    return f"event: {kind}\ndata: {body}\n\n".encode()


def speaks(*output: Body, **members: Any) -> Behave:
    """Answers in the Responses API, whole or streamed, as asked."""
    done = response(*output, **members)

    async def behave(talk: Talk) -> None:
        if not talk.seen.json.get("stream"):
            await talk.answer(json.dumps(done).encode())
            return
        begun = done | {"status": "in_progress", "output": [], "usage": None}
        await talk.begin_stream()
        await talk.event(event("response.created", 0, response=begun))
        place = {"item_id": "msg_theirs", "output_index": 0, "content_index": 0}
        opened = {"id": "msg_theirs", "type": "message", "role": "assistant", "content": []}
        item = opened | {"status": "in_progress"}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        await talk.event(event("response.output_item.added", 1, output_index=0, item=item))
        await talk.event(event("response.content_part.added", 2, part=part, **place))
        delta = {"delta": "Hello.", "logprobs": []} | place
        await talk.event(event("response.output_text.delta", 3, **delta))
        await talk.event(event("response.output_item.done", 4, output_index=0, item=message()))
        await talk.event(event("response.completed", 5, response=done))
        await talk.end_stream()

    return behave


async def chats(talk: Talk) -> None:
    """Answers in Chat Completions, whole."""
    await talk.answer(completion())
