"""Kept contents by the management API: read, held, erased, and nobody else's."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from forgetful_disk import ForgetfulDisk
from sealing_world import DAY_MS, payload
from tenancy_rig import Rig, started

from federation.control import data_desk
from federation.control.data_desk import DataDesk
from federation.domain.access import Role
from federation.evidence.sealing import SealingKey
from federation.gateway.payload_box import PayloadBox
from federation.schema.link import SpoolKey
from federation.schema.payloads import Payload
from federation.schema.records import CallEnded
from federation.storage.entries import Position
from federation.storage.journal import JournalWriter
from federation.storage.payload_spool import DIRECTORY, Spool
from federation.telemetry import metrics
from federation.telemetry.meter import series

PATH = "/v1/admin/data"


class Kept:
    """The API over a gateway whose worker is this test."""

    def __init__(self, rig: Rig, directory: Path) -> None:
        self.rig = rig
        self.directory = directory
        assert rig.plane.control.data is not None
        self.desk: DataDesk = rig.plane.control.data
        self.published: list[SpoolKey] = []
        self.desk.publish = self.published.append
        self.spool = Spool(directory, "w0-1-1")
        self.box = PayloadBox(self.spool)
        self.box.use(SealingKey(*self.desk.spool_keys.make()))
        self.journal = JournalWriter(rig.plane.journal, "w0-1-1")

    def say(self, call: str, user: str, tenant: str = "default", **more: Any) -> None:
        now_ms = int(self.rig.plane.clock() * 1000)
        said = self.box.keep(payload(call, user, now_ms, tenant=tenant))
        record = (call, now_ms, tenant, "key_1", "chat", "auto", "ok", 200)
        self.journal.append(CallEnded(*record, payload=more.get("said", said)))

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return await self.rig.ask(method, PATH + path, **more)

    async def get(self, path: str, **more: Any) -> Any:
        reply = await self.ask("GET", path, **more)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def post(self, path: str, body: dict[str, Any], expected: int = 201) -> Any:
        reply = await self.ask("POST", path, json=body)
        assert reply.status_code == expected, reply.text
        return reply.json()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    made = Kept(await started(tmp_path, beside=True), tmp_path)
    yield made
    made.spool.close()
    made.journal.close()
    await made.desk.close()
    await made.rig.client.aclose()


async def test_a_content_is_read_with_the_proof_that_it_is_the_one_and_reading_is_on_record(
    kept: Kept,
) -> None:
    kept.say("call_1", "anna")

    found = await kept.get("/payloads/call_1")

    assert found["request"] == "question of anna in call_1"
    assert found["answer"] == "answer to anna in call_1"
    assert (found["user"], found["proven"], found["encoding"]) == ("anna", True, "text")
    notes = b"".join(path.read_bytes() for path in (kept.directory / "evidence").rglob("*.log"))
    assert b'"event":"read"' in notes
    assert b'"call":"call_1"' in notes
    assert b"anna" not in notes


async def test_what_is_done_about_contents_is_on_record_as_safely_as_calls_are(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = ForgetfulDisk(monkeypatch)
    await kept.post("/holds", {"user": "anna", "reason": "case 7"})
    assert disk.syncs == []
    files = kept.rig.plane.files
    settings = replace(files.loaded.settings, durability="disk")
    files.loaded = replace(files.loaded, settings=settings)
    assert kept.rig.plane.control.configuration.reload()
    await kept.post("/holds", {"user": "anna", "reason": "case 8"})
    assert len(set(disk.syncs)) == 2, "the API's notes, and the desk's"


async def test_a_content_that_the_record_does_not_commit_to_says_so(kept: Kept) -> None:
    kept.say("call_1", "anna", said="0" * 64)
    kept.box.keep(payload("call_2", "anna", 1_000_000_000))
    binary = Payload("call_3", "default", "anna", 10**12, 30, "chat", b"", b"\xff\x00", b"ok")
    kept.box.keep(binary)

    assert (await kept.get("/payloads/call_1"))["proven"] is False
    assert (await kept.get("/payloads/call_2"))["proven"] is None
    assert (await kept.get("/payloads/call_3"))["encoding"] == "base64"
    assert (await kept.ask("GET", "/payloads/call_9")).status_code == 404


async def test_contents_that_nobody_can_read_are_told_to_the_operator(kept: Kept) -> None:
    kept.say("call_1", "anna")
    (spool,) = (kept.directory / DIRECTORY).glob("w0-1-1.*")
    line = bytearray(spool.read_bytes())
    line[-20] ^= 1
    spool.write_bytes(line)
    await kept.get("/payloads")

    status = (await kept.rig.ask("GET", "/admin/status")).json()
    assert status["store"]["lost_contents"] == 1
    counters = kept.rig.plane.control.counted().counters
    assert counters[series(metrics.LOST_CONTENTS, ())] == 1.0


async def test_an_erasure_says_that_keys_of_what_is_kept_are_not_here(kept: Kept) -> None:
    kept.say("call_1", "anna")
    await kept.get("/payloads/call_1")
    assert (await kept.post("/erasures", {"user": "ben"}))["keys_missing"] is False
    with sqlite3.connect(kept.directory / "keys" / "keys.db") as connection:
        connection.execute("DELETE FROM sealing_keys WHERE kind = 'data'")
    connection.close()

    told = await kept.post("/erasures", {"user": "ben"})
    assert (told["state"], told["keys_missing"]) == ("done", True)


async def test_contents_are_listed_by_person_and_page(kept: Kept) -> None:
    for n in range(5):
        kept.say(f"call_{n}", "anna" if n % 2 else "ben")
        kept.rig.plane.clock.now += 1

    first = await kept.get("/payloads?limit=2")
    second = await kept.get(f"/payloads?limit=2&cursor={first['next']}")
    third = await kept.get(f"/payloads?limit=2&cursor={second['next']}")

    listed = [each["call"] for page in (first, second, third) for each in page["data"]]
    assert listed == [f"call_{n}" for n in (4, 3, 2, 1, 0)]
    assert third["next"] is None
    annas = await kept.get("/payloads?user=anna")
    assert [each["call"] for each in annas["data"]] == ["call_3", "call_1"]
    assert "anna" not in str(annas)


async def test_an_erasure_waits_for_a_hold_and_is_done_when_it_is_released(kept: Kept) -> None:
    kept.say("call_1", "anna")
    kept.say("call_2", "ben")
    hold = await kept.post("/holds", {"user": "anna", "reason": "case 7"})

    waits = await kept.post("/erasures", {"user": "anna"})
    done = await kept.post("/erasures", {"user": "ben"})

    assert (waits["state"], waits["holds"]) == ("waiting", [hold["id"]])
    assert (done["state"], done["keys"], done["holds"]) == ("done", 1, [])
    assert (await kept.get("/payloads/call_1"))["user"] == "anna"
    assert (await kept.ask("GET", "/payloads/call_2")).status_code == 404
    assert [each["reason"] for each in (await kept.get("/holds"))["data"]] == ["case 7"]
    assert (await kept.ask("DELETE", f"/holds/{hold['id']}")).status_code == 204
    assert (await kept.ask("DELETE", f"/holds/{hold['id']}")).status_code == 404
    assert (await kept.ask("GET", "/payloads/call_1")).status_code == 404
    assert {each["state"] for each in (await kept.get("/erasures"))["data"]} == {"done"}
    assert (await kept.get("/holds"))["data"] == []


async def test_a_content_whose_key_alone_was_destroyed_is_gone(kept: Kept) -> None:
    kept.say("call_1", "anna")
    await kept.get("/payloads/call_1")
    custody = kept.desk._retention.custody
    custody.destroy(custody.keys_of("default", None), "erased")

    reply = await kept.ask("GET", "/payloads/call_1")

    assert reply.status_code == 410
    assert reply.json()["error"]["code"] == "content_erased"


async def test_a_content_that_was_changed_in_the_store_is_refused(kept: Kept) -> None:
    kept.say("call_1", "anna")
    await kept.get("/payloads/call_1")
    entry = kept.desk._payloads.find("call_1", None)
    assert entry is not None
    # Somebody puts it in the place of another call's.
    kept.desk._payloads.take("w9", [replace(entry, call="call_7")], Position())

    reply = await kept.ask("GET", "/payloads/call_7")

    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "content_unreadable"


async def test_keys_are_rotated_half_way_and_then_to_the_end(kept: Kept) -> None:
    for person in ("anna", "ben", "cleo"):
        kept.say(f"call_{person}", person)
    before = await kept.get("/keys")
    await kept.get("/payloads")

    half = await kept.post("/keys/rotate", {"most": 2}, 200)
    whole = await kept.post("/keys/rotate", {"begin": False}, 200)
    root = await kept.post("/keys/rotate", {"root": True}, 200)

    assert before["keys"] == {}
    assert (half["done"], half["left"]) == (2, 2)
    assert (whole["done"], whole["left"], whole["newest"]) == (2, 0, half["newest"])
    assert root["newest"] == "file:2"
    assert (await kept.get("/keys?root=true"))["newest"] == "file:2"
    assert (await kept.get("/payloads/call_anna"))["proven"] is True
    both = await kept.ask("POST", "/keys/rotate", json={"root": True, "tenant": "default"})
    assert both.status_code == 400


async def test_what_is_another_tenants_is_not_there(kept: Kept) -> None:
    kept.say("call_1", "anna", tenant="other")
    owner = await kept.rig.key(Role.OWNER)
    theirs = await kept.rig.key(Role.OWNER, "other")
    hold = await kept.post("/holds", {"tenant": "other", "reason": "theirs"})

    async def asked(method: str, path: str, **more: Any) -> int:
        return (await kept.ask(method, path, secret=owner, **more)).status_code

    assert await asked("GET", "/payloads/call_1") == 404
    assert await asked("GET", "/payloads?tenant=other") == 404
    assert await asked("GET", "/keys?tenant=other") == 404
    assert await asked("GET", "/keys?root=true") == 403
    assert await asked("DELETE", f"/holds/{hold['id']}") == 404
    assert await asked("POST", "/erasures", json={"user": "anna", "tenant": "other"}) == 404
    assert await asked("POST", "/holds", json={"reason": "x", "tenant": "other"}) == 404
    assert (await kept.get("/payloads", secret=owner))["data"] == []
    assert (await kept.get("/holds", secret=owner))["data"] == []
    assert (await kept.get("/erasures", secret=owner))["data"] == []
    assert (await kept.post("/erasures", {"user": "anna"}))["keys"] == 0
    assert (await kept.get("/payloads/call_1", secret=theirs))["user"] == "anna"
    ghost = await kept.ask("POST", "/holds", json={"reason": "x", "tenant": "ghost"})
    assert ghost.status_code == 404
    assert not (kept.directory / "ghost").exists()


async def test_a_person_s_contents_end_with_their_days_but_for_a_hold(kept: Kept) -> None:
    kept.say("call_1", "anna")
    kept.say("call_2", "ben")
    await kept.get("/payloads")
    hold = await kept.post("/holds", {"user": "anna", "reason": "case"})

    now_ms = int(kept.rig.plane.clock() * 1000)
    kept.desk._retention.sweep(now_ms + 29 * DAY_MS)
    assert (await kept.get("/payloads/call_2"))["user"] == "ben"
    kept.desk._retention.sweep(now_ms + 32 * DAY_MS)

    assert (await kept.ask("GET", "/payloads/call_2")).status_code == 404
    assert (await kept.get("/payloads/call_1"))["user"] == "anna"
    await kept.ask("DELETE", f"/holds/{hold['id']}")
    kept.desk._retention.sweep(now_ms + 32 * DAY_MS)
    assert (await kept.ask("GET", "/payloads/call_1")).status_code == 404
    assert kept.desk._retention.custody.keys_of("default", None) == []


async def test_the_desk_goes_on_when_its_keys_cannot_be_reached_for_a_while(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = kept.directory / "keys" / "root"
    await kept.desk.prepare()
    kept.desk._retention.custody.close()
    kept.say("call_1", "anna")
    root.rename(root.with_name("away"))
    (kept.directory / "keys" / "root").write_text("")

    await kept.desk._try(kept.desk._round)
    await kept.desk._try(kept.desk._round)
    assert caplog.text.count("kept contents wait") == 1

    (kept.directory / "keys" / "root").unlink()
    root.with_name("away").rename(root)
    monkeypatch.setattr(data_desk, "SWEEP_S", 0.0)
    await kept.desk._try(kept.desk._round)
    assert (await kept.get("/payloads/call_1"))["user"] == "anna"


async def test_a_spool_goes_with_its_worker(kept: Kept) -> None:
    kept.say("call_1", "anna")
    await kept.get("/payloads/call_1")
    assert list((kept.directory / DIRECTORY).iterdir())

    kept.spool.close()
    kept.desk._intake.run()

    assert not list((kept.directory / DIRECTORY).iterdir())
    assert kept.desk._payloads.positions() == {}
    assert (await kept.get("/payloads/call_1"))["user"] == "anna"


async def test_workers_have_a_key_before_they_come_and_another_after_an_erasure(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept.desk, "_wanted", lambda: True)
    kept.rig.plane.clock.now += 3_601
    await kept.desk.prepare()
    await asyncio.sleep(0)
    assert len(kept.published) == 1

    await kept.post("/erasures", {"user": "anna"})
    await asyncio.sleep(0)

    first, second = kept.published
    assert first.id != second.id
    assert str(second.key) not in repr(second)


async def test_nothing_is_opened_where_nothing_was_ever_kept(tmp_path: Path) -> None:
    rig = await started(tmp_path, beside=True)
    desk = rig.plane.control.data
    assert desk is not None
    task = asyncio.create_task(desk.follow())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await desk._try(desk._round)

    assert not (tmp_path / "keys").exists()
    await desk.close()
    await rig.client.aclose()
