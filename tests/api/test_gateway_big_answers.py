"""Whole answers that are big: read, counted and changed beside the loop, and told as they are."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from gateway_rig import CHAT, HELLO, answers, eventually, rig
from scripted import completion

from federation.dialects.bound import BoundUpstream
from federation.gateway import chat_attempt
from federation.gateway.threads import BIG
from federation.schema.glance import Answer

WORDS = "word " * (BIG // 5)


def on_the_loop() -> bool:
    return threading.current_thread() is threading.main_thread()


async def test_a_big_answer_without_counts_is_read_and_counted_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, bool] = {}
    read, counted = BoundUpstream.read_answer, chat_attempt._counted

    def reads(upstream: BoundUpstream[Any], body: bytes) -> Answer:
        seen["read"] = on_the_loop()
        return read(upstream, body)

    def counts(*given: Any) -> int:
        seen["counted"] = on_the_loop()
        return counted(*given)

    monkeypatch.setattr(BoundUpstream, "read_answer", reads)
    monkeypatch.setattr(chat_attempt, "_counted", counts)
    async with rig(answers(completion(WORDS, usage=None))) as (running, client, _):
        reply = await client.post(CHAT, json=HELLO | {"federation": {"metadata": True}})
        assert reply.json()["choices"][0]["message"]["content"] == WORDS
        assert reply.json()["router_metadata"]["selected_provider"] == "p0"
        assert seen == {"read": False, "counted": False}
        (ended,) = running.books.ended
        assert (ended.finish, ended.usage.output) == ("stop", -(-len(WORDS) // 3))


async def test_who_leaves_while_a_big_answer_is_read_pays_for_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, left, read = threading.Event(), threading.Event(), BoundUpstream.read_answer

    def reads(upstream: BoundUpstream[Any], body: bytes) -> Answer:
        reading.set()
        left.wait(5)
        return read(upstream, body)

    monkeypatch.setattr(BoundUpstream, "read_answer", reads)
    async with rig(answers(completion(WORDS))) as (running, client, _):
        asking = asyncio.create_task(client.post(CHAT, json=HELLO))
        await eventually(reading.is_set)
        asking.cancel()
        await eventually(lambda: running.server.connections == 0)
        left.set()
        await eventually(lambda: bool(running.books.ended))
        (ended,) = running.books.ended
        assert ended.outcome == "canceled"
        assert not ended.usage.estimated
        assert ended.usage.output > 0


async def test_a_small_answer_takes_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    counted = chat_attempt._counted

    def counts(*given: Any) -> int:
        seen.append(on_the_loop())
        return counted(*given)

    monkeypatch.setattr(chat_attempt, "_counted", counts)
    async with rig(answers(completion(usage=None))) as (_, client, _ups):
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert seen == [True]
