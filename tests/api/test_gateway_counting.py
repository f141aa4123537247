"""A count at a provider is a request like any other: it is leased, and big ones hold up nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from gateway_rig import rig
from scripted import Talk

from federation.domain.catalogue import Deployment, Limits

COUNT = "/v1/messages/count_tokens"
ASKED: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}


def counts(place: int, row: Deployment) -> Deployment:
    """A deployment that speaks Anthropic's language, with a request limit."""
    return replace(
        row, provider=replace(row.provider, dialect="anthropic", limits=Limits(rpm=place + 1))
    )


async def eleven(talk: Talk) -> None:
    await talk.answer(b'{"input_tokens": 11}')


async def test_a_count_takes_its_place_in_the_providers_limit() -> None:
    async with rig(eleven, alter=counts) as (gateway, client, (upstream,)):
        told = await client.post(COUNT, json=ASKED)
        assert told.json() == {"input_tokens": 11}
        assert "x-federation-estimated" not in told.headers
        gateway.leases.denied.add("rpm/p0")
        told = await client.post(COUNT, json=ASKED)
        assert told.status_code == 200
        assert told.headers["x-federation-estimated"] == "true"
        assert len(upstream.seen) == 1


async def test_a_big_call_is_written_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    inner = asyncio.to_thread

    async def noted(work: Any, *arguments: Any) -> Any:
        threads.append(work.__name__)
        return await inner(work, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", noted)
    async with rig(eleven, alter=counts) as (_, client, (upstream,)):
        big = ASKED | {"messages": [{"role": "user", "content": "x" * 600_000}]}
        assert (await client.post(COUNT, json=big)).json() == {"input_tokens": 11}
        assert "_written" in threads
        assert len(upstream.seen) == 1
