"""Streams under somebody else's recognizers, which take their time: nobody else waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from typing import Any

import httpx
import pytest
from gateway_rig import CHAT, STREAM, eventually, rig, streams
from guard_rig import policy
from scripted import DONE, chunk

from federation.domain.policies import Pii, PiiAction
from federation.guardrails.entities import Span

PERSONS = policy(Pii(types=(("person", PiiAction.REDACT),)))
TAKES_S = 0.3


class Slow:
    """Knows one name, and takes its time."""

    name = "slow"
    kinds: tuple[str, ...] = ("person",)

    def __init__(self, takes_s: float = TAKES_S) -> None:
        self.takes_s = takes_s
        self.threads: set[int] = set()

    def find(self, text: str) -> list[Span]:
        self.threads.add(threading.get_ident())
        time.sleep(self.takes_s)
        at = text.find("Jane")
        return [Span(at, at + 4, "person", 3)] if at >= 0 else []


async def longest_gap(until: asyncio.Event) -> float:
    """How long the loop stood still at most."""
    longest, before = 0.0, time.monotonic()
    while not until.is_set():
        await asyncio.sleep(0.005)
        now = time.monotonic()
        longest, before = max(longest, now - before), now
    return longest


@pytest.mark.parametrize("breaks", [False, True], ids=["whole", "mended"])
async def test_a_recognizer_reads_streams_and_the_loop_goes_on(breaks: bool) -> None:
    end = (chunk("three."), chunk(finish="stop"), DONE)
    whole = streams(chunk("One Jane two "), *end, gap_s=0.02)
    first = streams(chunk("One Jane two "), end=False) if breaks else whole
    done = asyncio.Event()
    async with rig(first, whole, policies=PERSONS) as (gateway, client, _):
        gateway.world.recognizers = lambda: (Slow(),)
        watching = asyncio.create_task(longest_gap(done))
        reply = await client.post(CHAT, json=STREAM)
        done.set()
        assert "Jane" not in reply.text
        assert "[PERSON]" in reply.text
        assert "[DONE]" in reply.text
        assert await watching < TAKES_S * 0.8
        await eventually(lambda: bool(gateway.books.ended))
        (ended,) = gateway.books.ended
        assert (ended.outcome, ended.mended) == ("ok", breaks)
        assert ended.findings["person:redact"] >= 1


async def test_a_client_that_leaves_while_a_stream_is_read_ends_it() -> None:
    slow = Slow()
    said = streams(*(chunk(f"word {place} and ") for place in range(200)), gap_s=0.01)
    async with rig(said, policies=PERSONS) as (gateway, client, upstreams):
        gateway.world.recognizers = lambda: (slow,)
        async with client.stream("POST", CHAT, json=STREAM) as reply:
            async for _ in reply.aiter_raw():
                break
        await eventually(lambda: bool(gateway.books.ended))
        assert [each.outcome for each in gateway.books.ended] == ["canceled"]
        assert len(upstreams[0].seen) == 1
        assert threading.get_ident() not in slow.threads


async def test_an_answer_that_may_not_be_told_elsewhere_ends_as_cut_and_says_so() -> None:
    """What was told is longer than the policy lets anybody check, so nobody is asked to go on."""
    rule = Pii(action=PiiAction.REDACT, max_characters=400)
    words = [chunk(f"calm words number {place} ".replace("0", "o")) for place in range(40)]
    first = streams(*words, end=False)
    second = streams(chunk("Something else"), chunk(finish="stop"), DONE)
    raw = b""
    async with rig(first, second, policies=policy(rule)) as (gateway, client, _):
        with contextlib.suppress(httpx.RemoteProtocolError):  # cut after the error
            async with client.stream("POST", CHAT, json=STREAM) as reply:
                async for piece in reply.aiter_raw():
                    raw += piece
        assert "calm words number" in _content(raw)
        assert b'"error"' in raw
        assert b"[DONE]" not in raw
        await eventually(lambda: bool(gateway.books.ended))
        (ended,) = gateway.books.ended
        assert (ended.outcome, ended.error) == ("cut", "upstream_stream_cut"), _told(ended)


def _content(raw: bytes) -> str:
    events = (line.removeprefix("data: ") for line in raw.decode().splitlines() if line)
    chunks = (json.loads(event) for event in events if event != "[DONE]")
    return "".join(
        choice["delta"].get("content", "") for each in chunks for choice in each.get("choices", ())
    )


def _told(ended: Any) -> str:
    return f"{ended.outcome} {ended.status} {ended.error}"
