"""A count at a provider is a request like any other: it is leased, and big ones hold up nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from gateway_rig import eventually, rig, status
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
        assert told.headers["x-federation-attempts"] == "0"
        assert len(upstream.seen) == 1
        first, second = gateway.books.ended
        assert [(each.deployment, each.error) for each in first.attempts] == [("p0/acme-large", "")]
        assert (second.outcome, second.deployment, second.attempts) == ("ok", "", ())


async def test_a_deployment_that_speaks_converse_counts_by_its_vendors_operation() -> None:
    def converse(place: int, row: Deployment) -> Deployment:
        return replace(row, provider=replace(row.provider, dialect="bedrock"))

    async def twelve(talk: Talk) -> None:
        await talk.answer(b'{"inputTokens": 12}')

    async with rig(twelve, alter=converse) as (_, client, (upstream,)):
        told = await client.post(COUNT, json=ASKED)
        assert told.json() == {"input_tokens": 12}
        assert "x-federation-estimated" not in told.headers
        assert "/model/acme-large/count-tokens " in upstream.seen[0].head
    async with rig(status(400), alter=converse) as (_, client, _):
        told = await client.post(COUNT, json=ASKED)
        assert told.status_code == 200
        assert told.headers["x-federation-estimated"] == "true", "not every model there is counted"


async def test_a_count_names_the_gateways_that_it_came_through() -> None:
    other = "1.1 federation-0123456789ab"
    async with rig(eleven, alter=counts) as (gateway, client, (upstream,)):
        gateway.world.via = b"federation-ffffffffffff"
        assert (await client.post(COUNT, json=ASKED, headers={"via": other})).is_success
        assert upstream.seen[0].headers["via"].startswith(f"{other}, 1.1 federation")
        gateway.world.via = other.encode()
        assert (await client.post(COUNT, json=ASKED, headers={"via": other})).status_code == 508


async def test_a_count_that_fails_or_is_not_waited_for_says_so_in_its_record() -> None:
    async def hangs(talk: Talk) -> None:
        await asyncio.sleep(20)

    async with rig(status(500), alter=counts) as (gateway, client, _):
        told = await client.post(COUNT, json=ASKED)
        assert told.headers["x-federation-estimated"] == "true"
        assert [each.error for each in gateway.books.ended[0].attempts] == ["upstream_failed"]
    async with rig(hangs, alter=counts) as (gateway, client, (upstream,)):
        asking = asyncio.create_task(client.post(COUNT, json=ASKED))
        await eventually(lambda: bool(upstream.seen))
        asking.cancel()
        await eventually(lambda: bool(gateway.books.ended))
        assert [each.error for each in gateway.books.ended[0].attempts] == ["canceled"]


async def test_a_big_call_is_written_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    inner = asyncio.to_thread

    async def noted(work: Any, *arguments: Any) -> Any:
        threads.append(getattr(work, "func", work).__name__)
        return await inner(work, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", noted)
    async with rig(eleven, alter=counts) as (_, client, (upstream,)):
        big = ASKED | {"messages": [{"role": "user", "content": "x" * 600_000}]}
        assert (await client.post(COUNT, json=big)).json() == {"input_tokens": 11}
        assert "_written" in threads
        assert len(upstream.seen) == 1
