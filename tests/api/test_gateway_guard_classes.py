"""What follows from a finding beside a change of the text, and from a check that cannot be made."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import date
from typing import Any

from gateway_rig import eventually
from guard_rig import REDACT, SAID, anything, echo, guarded, place, policy
from operations_rig import places

from federation.domain.policies import Pii, PiiAction, Policy, Prohibited
from federation.gateway.situation import situate
from federation.guardrails.entities import Span

CLASSIFY = Pii(action=PiiAction.LOG, block_on_failure=False)
NOT_THERE = Prohibited(classes=("pii",), at=("p0",))


def told(text: str, path: str = "/v1/chat/completions") -> dict[str, Any]:
    """A call whose author says that it holds no data of any class."""
    words: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
    if path.endswith("embeddings"):
        words = {"input": text}
    return {"model": "work", "federation": {"data_classes": []}} | words


async def test_a_finding_makes_a_rule_about_classes_of_data_reroute_or_deny() -> None:
    rules = (Policy("classes", (CLASSIFY, NOT_THERE), digest="0" * 64),)
    two = (place(anything), place(anything))
    async with places(*two, policies=rules) as (gateway, client, (first, second)):
        reply = await client.post("/v1/chat/completions", json=told("Hello"))
        assert (reply.status_code, len(first.seen), len(second.seen)) == (200, 1, 0)
        reply = await client.post("/v1/chat/completions", json=told(SAID))
        assert (reply.status_code, len(first.seen), len(second.seen)) == (200, 1, 1)
        await client.post("/v1/embeddings", json=told(SAID, "/v1/embeddings"))
        assert (len(first.seen), len(second.seen)) == (1, 2)
        assert gateway.books.ended[1].findings == {"email:log": 1}
    async with places(place(anything), policies=rules) as (gateway, client, (only,)):
        for path in ("/v1/chat/completions", "/v1/embeddings"):
            reply = await client.post(path, json=told(SAID, path))
            assert reply.status_code == 403, reply.text
            assert "prohibited_data" in reply.text
        assert only.seen == []


async def test_what_is_taken_out_of_a_call_is_no_data_of_its_class_any_more() -> None:
    taken = Pii(action=PiiAction.REDACT, block_on_failure=False)
    rules = (Policy("classes", (taken, NOT_THERE), digest="0" * 64),)
    async with places(place(anything), policies=rules) as (_, client, (only,)):
        reply = await client.post("/v1/chat/completions", json=told(SAID))
        assert reply.status_code == 200, reply.text
        assert b"[EMAIL]" in only.seen[0].body


async def test_a_type_that_nothing_finds_fails_closed_and_a_recognizer_finds_it() -> None:
    class Names:
        name = "names"
        kinds: tuple[str, ...] = ("person",)

        def find(self, text: str) -> list[Span]:
            at = text.find("Jane Doe")
            return [Span(at, at + 8, "person", 3)] if at >= 0 else []

    rule = Pii(types=(("person", PiiAction.TOKENIZE),))
    async with places(place(echo), policies=policy(rule)) as (gateway, client, (upstream,)):
        body = {"model": "work", "messages": [{"role": "user", "content": "I am Jane Doe."}]}
        reply = await client.post("/v1/chat/completions", json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "guardrail_failed")
        assert "person" in reply.text
        assert upstream.seen == []
    async with places(place(echo), policies=policy(rule)) as (gateway, client, (upstream,)):
        gateway.world.recognizers = lambda: (Names(),)
        reply = await client.post("/v1/chat/completions", json=body)
        assert reply.json()["choices"][0]["message"]["content"] == "I am Jane Doe."
        assert b"Jane" not in upstream.seen[0].body


async def test_a_policy_bounds_what_is_read() -> None:
    rule = Pii(action=PiiAction.REDACT, max_characters=100)
    async with guarded(anything, policy(rule)) as (_, client, (upstream,)):
        body = {"model": "work", "messages": [{"role": "user", "content": "word " * 50}]}
        reply = await client.post("/v1/chat/completions", json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "content_too_long")
        assert upstream.seen == []


async def test_a_client_that_hangs_up_ends_the_check_of_its_call() -> None:
    checks: list[int] = []
    begun, hung_up = asyncio.Event(), threading.Event()
    async with guarded(anything, REDACT) as (gateway, client, (upstream,)):
        loop = asyncio.get_running_loop()

        class Slow:
            name = "slow"
            kinds: tuple[str, ...] = ("person",)

            def find(self, text: str) -> list[Span]:
                checks.append(len(text))
                loop.call_soon_threadsafe(begun.set)
                hung_up.wait(20)
                return []

        gateway.world.recognizers = lambda: (Slow(),)
        rule = Pii(types=(("person", PiiAction.REDACT),), block_on_failure=False)
        situation = gateway.world.current()
        state = replace(situation.snapshot, policies=policy(rule))
        gateway.world.adopt(situate(state, date(2026, 1, 1)))
        messages = [{"role": "user", "content": f"number {place}"} for place in range(50)]
        call = asyncio.create_task(
            client.post("/v1/chat/completions", json={"model": "work", "messages": messages})
        )
        await asyncio.wait_for(begun.wait(), 30)
        call.cancel()
        await eventually(lambda: bool(gateway.books.ended))
        hung_up.set()
        await asyncio.sleep(0.2)
        assert len(checks) == 1, "the texts behind it are not read any more"
        assert upstream.seen == []
