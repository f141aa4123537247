"""What only workers may ask of control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from control_plane import ADMIN, Plane, plane

from federation.api import internal
from federation.api.app import create_app
from federation.api.internal import Internal
from federation.errors import Unavailable
from federation.schema.storing import (
    HEADER,
    MISSING,
    PATH,
    Answered,
    Asked,
    Chain,
    Done,
    Find,
    Found,
    Ids,
    Mark,
    Owners,
    Remove,
    Running,
    Save,
)
from federation.storage.entries import ResponseEntry
from federation.storage.keyring import internal_key

answered = msgspec.msgpack.Decoder(Answered)
SAVE = Save("default", "resp_1", b"payload", items=("msg_1",))


@pytest.fixture
async def built(tmp_path: Path) -> AsyncIterator[Plane]:
    made = plane(tmp_path)
    await made.control.publish_snapshot()
    yield made
    made.control.responses.close()


async def reply(
    built: Plane, asked: Asked | bytes, path: str = PATH, **given: str
) -> httpx.Response:
    app = Internal(create_app(built.control), built.control)
    key = internal_key(built.control.keys.ring.hash_key)
    body = asked if isinstance(asked, bytes) else msgspec.msgpack.encode(asked)
    headers = {HEADER.decode(): given.get("key", key), "x-api-key": ADMIN}
    if given.get("key") == "none":
        del headers[HEADER.decode()]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        return await client.request(
            given.get("method", "POST"), path, content=body, headers=headers
        )


async def ask(built: Plane, asked: Asked) -> Done | Found | Ids:
    found = await reply(built, asked)
    assert found.status_code == 200
    answer: Done | Found | Ids = answered.decode(found.content)
    return answer


async def test_a_response_from_its_first_day_to_its_last(built: Plane) -> None:
    assert await ask(built, SAVE) == Done(True)
    assert await ask(built, SAVE) == Done(True), "an answer may get lost, and it asks again"
    found = await ask(built, Find("default", "resp_1"))
    assert isinstance(found, Found)
    assert found.held[0].payload == b"payload"
    assert await ask(built, Find("other", "resp_1")) == Found()
    later = Save("default", "resp_2", b"more", previous="resp_1")
    assert await ask(built, later) == Done(True)
    chain = await ask(built, Chain("default", "resp_2"))
    assert isinstance(chain, Found)
    assert [each.payload for each in chain.held] == [b"payload", b"more"]
    owners = await ask(built, Owners("default", ("msg_1",)))
    assert isinstance(owners, Found)
    assert [each.id for each in owners.held] == ["resp_1"]
    assert await ask(built, Mark("default", "resp_1", "cancelled")) == Done(False)
    assert await ask(built, Remove("default", "resp_1")) == Done(True)
    assert await ask(built, Remove("default", "resp_1")) == Done(False)
    assert await ask(built, Chain("default", "resp_2")) == Found(fault=MISSING)


async def test_what_runs_is_finished_by_its_worker_once(built: Plane) -> None:
    queued = Save("default", "resp_1", b"queued", status="queued", writer="w1")
    assert await ask(built, queued) == Done(True)
    assert await ask(built, Mark("default", "resp_1", "in_progress")) == Done(True)
    assert await ask(built, Running("w1")) == Ids(("resp_1",))
    assert await ask(built, Running("w2")) == Ids(())
    done = Save("default", "resp_1", b"done", writer="w1", items=("msg_1",))
    assert await ask(built, done) == Done(True)
    assert await ask(built, done) == Done(False)
    assert await ask(built, Running("w1")) == Ids(())
    found = await ask(built, Find("default", "resp_1"))
    assert isinstance(found, Found)
    assert (found.held[0].status, found.held[0].payload) == ("completed", b"done")


async def test_another_id_of_the_same_name_is_not_taken_for_kept(built: Plane) -> None:
    assert await ask(built, SAVE) == Done(True)
    assert await ask(built, Save("other", "resp_1", b"theirs")) == Done(False)


@pytest.mark.parametrize("key", ["none", "", "wrong", "0" * 64, ADMIN])
async def test_only_a_worker_is_answered(built: Plane, key: str) -> None:
    assert (await reply(built, SAVE, key=key)).status_code == 401
    assert built.responses.find("default", "resp_1", 0) is None


@pytest.mark.parametrize(
    ("path", "method"),
    [("/internal/other", "POST"), ("/internal/", "POST"), (PATH, "GET"), (PATH + "/x", "POST")],
)
async def test_there_is_nothing_else(built: Plane, path: str, method: str) -> None:
    assert (await reply(built, SAVE, path, method=method)).status_code == 404


@pytest.mark.parametrize("body", [b"", b"{}", b"\xc1", msgspec.msgpack.encode({"type": "drop"})])
async def test_what_is_no_question_is_refused(built: Plane, body: bytes) -> None:
    assert (await reply(built, body)).status_code == 400


async def test_a_question_is_bounded(built: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internal, "BODY_LIMIT", 10)
    assert (await reply(built, SAVE)).status_code == 400


async def test_a_store_that_refuses_is_said_to(
    built: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bool:
        raise Unavailable("no", code="store_unavailable")

    monkeypatch.setattr(built.responses, "add", refuse)
    found = await reply(built, SAVE)
    assert (found.status_code, found.content) == (503, b"store_unavailable")


async def test_what_another_master_key_sealed_counts_as_absent(
    built: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    entry = ResponseEntry(
        "resp_1", "default", "", "completed", "", 0, 1 << 50, 7, b"\x01" + b"0" * 40
    )
    built.responses.add(entry, ("msg_1",))
    assert await ask(built, Find("default", "resp_1")) == Found()
    assert await ask(built, Chain("default", "resp_1")) == Found(fault=MISSING)
    assert await ask(built, Owners("default", ("msg_1",))) == Found()
    assert "cannot be opened" in caplog.text


async def test_everything_else_goes_to_the_application_behind(built: Plane) -> None:
    assert (await reply(built, b"", "/health/startup", method="GET")).status_code == 200
    assert (await reply(built, b"", "/internal", method="GET")).status_code == 404


async def test_a_round_gives_up_what_is_lost_and_sweeps_what_is_old(built: Plane) -> None:
    desk = built.control.responses
    for at in range(3):
        writer = f"w{at + 1}"
        asked = Save("default", f"resp_{at}", b"q", status="queued", writer=writer)
        assert await ask(built, asked) == Done(True)
    desk.round()
    found = {each: built.responses.find("default", f"resp_{each}", 0) for each in range(3)}
    assert [entry.status for entry in found.values() if entry] == ["queued", "failed", "failed"]
    built.clock.now += 31 * 86_400
    desk.round()
    assert built.responses.find("default", "resp_0", 0) is None
