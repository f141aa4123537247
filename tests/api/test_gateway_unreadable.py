"""Streams that nobody can read in full, and answers that hold nothing: told once, or by another."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, HELLO, STREAM, answers, eventually, rig, streams
from scripted import DONE, USAGE, Talk, chunk, completion, whole

from federation.errors import UpstreamGarbled

MESSAGES = "/v1/messages"
PATHS = pytest.mark.parametrize("path", [CHAT, MESSAGES], ids=["forwarded", "translated"])
WORDS = ("Alpha ", "beta ", "gamma ", "delta.")
TOLD = [chunk(word) for word in WORDS]
END = (chunk(finish="stop"), USAGE, DONE)


def odd(word: str) -> bytes:
    """A piece of the answer in which a member has another type than its language says."""
    body = json.loads(chunk(word).removeprefix(b"data: "))
    body["choices"][0]["finish_reason"] = 5
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def told(got: str) -> str:
    """The text of a stream in either language."""
    text = ""
    for line in got.splitlines():
        if line.startswith("data: {"):
            body: dict[str, Any] = json.loads(line[6:])
            for choice in body.get("choices", ()):
                text += choice["delta"].get("content") or ""
            text += (body.get("delta") or {}).get("text", "")
    return text


async def read(client: httpx.AsyncClient, path: str) -> str:
    """A stream up to where it ends or is cut."""
    got = ""
    async with client.stream("POST", path, json=STREAM | {"max_tokens": 900}) as reply:
        try:
            async for piece in reply.aiter_text():
                got += piece
        except httpx.RemoteProtocolError:
            pass
    return got


async def test_what_was_told_and_cannot_be_read_again_is_not_told_twice() -> None:
    broken = streams(TOLD[0], TOLD[1], odd(WORDS[2]), end=False, gap_s=0.02)
    async with rig(broken, streams(*TOLD, *END)) as (_, client, upstreams):
        got = await read(client, CHAT)
        assert told(got) == "Alpha beta gamma "
        assert '"error"' in got
        assert "[DONE]" not in got
        assert upstreams[1].seen == []


async def test_a_translated_answer_is_never_told_without_what_cannot_be_read() -> None:
    garbled = streams(TOLD[0], TOLD[1], odd(WORDS[2]), TOLD[3], *END, gap_s=0.02)
    async with rig(garbled, streams(*TOLD, *END)) as (gateway, client, _):
        got = await read(client, MESSAGES)
        assert told(got) == "".join(WORDS)
        assert "message_stop" in got
        attempts = gateway.books.ended[0].attempts
        assert [each.error for each in attempts] == [UpstreamGarbled.code, ""]


@PATHS
async def test_a_stream_goes_on_after_an_event_that_was_left_out(path: str) -> None:
    events = (TOLD[0], b"data: {odd\n\n", TOLD[1])
    broken = streams(*events, end=False, gap_s=0.02)
    async with rig(broken, streams(*TOLD, *END)) as (_, client, upstreams):
        assert told(await read(client, path)) == "".join(WORDS)
        assert len(upstreams[1].seen) == 1


@PATHS
@pytest.mark.parametrize(
    "events",
    [(DONE,), (b"data: {}\n\n", DONE), (chunk(choices=[]), DONE), (USAGE, DONE), ()],
    ids=["end", "object", "no choices", "usage", "nothing"],
)
async def test_a_stream_without_an_answer_is_none(path: str, events: tuple[bytes, ...]) -> None:
    async with rig(streams(*events), whole) as (gateway, client, _):
        assert told(await read(client, path)) == "Hello."
        attempts = gateway.books.ended[0].attempts
        assert [each.error for each in attempts] == [UpstreamGarbled.code, ""]


@PATHS
async def test_a_whole_answer_without_choices_is_none(path: str) -> None:
    async with rig(answers(completion(choices=[])), whole) as (gateway, client, _):
        reply = await client.post(path, json=HELLO | {"max_tokens": 900})
        assert "Hello." in reply.text
        attempts = gateway.books.ended[0].attempts
        assert [each.error for each in attempts] == [UpstreamGarbled.code, ""]


async def test_an_event_may_hold_a_whole_picture() -> None:
    big = "x" * 6_000_000
    async with rig(streams(chunk(big), *END)) as (_, client, _):
        assert told(await read(client, CHAT)) == big


async def test_a_bomb_holds_nobody_up_and_a_client_that_leaves_ends_it() -> None:
    packed = gzip.compress(TOLD[0] + b": ping\n\n" * 8_000_000)

    async def bomb(talk: Talk) -> None:
        await talk.answer(packed, headers="content-encoding: gzip\r\n", kind="text/event-stream")

    async with rig(bomb) as (gateway, client, _):
        waits: list[float] = []
        async with client.stream("POST", CHAT, json=STREAM) as reply:
            async for _ in reply.aiter_raw():
                if len(waits) == 50:
                    break
                began = time.monotonic()
                await asyncio.sleep(0)
                waits.append(time.monotonic() - began)
        assert sorted(waits)[25] < 0.1
        await eventually(lambda: bool(gateway.books.ended), 5.0)
        assert gateway.books.ended[0].outcome == "canceled"
