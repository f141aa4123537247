"""Hashes of big bodies: made in threads, and of nothing that the client did not get."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import cast

import pytest

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
        request=SimpleNamespace(body=body, sent=None),
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
