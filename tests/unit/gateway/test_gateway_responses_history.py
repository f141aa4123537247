"""Stored responses as values, and the stream that waits for its being kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import Raw

from federation.dialects.envelopes import PREFIX, disclose
from federation.dialects.openai_responses.keeper import Keeper
from federation.dialects.openai_responses.state import Stored
from federation.errors import UpstreamCut
from federation.gateway.passing import is_passed
from federation.gateway.responses.history import (
    Kept,
    as_it_is,
    history,
    names_of,
    pack,
    referred,
    unpack,
)
from federation.gateway.responses.keeping import KeptStream
from federation.schema.storing import PATH

KEY = b"s" * 32


def raw(item: dict[str, Any]) -> Raw:
    return Raw(json.dumps(item).encode())


def kept(*output: dict[str, Any], provider: str = "acme", **members: Any) -> Kept:
    body = {"id": "resp_1", "status": "completed", "output": list(output)} | members
    asked = raw({"id": "msg_i", "type": "message", "role": "user", "content": "Hi"})
    return Kept(Stored("resp_1", raw(body), (asked,)), provider)


def item(name: str, **members: Any) -> dict[str, Any]:
    return {"id": name, "type": "reasoning", "summary": []} | members


def loaded(items: list[Raw]) -> list[dict[str, Any]]:
    return [json.loads(bytes(each)) for each in items]


def test_what_is_kept_comes_back() -> None:
    found = kept(item("rs_1", encrypted_content="x"))
    again = unpack(pack(found))
    assert (again.provider, again.stored.id) == ("acme", "resp_1")
    assert json.loads(bytes(again.stored.response)) == json.loads(bytes(found.stored.response))


def test_a_state_is_put_into_an_envelope_for_reading_and_left_for_its_maker() -> None:
    past = history([kept(item("rs_1", encrypted_content="state"))], KEY)
    assert loaded(past.forwarded)[1]["encrypted_content"] == "state"
    envelope = loaded(past.read)[1]["encrypted_content"]
    letter = disclose(envelope, KEY)
    assert letter is not None
    assert (letter.maker, letter.id, letter.sealed) == ("openai_responses/acme", "rs_1", "state")
    assert past.makers == {"openai_responses/acme"}


def test_an_envelope_stays_as_it_is() -> None:
    sealed = item("rs_1", encrypted_content=PREFIX + "abcd")
    past = history([kept(sealed)], KEY)
    assert loaded(past.forwarded)[1] == loaded(past.read)[1] == sealed
    assert past.makers == set()


@pytest.mark.parametrize("members", [{}, {"encrypted_content": None}, {"encrypted_content": ""}])
def test_a_thought_without_a_state_is_only_read(members: dict[str, Any]) -> None:
    past = history([kept(item("rs_1", **members))], KEY)
    assert len(past.forwarded) == 1
    assert loaded(past.read)[1] == item("rs_1", **members)


def test_what_a_client_sent_is_left_alone() -> None:
    given = raw(item("rs_1", encrypted_content="theirs"))
    stored = Stored("resp_1", raw({"output": []}), (given,))
    past = history([Kept(stored, "acme")], KEY)
    assert past.forwarded == past.read == [given]
    assert past.makers == set()


def test_a_word_in_a_text_is_no_reasoning() -> None:
    said = {"id": "msg_1", "type": "message", "role": "assistant", "content": '"reasoning"'}
    past = history([kept(said)], KEY)
    assert loaded(past.forwarded)[1] == said
    assert past.makers == set()


def test_items_are_found_by_name() -> None:
    owner = kept(item("rs_1"), item("rs_2", encrypted_content="x"), {"type": "odd", "id": None})
    assert names_of(owner.stored) == ("rs_1", "rs_2")
    found = referred([owner], ("rs_1", "rs_2", "rs_3"), KEY)
    assert set(found) == {"rs_1", "rs_2"}
    assert found["rs_1"].makers == {""}, "no provider may get it as it stands"
    assert found["rs_2"].makers == {"openai_responses/acme"}


@pytest.mark.parametrize(
    ("told", "status", "shown"),
    [
        ("queued", "in_progress", "in_progress"),
        ("queued", "cancelled", "cancelled"),
        ("in_progress", "failed", "failed"),
        ("completed", "completed", "completed"),
        ("incomplete", "completed", "incomplete"),
    ],
)
def test_a_response_is_shown_as_it_is_by_now(told: str, status: str, shown: str) -> None:
    found = json.loads(bytes(as_it_is(kept(status=told).stored, status).response))
    assert found["status"] == shown
    assert ("error" in found) == (shown == "failed")


def test_no_client_path_is_passed_to_where_workers_are_answered() -> None:
    assert not is_passed(PATH)
    assert not is_passed("/internal/")
    assert not is_passed("//internal/responses")


class Pieces:
    """A stream of these pieces; flows as far as it is let."""

    def __init__(self, pieces: list[bytes], fault: Exception | None = None) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._fault = fault
        self.closed = 0

    async def read(self) -> bytes:
        piece = next(self._pieces, b"")
        if not piece and self._fault is not None:
            raise self._fault
        return piece

    async def flow(self, write: Callable[[bytes], bool]) -> None:
        for piece in self._pieces:
            if not write(piece):
                return

    async def aclose(self) -> None:
        self.closed += 1


def stream_of(*responses: str) -> bytes:
    found = b": hello\n\n"
    for at, kind in enumerate(responses):
        body = {"type": kind, "sequence_number": at, "response": {"id": "resp_theirs"}}
        found += f"event: {kind}\ndata: {json.dumps(body)}\n\n".encode()
    return found


async def pumped(stream: KeptStream, *, flows: bool) -> bytes:
    """What the listener would write."""
    out = b""

    def write(piece: bytes) -> bool:
        nonlocal out
        assert piece
        out += piece
        return True

    while piece := await stream.read():
        write(piece)
        if flows:
            await stream.flow(write)
    await stream.aclose()
    return out


@pytest.mark.parametrize("flows", [False, True])
@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_stream_comes_out_the_same_however_it_is_cut(flows: bool, is_kept: bool) -> None:
    whole = stream_of("response.created", "response.completed") + b": bye\n\n"
    found = set()
    for size in range(1, len(whole) + 1):
        keeps: list[bytes] = []

        async def keep(final: bytes, keeps: list[bytes] = keeps) -> bool:
            await asyncio.sleep(0)
            keeps.append(final)
            return is_kept

        inner = Pieces([whole[at : at + size] for at in range(0, len(whole), size)])
        stream = KeptStream(inner, Keeper("resp_ours"), keep)
        found.add(await pumped(stream, flows=flows))
        assert len(keeps) == inner.closed == 1
    (out,) = found
    last = json.loads(out.split(b"data: ")[-1].split(b"\n")[0])
    assert last["response"] == {"id": "resp_ours", "store": is_kept}
    assert out.endswith(b": bye\n\n")
    assert b"resp_theirs" not in out


async def test_a_stream_without_an_end_keeps_nothing() -> None:
    async def keep(final: bytes) -> bool:
        raise AssertionError(final)

    stream = KeptStream(Pieces([stream_of("response.created")]), Keeper("resp_ours"), keep)
    assert b"resp_ours" in await pumped(stream, flows=True)
    broken = Pieces([stream_of("response.created")], UpstreamCut("cut"))
    with pytest.raises(UpstreamCut):
        await pumped(KeptStream(broken, Keeper("resp_ours"), keep), flows=False)
