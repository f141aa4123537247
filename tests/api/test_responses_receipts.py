"""The record of an answer that is kept proves the bytes that the client got: those with our id."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway_rig import eventually, refused, streams
from responses_rig import PATH, Rig, Spoken, chats, rig, speaks
from scripted import DONE, Talk, chunk

from federation.evidence.receipts import output_hash, salt_of
from federation.schema.records import CallStarted
from federation.storage.journal import JournalWriter

KEY = b"k" * 32


async def proven(running: Rig, **members: Any) -> dict[str, Any]:
    """A call whose record must prove its answer; the members of a whole one."""
    running.running.world.receipts.key = KEY
    body = {"model": "chat", "input": "Hello"} | members
    reply = await running.client.post(PATH, json=body)
    assert reply.status_code == 200, reply.text
    assert b'"resp_' in reply.content
    books = running.running.books.ended
    await eventually(lambda: len(books) == 1)
    assert books[0].outcome == "ok"
    assert books[0].output == output_hash(salt_of(KEY, books[0].call), reply.content)
    return {} if members.get("stream") else dict(reply.json())


async def either(talk: Talk) -> None:
    """Answers in Chat Completions, whole or streamed, as asked."""
    if talk.seen.json.get("stream"):
        await streams(chunk("Hel"), chunk("lo."), chunk(finish="stop"), DONE)(talk)
    else:
        await chats(talk)


SPEAKERS = {"forwarded": Spoken(speaks()), "translated": Spoken(either, "openai")}


@pytest.mark.parametrize("speaker", sorted(SPEAKERS))
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_is_kept_is_proven_as_the_client_got_it(
    tmp_path: Path, stream: bool, speaker: str
) -> None:
    async with rig(tmp_path, SPEAKERS[speaker]) as running:
        await proven(running, stream=stream)
        (kept,) = running.plane.responses._entries
        assert await running.kept(kept) == "completed"


async def test_a_whole_answer_that_could_not_be_kept_is_proven_too(tmp_path: Path) -> None:
    async with rig(tmp_path, SPEAKERS["forwarded"]) as running:
        running.stop_control()
        answer = await proven(running)
        assert answer["store"] is False


async def test_a_stream_that_is_cut_is_proven_to_its_last_word(tmp_path: Path) -> None:
    async def cut(talk: Talk) -> None:
        await streams(chunk("Hel"), chunk("lo."), end=False)(talk)

    async with rig(tmp_path, Spoken(cut, "openai")) as running:
        running.running.world.receipts.key = KEY
        got = bytearray()
        body = {"model": "chat", "input": "Hello", "stream": True}
        with suppress(httpx.RemoteProtocolError):
            async with running.client.stream("POST", PATH, json=body) as reply:
                async for piece in reply.aiter_raw():
                    got += piece
        books = running.running.books.ended
        await eventually(lambda: len(books) == 1)
        assert books[0].output == output_hash(salt_of(KEY, books[0].call), bytes(got))


async def test_an_answer_that_is_not_to_be_kept_stays_as_it_came(tmp_path: Path) -> None:
    async with rig(tmp_path, SPEAKERS["forwarded"]) as running:
        running.running.world.receipts.key = KEY
        body = {"model": "chat", "input": "Hello", "store": False}
        reply = await running.client.post(PATH, json=body)
        (record,) = running.running.books.ended
        assert b"resp_theirs" in reply.content
        assert record.output == output_hash(salt_of(KEY, record.call), reply.content)


async def test_an_answer_whose_record_the_journal_refuses_is_not_kept(tmp_path: Path) -> None:
    """Nobody got it, and no record says what it was."""
    async with rig(tmp_path, Spoken(speaks())) as running:
        books, keep = running.running.books, running.plane.responses.add

        def full(*kept: Any) -> bool:
            books.broken = True
            return keep(*kept)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running.plane.responses, "add", full)
            reply = await running.client.post(PATH, json={"model": "chat", "input": "Hello"})
        refused(reply, 503, "evidence_unwritable")
        assert running.plane.responses._entries == {}
        books.broken = False
        await running.ask()
        assert len(running.plane.responses._entries) == 1


async def test_an_answer_whose_worker_died_before_its_record_is_deleted(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as running:
        running.running.world.receipts.key = KEY
        reply = await running.client.post(PATH, json={"model": "chat", "input": "Hello"})
        name, call = reply.json()["id"], reply.headers["x-federation-call-id"]
        other = (await running.ask("Hi"))["id"]
        assert await running.kept(name) == "completed"
        # What control would find in the journal of a worker that was killed in between.
        journal = JournalWriter(running.plane.journal, "w7-1-1")
        journal.append(
            CallStarted(call, 1, "default", "key_1", "chat", "chat", "p0/acme-large", stream=False)
        )
        journal.close()
        await running.plane.control.ledger.catch_up()
        assert await running.kept(name) == ""
        assert await running.kept(other) == "completed"
