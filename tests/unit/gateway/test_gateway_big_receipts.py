"""Hashes of big bodies: made in threads, and of nothing that the client did not get."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest
from gateway_rig import CHAT, STREAM, eventually, rig, streams
from scripted import DONE, chunk

from federation.errors import NotFound
from federation.evidence.receipts import input_hash, output_hash, salt_of
from federation.gateway import receipts
from federation.gateway.call import Account, Call
from federation.gateway.pseudonyms import Pseudonyms
from federation.gateway.receipts import Receipts
from federation.gateway.retrying_journal import RetryingJournal
from federation.gateway.stages.record import Recorder
from federation.gateway.threads import BIG
from federation.ports import Journal
from federation.schema.http import ClientReply
from federation.schema.records import CallEnded
from federation.telemetry.meter import Meter

SALT = salt_of(bytes(32), "call_1")
LONG = bytes(BIG + 1)


class Desk:
    """A recorder whose records are kept at hand."""

    def __init__(self) -> None:
        self.told: list[CallEnded] = []
        journal = SimpleNamespace(
            append=lambda _: None, extend=lambda _: None, settled=lambda **_: None
        )
        self.recorder = Recorder(
            RetryingJournal(cast("Journal", journal)),
            Meter(),
            self.told.append,
            lambda: 1.0,
            Pseudonyms(),
            Receipts(),
        )


def call(body: bytes) -> Call:
    ask = SimpleNamespace(tags={}, session="", user="")
    made = SimpleNamespace(
        id="call_1",
        operation="chat",
        started=0.0,
        started_ms=1,
        account=Account(),
        glance=SimpleNamespace(model="m", stream=False, user="", ask=ask),
        key=SimpleNamespace(tenant="t", id="k", user="", team=""),
        request=SimpleNamespace(body=body, sent=None, headers={}),
    )
    return cast("Call", made)


@pytest.mark.parametrize("ending", ["answered", "refused", "left"])
async def test_a_big_request_is_never_gone_through_on_the_loop(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However soon the call ends: the thread has hardly begun by then."""
    threads: list[int] = []

    def noted(salt: bytes, body: bytes) -> str:
        threads.append(threading.get_ident())
        time.sleep(0.05)
        return input_hash(salt, body)

    async def provider(_: Call) -> ClientReply:
        if ending == "refused":
            raise NotFound("There is no such model.")
        if ending == "left":
            raise asyncio.CancelledError
        return ClientReply(200, [], b"short")

    monkeypatch.setattr(receipts, "input_hash", noted)
    desk = Desk()
    with suppress(NotFound, asyncio.CancelledError):
        await desk.recorder(call(LONG), provider)
    (record,) = desk.told
    assert record.input == input_hash(SALT, LONG)
    assert record.output == (output_hash(SALT, b"short") if ending == "answered" else "")
    assert len(threads) == 1
    assert threading.get_ident() not in threads


async def test_who_leaves_while_a_big_answer_is_hashed_got_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even where the thread is done, and the loop has yet to hear of it."""
    over = threading.Event()

    def noted(salt: bytes, body: bytes) -> str:
        over.set()
        return output_hash(salt, body)

    async def provider(_: Call) -> ClientReply:
        return ClientReply(200, [], LONG)

    async def one() -> ClientReply:
        return await desk.recorder(call(b"said"), provider)

    monkeypatch.setattr(receipts, "output_hash", noted)
    desk = Desk()
    asking = asyncio.create_task(one())
    await asyncio.sleep(0)
    over.wait(5)
    time.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    (record,) = desk.told
    assert (record.outcome, record.output) == ("canceled", "")
    assert record.input == input_hash(SALT, b"said")


async def test_a_call_whose_thread_cannot_be_had_has_an_end_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def provider(_: Call) -> ClientReply:
        return ClientReply(200, [], b"")

    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", none)
    desk = Desk()
    with pytest.raises(RuntimeError):
        await desk.recorder(call(LONG), provider)
    (record,) = desk.told
    assert (record.outcome, record.error) == ("error", "internal_error")


class Bomb:
    """A hash that takes what it is told and gives nothing."""

    def update(self, data: bytes) -> None:
        """Take."""

    def hexdigest(self) -> str:
        raise MemoryError("said in confidence")


def fails(*_: object) -> str:
    raise MemoryError("said in confidence")


@pytest.mark.parametrize("answer", [b"short", LONG], ids=["short", "long"])
@pytest.mark.parametrize("said", [b"said", LONG], ids=["little", "much"])
@pytest.mark.parametrize("broken", ["input_hash", "output_hash", "salt_of"])
async def test_a_call_whose_hash_cannot_be_made_has_an_end_that_says_so(
    broken: str, said: bytes, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def provider(_: Call) -> ClientReply:
        return ClientReply(200, [], answer)

    monkeypatch.setattr(receipts, broken, fails)
    desk = Desk()
    reply = await desk.recorder(call(said), provider)
    assert reply.body == answer
    (record,) = desk.told
    assert (record.outcome, record.status) == ("ok", 200)
    missing = {"input", "output"} if broken == "salt_of" else {broken.removesuffix("_hash")}
    assert {"input", "output"} - {
        name for name in ("input", "output") if getattr(record, name)
    } == set(record.unproven)
    assert missing <= set(record.unproven)
    assert set(record.unproven.values()) == {"MemoryError"}
    assert "confidence" not in str(record)


@pytest.mark.parametrize("broken", ["input_hash", "output_begun", "salt_of", "hexdigest"])
async def test_a_stream_whose_hash_cannot_be_made_has_an_end_that_says_so(
    broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken == "hexdigest":
        monkeypatch.setattr(receipts, "output_begun", lambda _: Bomb())
    else:
        monkeypatch.setattr(receipts, broken, fails)
    async with rig(streams(chunk("Hello"), chunk(finish="stop"), DONE)) as (gateway, client, _):
        reply = await client.post(CHAT, json=STREAM)
        assert (reply.status_code, reply.content.endswith(b"[DONE]\n\n")) == (200, True)
        await eventually(lambda: len(gateway.books.ended) == 1)
        (record,) = gateway.books.ended
    assert record.outcome == "ok"
    assert "output" in record.unproven or broken == "input_hash"
    assert record.unproven
    for name in ("input", "output"):
        assert bool(getattr(record, name)) is (name not in record.unproven)


@pytest.mark.parametrize("ending", ["refused", "left"])
async def test_a_call_that_is_not_answered_has_an_end_without_its_hash_too(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def provider(_: Call) -> ClientReply:
        if ending == "left":
            raise asyncio.CancelledError
        raise NotFound("There is no such model.")

    monkeypatch.setattr(receipts, "input_hash", fails)
    desk = Desk()
    with suppress(NotFound, asyncio.CancelledError):
        await desk.recorder(call(b"said"), provider)
    (record,) = desk.told
    assert (record.input, record.unproven) == ("", {"input": "MemoryError"})
