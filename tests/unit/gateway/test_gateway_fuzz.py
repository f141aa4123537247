"""Whatever a client or a provider sends, the gateway answers or refuses: it never breaks."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from inprocess import AllLeases, Books, OneKey, deployment, model, provider, route, snapshot
from scripted import DONE, USAGE, chunk, completion

from federation.bootstrap.assembly import assemble
from federation.errors import CallerError, FederationError, UpstreamError
from federation.gateway.desk import Desk, render_error
from federation.gateway.situation import situate
from federation.gateway.tokens import Tokens
from federation.gateway.world import World
from federation.resilience.health import HealthBoard
from federation.routing.intents import UNKNOWN
from federation.routing.request import Memory
from federation.schema.http import ClientReply, ClientRequest, Headers, Timeouts, WireRequest
from federation.schema.records import CallEnded
from federation.telemetry.meter import Meter


@dataclass
class Canned:
    """An exchange whose bytes were chosen before."""

    status: int
    headers: Headers
    pieces: list[bytes]
    closed: bool = False

    async def read(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def body(self, limit: int) -> bytes:
        data, self.pieces = b"".join(self.pieces), []
        return data

    open = True

    def take(self) -> bytes:
        return b""

    def watch(self, arrived: Callable[[bytes], None] | None, whole: object = None) -> bool:
        return False

    def release(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class CannedTransport:
    """A transport that answers every request alike."""

    status: int = 200
    kind: bytes = b"application/json"
    pieces: tuple[bytes, ...] = (completion(),)
    last: WireRequest | None = None

    async def send(
        self,
        request: WireRequest,
        timeouts: Timeouts,
        on_sent: Callable[[], None] | None = None,
    ) -> Canned:
        self.last = request
        if on_sent is not None:
            on_sent()
        return Canned(self.status, {b"content-type": self.kind}, list(self.pieces))


def desk(transport: CannedTransport) -> tuple[Desk, Books]:
    row = deployment(provider("p0", "http://127.0.0.1:1/v1"), model("acme-large"))
    books = Books()
    world = World(
        transport=transport,
        journal=books,
        meter=Meter(),
        keys=OneKey(),
        leases=AllLeases(),
        tokens=Tokens(transport),
        health=HealthBoard(),
        memory=Memory(lambda text: UNKNOWN),
        rng=random.Random(1),
    )
    world.adopt(situate(snapshot((row,), route("chat", row.id)), date(2026, 1, 1)))
    return assemble(world, Path("/nonexistent/api.sock")), books


def ask(
    front: Desk, body: bytes, path: str = "/v1/chat/completions"
) -> tuple[ClientReply, bytes, FederationError | None]:
    """The reply, its bytes, and the error that ended it: refused, or broken off."""

    async def run() -> tuple[ClientReply, bytes, FederationError | None]:
        headers = {b"authorization": b"Bearer fed_test-key"}
        try:
            reply = await front(ClientRequest("POST", path, "", headers, body))
        except FederationError as error:
            refusal = render_error(error, path)
            assert isinstance(refusal.body, bytes)
            json.loads(refusal.body)
            return refusal, refusal.body, error
        if isinstance(reply.body, bytes):
            return reply, reply.body, None
        data, broken = b"", None
        try:
            while piece := await reply.body.read():
                data += piece
        except FederationError as error:
            broken = error
        await reply.body.aclose()
        return reply, data, broken

    return asyncio.run(run())


GOOD: dict[str, Any] = {
    "model": "chat",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": 'Hé "x" \\ \n'}]},
        {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "stream_options": {"include_usage": True},
    "federation": {"tags": {"a": "b"}, "constraints": {"max_cost": 1.5}},
    "temperature": 0.5,
    "max_tokens": 10,
    "n": 1,
    "x_new": [1, 2.5e3, None, {"a": {}}],
}
SPARE = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u0", b"\\ud800", b"null", b"true",
    b"1e999", b"-", b"0", b"\x00", b"\xff", b"\xc3", b" ", b"\n", b'"model"', b'"messages":',
    b'"role":"user"', b'"stream":true', b'"n":2', b'"federation":{}', b'"content":null',
    b'"type":1', b"[]", b"{}",
)  # fmt: skip

Edit = tuple[str, int, int, bytes]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["cut", "put", "copy"]),
        st.integers(0, 10_000),
        st.integers(0, 60),
        st.sampled_from(SPARE),
    ),
    min_size=1,
    max_size=4,
)


def edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    for what, at, length, spare in edits:
        at %= len(data) + 1
        if what == "cut":
            data = data[:at] + data[at + length :]
        elif what == "put":
            data = data[:at] + spare + data[at:]
        else:
            data = data[:at] + data[at : at + length] + data[at:]
    return data


@settings(deadline=None, max_examples=400)
@given(edits=EDITS, stream=st.booleans(), spaced=st.booleans())
def test_a_mangled_request_is_served_or_refused(
    edits: list[Edit], stream: bool, spaced: bool
) -> None:
    whole = json.dumps(GOOD | {"stream": stream}, indent=1 if spaced else None).encode()
    events = (chunk("Hi"), chunk(finish="stop"), USAGE, DONE)
    transport = CannedTransport()
    front, books = desk(transport)
    body = edited(whole, edits)
    if b'"stream": true' in body or b'"stream":true' in body:
        transport.kind, transport.pieces = b"text/event-stream", events
    reply, data, error = ask(front, body)
    if isinstance(error, CallerError):
        assert 400 <= reply.status < 500
        return
    assert error is None or isinstance(error, UpstreamError)
    assert transport.last is not None
    sent = json.loads(transport.last.body)
    assert sent["model"] == "acme-large"
    assert "federation" not in sent
    assert len(books.ended) == 1
    assert data


@settings(deadline=None, max_examples=200)
@given(edits=EDITS)
def test_a_mangled_route_request_is_served_or_refused(edits: list[Edit]) -> None:
    asked = {
        "prompt": "Hello", "system_prompt": "Be brief.", "model": "chat", "max_tokens": 5,
        "constraints": {"data_residency": ["eu"], "max_cost": 2}, "stream": False,
    }  # fmt: skip
    front, books = desk(CannedTransport())
    reply, _, error = ask(front, edited(json.dumps(asked).encode(), edits), "/v1/route")
    assert error is None or isinstance(error, CallerError)
    assert reply.status < 500
    assert len(books.ended) <= 1


@settings(deadline=None, max_examples=300)
@given(
    edits=EDITS,
    status=st.sampled_from([200, 200, 200, 201, 400, 404, 429, 500]),
    auto=st.booleans(),
)
def test_a_mangled_answer_is_handed_on_or_refused(
    edits: list[Edit], status: int, auto: bool
) -> None:
    body = edited(completion(error=None, x_groq=None, base_resp={"status_code": 0}), edits)
    front, books = desk(CannedTransport(status, pieces=(body,)))
    asked = {"messages": [{"role": "user", "content": "x"}]} | ({} if auto else {"model": "chat"})
    reply, data, error = ask(front, json.dumps(asked).encode())
    assert error is None or isinstance(error, UpstreamError)
    if error is None and not auto:
        assert data == body
    (ended,) = books.ended
    assert isinstance(ended, CallEnded)
    assert ended.outcome == ("ok" if error is None else "error")
    assert ended.cost_nano is not None
    assert ended.cost_nano >= 0
    assert reply.status == ended.status


STREAM = b"".join([b": ping\n\n", chunk("Hel"), chunk("lo"), chunk("", finish="stop"), USAGE, DONE])


@settings(deadline=None, max_examples=400)
@given(edits=EDITS, cuts=st.lists(st.integers(0, 2_000), max_size=8), asked=st.booleans())
@example(edits=[("cut", 10_000, 0, b"0")], cuts=[1, 2, 3, 500], asked=True)
def test_a_mangled_stream_never_looks_complete_where_it_is_not(
    edits: list[Edit], cuts: list[int], asked: bool
) -> None:
    data = edited(STREAM, edits)
    marks = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(marks)]
    transport = CannedTransport(
        200, b"text/event-stream", tuple(piece for piece in pieces if piece)
    )
    front, books = desk(transport)
    body: dict[str, Any] = {"model": "chat", "messages": GOOD["messages"], "stream": True}
    if asked:
        body["stream_options"] = {"include_usage": True}
    _, got, error = ask(front, json.dumps(body).encode())
    (ended,) = books.ended
    if error is None:
        assert ended.outcome == "ok"
        assert b"[DONE]" in got or b"finish_reason" in got
    else:
        assert isinstance(error, UpstreamError)
        assert ended.outcome in ("cut", "error")
    assert ended.cost_nano is not None
