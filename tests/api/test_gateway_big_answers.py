"""Whole answers that are big: read, counted and changed beside the loop, and told as they are."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from gateway_rig import CHAT, HELLO, answers, rig
from scripted import completion

from federation.dialects.bound import BoundUpstream
from federation.gateway import turn
from federation.gateway.threads import BIG
from federation.schema.glance import Answer

WORDS = "word " * (BIG // 5)


def on_the_loop() -> bool:
    return threading.current_thread() is threading.main_thread()


async def test_a_big_answer_without_counts_is_read_and_counted_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, bool] = {}
    read, counted = BoundUpstream.read_answer, turn._counted

    def reads(upstream: BoundUpstream[Any], body: bytes) -> Answer:
        seen["read"] = on_the_loop()
        return read(upstream, body)

    def counts(*given: Any) -> int:
        seen["counted"] = on_the_loop()
        return counted(*given)

    monkeypatch.setattr(BoundUpstream, "read_answer", reads)
    monkeypatch.setattr(turn, "_counted", counts)
    async with rig(answers(completion(WORDS, usage=None))) as (running, client, _):
        reply = await client.post(CHAT, json=HELLO | {"federation": {"metadata": True}})
        assert reply.json()["choices"][0]["message"]["content"] == WORDS
        assert reply.json()["router_metadata"]["selected_provider"] == "p0"
        assert seen == {"read": False, "counted": False}
        (ended,) = running.books.ended
        assert (ended.finish, ended.usage.output) == ("stop", -(-len(WORDS) // 3))


async def test_a_small_answer_takes_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    counted = turn._counted

    def counts(*given: Any) -> int:
        seen.append(on_the_loop())
        return counted(*given)

    monkeypatch.setattr(turn, "_counted", counts)
    async with rig(answers(completion(usage=None))) as (_, client, _ups):
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert seen == [True]
