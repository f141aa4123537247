from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from control_plane import ADMIN, DEVELOPER, Plane, plane

from federation.bootstrap import control_life as bootstrap
from federation.bootstrap.options import Options
from federation.control.acceptance import LOCKED_S
from federation.control.control import Control
from federation.control.frames import pack_snapshot
from federation.control.permissions import KeyWish
from federation.domain.access import Role, VirtualKey
from federation.domain.tenancy import Team
from federation.errors import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Problem,
    StoreLocked,
    Unavailable,
)
from federation.schema.link import LeaseAsk, Report
from federation.schema.records import CallEnded, CallStarted
from federation.storage.entries import CallFilter, ConfigVersion
from federation.storage.journal import JournalWriter
from federation.telemetry import metrics
from federation.telemetry.meter import series


@pytest.fixture
async def built(tmp_path: Path) -> Plane:
    made = plane(tmp_path)
    await made.control.publish_snapshot()
    return made


def holder(built: Plane, secret: str) -> VirtualKey:
    found = built.control.keys.keys.find(secret)
    assert found is not None
    return found


def wish(role: Role = Role.DEVELOPER, tenant: str = "default") -> KeyWish:
    return KeyWish("search", role, tenant)


async def test_the_admin_key_and_those_of_the_environment_are_in_force(built: Plane) -> None:
    assert holder(built, ADMIN).role is Role.ADMIN
    assert holder(built, DEVELOPER).role is Role.DEVELOPER
    assert built.control.keys.keys.find("fed_something-else") is None


async def test_a_minted_key_is_in_force_at_once_and_kept_as_a_hash(built: Plane) -> None:
    key, secret = await built.control.keys.mint(holder(built, ADMIN), wish())
    assert holder(built, secret) == key
    assert key.hint == secret[-4:]
    assert secret not in repr(built.keys.list(None))


async def test_a_revoked_key_is_out_of_force_at_once(built: Plane) -> None:
    admin = holder(built, ADMIN)
    key, secret = await built.control.keys.mint(admin, wish())
    ended = await built.control.keys.revoke(admin, key.id)
    assert ended.revoked_ms is not None
    assert built.control.keys.keys.find(secret) is None
    assert [each.revoked_ms for each in await built.control.keys.list(admin)][-1] is not None


async def test_an_expired_key_is_left_out_of_the_ring(built: Plane) -> None:
    now_ms = int(built.clock.now * 1000)
    short = KeyWish("short", Role.DEVELOPER, "default", expires_ms=now_ms + 1000)
    key, _ = await built.control.keys.mint(holder(built, ADMIN), short)
    assert key in built.control.keys.ring.keys
    built.clock.now += 2.0
    await built.control.keys.refresh()
    assert key not in built.control.keys.ring.keys


async def test_a_key_of_no_tenant_is_refused(built: Plane) -> None:
    with pytest.raises(NotFound, match="no tenant"):
        await built.control.keys.mint(holder(built, ADMIN), wish(tenant="nobody"))


async def test_a_key_cannot_mint_more_than_it_has(built: Plane) -> None:
    with pytest.raises(Forbidden):
        await built.control.keys.mint(holder(built, DEVELOPER), wish(Role.OWNER))


async def test_keys_are_seen_within_a_tenant_only(built: Plane) -> None:
    admin = holder(built, ADMIN)
    owner, _ = await built.control.keys.mint(admin, wish(Role.OWNER, "other"))
    mine, _ = await built.control.keys.mint(admin, wish())
    assert [key.id for key in await built.control.keys.list(owner)] == [owner.id]
    with pytest.raises(NotFound):
        await built.control.keys.revoke(owner, mine.id)
    ids = [key.id for key in await built.control.keys.list(admin)]
    assert set(ids) == {"admin", "env_1", owner.id, mine.id}


async def test_a_key_that_was_not_issued_here_cannot_be_revoked_here(built: Plane) -> None:
    for name in ("admin", "env_1"):
        with pytest.raises(InvalidRequest) as caught:
            await built.control.keys.revoke(holder(built, ADMIN), name)
        assert caught.value.status == 409


async def test_what_is_removed_while_it_is_imported_is_not_said_to_be_changed(
    built: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    teams, admin = built.control.tenancy.teams, holder(built, ADMIN)
    team = await teams.add(admin, Team("blue", "default", "Blue", 1))
    monkeypatch.setattr(teams._objects, "change", lambda *_: None)
    with pytest.raises(NotFound, match="blue"):
        await teams.put(admin, replace(team, name="Navy"))


async def test_a_call_that_was_just_written_is_found(built: Plane) -> None:
    writer = JournalWriter(built.journal, "w")
    writer.append(CallStarted("call_1", 1, "default", "key_1", "chat", "auto", "acme/large"))
    assert (await built.control.ledger.find("call_1", "default")).outcome == "running"
    writer.append(CallEnded("call_1", 2, "default", "key_1", "chat", "auto", "ok", 200))
    assert (await built.control.ledger.find("call_1", None)).outcome == "ok"
    with pytest.raises(NotFound):
        await built.control.ledger.find("call_1", "other")


async def test_a_store_that_is_locked_is_well_for_a_while_and_its_ledger_behind(
    built: Plane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, now_s = built.control.ledger, 100.0

    def locked() -> None:
        raise StoreLocked("canceling statement due to lock timeout")

    monkeypatch.setattr(ledger, "_clock", lambda: now_s)
    with caplog.at_level(logging.INFO), monkeypatch.context() as patched:
        patched.setattr(ledger._ingest, "run", locked)
        for _ in range(3):
            await ledger._catch_up()
            now_s += LOCKED_S / 4
        assert ledger.writable
        assert built.control.gauges()[metrics.STORE_WRITABLE] == 1.0
        with pytest.raises(Unavailable) as caught:
            await ledger.page(CallFilter(None))
        assert caught.value.code == "ledger_behind"
        now_s += LOCKED_S / 4
        await ledger._catch_up()
        assert not ledger.writable
    with caplog.at_level(logging.INFO):
        await ledger._catch_up()
    assert ledger.writable
    assert await ledger.page(CallFilter(None)) == []
    assert [record.message for record in caplog.records if "store" in record.message] == [
        "the store is locked",
        "the store takes no writes",
        "the store takes writes again",
    ]


async def test_a_store_that_refuses_is_said_once_and_tried_again(
    built: Plane, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = built.control.ledger

    def refuse() -> None:
        raise Unavailable("The disk is full.")

    with caplog.at_level(logging.INFO), monkeypatch.context() as patched:
        patched.setattr(ledger._ingest, "run", refuse)
        await ledger.catch_up()
        await ledger.catch_up()
    assert not ledger.writable
    assert caplog.text.count("takes no writes") == 1
    assert built.control.gauges()[metrics.STORE_WRITABLE] == 0.0
    with pytest.raises(Unavailable) as caught:
        await ledger.find("call_1", None)
    assert (caught.value.code, caught.value.retry_after_s) == ("ledger_behind", 5.0)
    for asked in (ledger.page(CallFilter(None)), ledger.sums(0, None)):
        with pytest.raises(Unavailable, match="not up to date"):
            await asked
    await ledger._catch_up()
    assert ledger.writable
    assert await ledger.page(CallFilter(None)) == []
    assert built.probes


async def test_an_idle_gateway_sees_by_its_beat_that_the_store_refuses(
    built: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = built.control.money.watch

    def refuse(*_: object) -> None:
        raise Unavailable("Read-only file system")

    def writable() -> float:
        return built.control.gauges()[metrics.STORE_WRITABLE]

    with monkeypatch.context() as patched:
        patched.setattr(watch._store, "beat", refuse)
        with pytest.raises(Unavailable):
            await watch.beat()
        assert writable() == 0.0
        assert not built.control.link._store_writable()
    await watch.beat()
    assert writable() == 1.0


async def test_a_provider_is_enabled_only_when_it_answers(built: Plane) -> None:
    providers, admin = built.control.providers, holder(built, ADMIN)
    off = await providers.disable("acme", admin)
    assert (off.enabled, off.version) == (False, 2)
    built.provided.status = 401
    with pytest.raises(InvalidRequest) as caught:
        await providers.enable("acme", admin, force=False)
    assert (caught.value.status, caught.value.code) == (409, "probe_failed")
    assert not built.control.configuration.snapshot.deployments[0].enabled
    forced = await providers.enable("acme", admin, force=True)
    assert (forced.enabled, forced.version, forced.probe) == (True, 3, None)
    built.provided.status = 200
    again = await providers.enable("acme", admin, force=False)
    assert again.version == 3
    assert again.probe is not None
    assert again.probe.ok


async def test_a_provider_that_nobody_knows_is_not_found(built: Plane) -> None:
    with pytest.raises(NotFound):
        await built.control.providers.test("nobody")
    with pytest.raises(NotFound):
        await built.control.providers.disable("nobody", holder(built, ADMIN))


async def test_limits_are_granted_and_outlive_control(built: Plane, tmp_path: Path) -> None:
    ask = LeaseAsk("rpm/acme", 7)
    assert built.control._lease(ask, 1).amount == 7
    heir = plane(tmp_path)
    heir.clock.now = built.clock.now
    await heir.control.start()
    assert heir.control._lease(ask, 1).amount == 3
    await heir.control.stop()


async def test_reports_and_our_own_numbers_are_counted_together(built: Plane) -> None:
    key = series(metrics.REQUESTS, ("chat", "ok", "acme", "large"))
    report = Report(0, {key: 2.0}, {}, {}, [])
    built.control._on_report(report)
    built.control._on_report(report)
    JournalWriter(built.journal, "w").append(
        CallEnded("call_1", 2, "default", "key_1", "chat", "auto", "ok", 200)
    )
    await built.control.ledger.catch_up()
    counters = built.control.counted().counters
    assert counters[key] == 4.0
    assert counters[metrics.INGEST_LINES] == 1.0
    assert built.control.gauges()[metrics.SNAPSHOT_VERSION] == 1.0


async def test_a_changed_file_is_in_force_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.control.control.WATCH_S", 0.01)
    built = plane(tmp_path)
    await built.control.start()
    built.files.secrets = {"acme": "sk-rotated"}
    (tmp_path / "config" / "federation.yaml").write_text("x: 1\n")
    async with asyncio.timeout(5):
        while built.control.configuration.snapshot.secrets != {"acme": "sk-rotated"}:
            await asyncio.sleep(0.01)
    built.files.secrets = {"acme": "sk-again"}
    built.control.reload()
    async with asyncio.timeout(5):
        while built.control.configuration.snapshot.secrets != {"acme": "sk-again"}:
            await asyncio.sleep(0.01)
    built.control.reload()
    await asyncio.sleep(0.05)
    await built.control.stop(workers_within_s=0.01)


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("fault", [Unavailable("busy"), OSError(5, "Input/output error")])
async def test_ingest_outlives_a_fault_of_the_system_and_says_it_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
) -> None:
    monkeypatch.setattr("federation.control.ledger.ROUND_S", 0.01)
    built = plane(tmp_path)
    tries = 0

    def refuse() -> None:
        nonlocal tries
        tries += 1
        raise fault

    await built.control.start()
    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(built.control.ledger._ingest, "run", refuse)
        await soon(lambda: tries >= 3)
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 1
    JournalWriter(built.journal, "w").append(
        CallEnded("call_1", 2, "default", "key_1", "chat", "auto", "ok", 200)
    )
    await soon(lambda: built.control.ledger.progress.lines == 1)
    assert built.control.ledger.writable
    assert built.control.fault() is None
    await built.control.stop()


async def test_a_reload_that_the_store_refuses_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.control.control.WATCH_S", 0.01)
    built = plane(tmp_path)
    await built.control.start()
    rings = built.control.keys.ring.version
    refused = 0
    listing = built.keys.list

    def refuse(tenant: str | None) -> list[VirtualKey]:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise Unavailable("busy")
        return listing(tenant)

    monkeypatch.setattr(built.keys, "list", refuse)
    built.files.secrets = {"acme": "sk-rotated"}
    built.control.reload()
    await soon(lambda: built.control.keys.ring.version > rings)
    assert refused == 2
    assert built.control.fault() is None
    await built.control.stop()


@pytest.mark.parametrize("broken", [False, True], ids=["sound files", "a broken file"])
async def test_what_is_decided_and_could_not_be_compiled_is_in_force_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    monkeypatch.setattr("federation.control.control.WATCH_S", 0.01)
    built = plane(tmp_path)
    await built.control.start()
    configuration = built.control.configuration
    if broken:
        built.files.problems = [Problem("federation.yaml", 3, "unknown key 'x'")]
    add = configuration._versions.add
    refused = 0

    def refuse(digest: str, at_ms: int, body: bytes) -> ConfigVersion:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise Unavailable("full")
        return add(digest, at_ms, body)

    monkeypatch.setattr(configuration._versions, "add", refuse)
    with pytest.raises(Unavailable):
        await built.control.providers.disable("acme", holder(built, ADMIN))
    await soon(lambda: configuration.snapshot.version == 2)
    assert not any(
        each.enabled for each in configuration.snapshot.deployments if each.provider.id == "acme"
    )
    await soon(lambda: pack_snapshot(configuration.snapshot) in built.control.link._snapshot)
    await built.control.stop()


async def test_a_report_that_takes_long_keeps_nothing_from_its_end(tmp_path: Path) -> None:
    built = plane(tmp_path)
    control = built.control
    await control.start()
    going, ended = threading.Event(), [False]
    report = asyncio.create_task(control.oversight.compliance._thread.run(going.wait, 5.0))
    await asyncio.sleep(0)
    stop_link = control.link.stop

    async def stopping() -> None:
        ended[0] = not going.is_set()
        going.set()
        await stop_link()

    control.link.stop = stopping  # type: ignore[method-assign]
    threading.Timer(2.0, going.set).start()
    await control.stop()
    assert await report
    assert ended == [True]


async def test_a_bug_in_a_task_is_seen_and_ends_control(tmp_path: Path) -> None:
    built = plane(tmp_path)
    await built.control.start()

    def broken() -> bool:
        raise RuntimeError("a bug")

    built.control.ledger._ingest.run = broken  # type: ignore[assignment]
    async with asyncio.timeout(5):
        await built.control.ended()
    assert isinstance(built.control.fault(), RuntimeError)
    with pytest.raises(RuntimeError):
        await built.control.stop()


async def test_a_process_whose_task_broke_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(_: Control, __: Path, stop: asyncio.Event) -> None:
        await stop.wait()

    monkeypatch.setattr(bootstrap, "_serve_api", serve)
    built = plane(tmp_path)
    given = Options(tmp_path, tmp_path, tmp_path / "run", "", 1, None, open=False)

    def broken() -> bool:
        raise RuntimeError("a bug")

    monkeypatch.setattr(built.control.configuration, "reload", broken)
    running = asyncio.create_task(bootstrap.run(built.control, given))
    await asyncio.sleep(0.05)
    built.control.reload()
    async with asyncio.timeout(5):
        assert await running == 1
    assert any(record.exc_info for record in caplog.records)


async def test_a_grant_that_cannot_be_kept_is_not_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    built = plane(tmp_path)
    await built.control.publish_snapshot()
    (tmp_path / "run" / "leases.new").mkdir()
    assert built.control._lease(LeaseAsk("rpm/acme", 7), 1).amount == 0
    assert built.control._lease(LeaseAsk("rpm/acme", 7), 1).amount == 0
    assert caplog.text.count("grant") == 1
    (tmp_path / "run" / "leases.new").rmdir()
    assert built.control._lease(LeaseAsk("rpm/acme", 7), 1).amount == 7
