"""The record of a call holds what proves its content: hashes of the bytes that the client sent and
of those that it got, on every path and however an answer ended."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from every_path import BODIES, OTHERS, RULES, answers_all, post
from gateway_rig import CHAT, HELLO, STREAM, answers, eventually, rig, status, streams
from guard_rig import MAIL, OPERATIONS, REDACT, TOKENIZE, echo, guarded
from inprocess import Gateway
from operations_rig import Place, offers, places
from scripted import DONE, Talk, chunk, completion

from federation.domain.routes import Route, Settings, Target
from federation.evidence.receipts import input_hash, output_hash, salt_of
from federation.schema.records import CallEnded

EVERY = BODIES | OTHERS
KEY = b"r" * 32
WORDS = chunk("Hel"), chunk("lo, "), chunk("world."), chunk(finish="stop"), DONE
PARTS = chunk("Hel"), chunk("lo, "), chunk("wor")


async def _record(gateway: Gateway) -> CallEnded:
    await eventually(lambda: len(gateway.books.ended) == 1)
    return gateway.books.ended[0]


async def _told(gateway: Gateway, reply: httpx.Response) -> CallEnded:
    """The call's record, which must prove the bytes of this exchange."""
    record = await _record(gateway)
    salt = salt_of(KEY, record.call)
    assert record.input == input_hash(salt, reply.request.content)
    assert record.output == output_hash(salt, reply.content)
    return record


def everything() -> Any:
    takes = ("text", "image", "audio")
    offered = offers("chat", *OPERATIONS, name="acme-large", input_modalities=takes)
    place = Place(answers_all, offered, quirks={"passthrough": RULES})
    return places(
        place,
        settings=Settings(passthrough=("p0",)),
        routes=(Route("chat", "priority", (Target("p0/acme-large"),)),),
    )


@pytest.mark.parametrize("path", sorted(EVERY))
async def test_a_record_proves_what_was_said_and_answered(path: str) -> None:
    async with everything() as (gateway, client, _):
        gateway.world.receipts.key = KEY
        reply = await post(client, path, EVERY[path])
        assert reply.status_code == 200, reply.text
        await _told(gateway, reply)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v2/chat", "/api/chat", "/v1/responses"])
async def test_a_stream_is_proven_as_the_client_got_it(path: str, at_once: bool) -> None:
    events = (b"".join(WORDS),) if at_once else WORDS
    async with rig(streams(*events, gap_s=0.005)) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        body = EVERY[path] | {"stream": True}
        reply = await client.post(path, json=body)
        assert reply.status_code == 200, reply.text
        assert b"world" in reply.content
        await _told(gateway, reply)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_router_says_of_itself_is_part_of_the_answer(stream: bool) -> None:
    async with rig(streams(*WORDS) if stream else answers()) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        reply = await client.post(CHAT, json=HELLO | {"model": "auto", "stream": stream})
        assert ("router_metadata" in reply.text) or stream, reply.text
        await _told(gateway, reply)


async def test_a_proof_runs_across_the_seam_of_an_answer_that_was_mended() -> None:
    whole = (chunk("Hello, "), chunk("world."), *WORDS[-2:])
    async with rig(streams(*PARTS, end=False), streams(*whole)) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        reply = await client.post(CHAT, json=STREAM)
        record = await _told(gateway, reply)
        assert record.mended


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses"])
async def test_an_answer_that_was_cut_is_proven_to_its_last_word(path: str) -> None:
    async with rig(streams(*PARTS, end=False)) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        got = bytearray()
        try:
            body = EVERY[path] | {"stream": True}
            async with client.stream("POST", path, json=body) as reply:
                async for piece in reply.aiter_raw():
                    got += piece
        except httpx.RemoteProtocolError:
            pass
        record = await _record(gateway)
        assert record.outcome == "cut"
        assert record.output == output_hash(salt_of(KEY, record.call), bytes(got))


@pytest.mark.parametrize("rule", [REDACT, TOKENIZE])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_content_checks_change_is_proven_from_the_clients_side(
    rule: Any, stream: bool
) -> None:
    words = [chunk(word) for word in f"write to {MAIL} today".split(" ")]
    said = streams(*words, chunk(finish="stop"), DONE)
    async with guarded(said if stream else echo, rule) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        content = [{"role": "user", "content": f"write to {MAIL} today"}]
        body = {"model": "work", "messages": content, "stream": stream}
        await _told(gateway, await client.post(CHAT, json=body))


async def test_big_bodies_are_proven_too() -> None:
    big = json.loads(completion())
    big["choices"][0]["message"]["content"] = "yes " * 300_000
    async with rig(answers(json.dumps(big).encode())) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        await _told(gateway, await client.post(CHAT, json=HELLO | {"padding": "no " * 300_000}))


async def test_a_refused_call_says_what_was_asked_and_that_nothing_was_answered() -> None:
    async with rig(status(400)) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        reply = await client.post(CHAT, json=HELLO)
        record = await _record(gateway)
        assert record.input == input_hash(salt_of(KEY, record.call), reply.request.content)
        assert record.output == ""


async def test_a_client_that_left_got_what_had_been_sent() -> None:
    async with rig(streams(*PARTS[:1], gap_s=0.02)) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        async with client.stream("POST", CHAT, json=STREAM) as reply:
            got = await anext(reply.aiter_raw())
        record = await _record(gateway)
        assert record.outcome in ("canceled", "cut")
        assert record.output
        if record.outcome == "canceled":
            assert record.output == output_hash(salt_of(KEY, record.call), got)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_the_journal_refused_is_not_said_to_have_been_given(
    stream: bool,
) -> None:
    """Its end is written when the journal takes lines again; the client got an error by then."""

    async def behave(talk: Talk) -> None:
        await eventually(lambda: len(gateway.books.started) == 1)
        gateway.books.broken = True
        await (streams(*WORDS) if stream else answers())(talk)

    async with rig(behave) as (gateway, client, _):
        gateway.world.receipts.key = KEY
        got = b""
        with suppress(httpx.RemoteProtocolError):
            async with client.stream("POST", CHAT, json=HELLO | {"stream": stream}) as reply:
                async for piece in reply.aiter_raw():
                    got += piece
        assert b"evidence_unwritable" in got
        gateway.books.broken = False
        record = await _record(gateway)
        assert (record.outcome, record.error) == ("error", "evidence_unwritable")
        assert record.output == ""
