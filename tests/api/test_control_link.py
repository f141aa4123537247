from __future__ import annotations

import asyncio
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from followers import Ignoring

from federation.control import frames, link_server, worker_link
from federation.control.link_server import LinkServer, WorkerEvents
from federation.control.worker_link import WorkerLink
from federation.domain.routes import Settings
from federation.domain.snapshot import KeyRing, Snapshot
from federation.schema.link import (
    FRAME_LIMIT,
    Beat,
    Board,
    Hello,
    LeaseAsk,
    LeaseGrant,
    Measure,
    Report,
)


def measured_now() -> Measure:
    return Measure("acme/large", int(time.time() * 1000), True, 2.0, 3.0, 4)


@dataclass
class Control:
    path: Path
    writable: bool = True
    reports: list[Report] = field(default_factory=list)
    server: LinkServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = LinkServer(
            self.path,
            events=WorkerEvents(report=self.reports.append),
            lease=lambda ask, sharers: LeaseGrant(ask.name, ask.amount // sharers, 60_000),
            store_writable=lambda: self.writable,
        )
        self.publish(1)

    def publish(self, version: int) -> None:
        snapshot = Snapshot(version, "d", Settings(), ())
        self.server.publish_snapshot(frames.pack_snapshot(snapshot))
        self.server.publish_keys(frames.pack_ring(KeyRing(version, b"k", ())))


@dataclass
class Worker(Ignoring):
    path: Path
    slot: int = 0
    snapshots: list[int] = field(default_factory=list)
    rings: list[int] = field(default_factory=list)
    boards: list[list[Measure]] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    grants: list[LeaseGrant] = field(default_factory=list)
    link: WorkerLink = field(init=False)

    def __post_init__(self) -> None:
        hello = Hello(self.slot, 100 + self.slot, f"w{self.slot}")
        self.link = WorkerLink(self.path, hello, self)

    def follow_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot.version)

    def follow_keys(self, ring: KeyRing) -> None:
        self.rings.append(ring.version)

    def hear_board(self, board: Board) -> None:
        self.boards.append(board.measures)

    def hear_beat(self, beat: Beat) -> None:
        self.beats.append(beat)

    def hear_grant(self, grant: LeaseGrant) -> None:
        self.grants.append(grant)


class Failing(Worker):
    def follow_snapshot(self, snapshot: Snapshot) -> None:
        raise RuntimeError("half a state")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@dataclass
class World:
    control: Control
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def worker(self, slot: int = 0) -> Worker:
        worker = Worker(self.control.path, slot)
        self.tasks.append(asyncio.create_task(worker.link.run()))
        await until(lambda: worker.rings)
        return worker


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(Control(tmp_path / "link.sock"))
    await made.control.server.start()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    await made.control.server.stop()


async def test_a_worker_is_greeted_with_all_that_it_needs(world: World) -> None:
    worker = await world.worker()
    await until(lambda: worker.beats)
    assert (worker.snapshots, worker.rings) == ([1], [1])
    assert worker.beats[0].store_writable
    (session,) = world.control.server.sessions
    assert (session.hello.pid, session.hello.writer) == (100, "w0")


async def test_a_change_reaches_every_worker_well_within_a_second(world: World) -> None:
    workers = [await world.worker(slot) for slot in range(3)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    world.control.publish(2)
    await until(lambda: all(worker.rings[-1] == 2 for worker in workers))
    assert loop.time() - began < 1.0
    assert all(worker.snapshots[-1] == 2 for worker in workers)


async def test_what_one_worker_measures_the_others_hear(world: World) -> None:
    one, two = await world.worker(0), await world.worker(1)
    measure = measured_now()
    report = Report(0, {"c": 1.0}, {"h": [1.0, 2.0]}, {"g": 3.0}, [measure])
    assert one.link.send(report)
    await until(lambda: two.boards)
    assert two.boards == [[measure]]
    assert one.boards == []
    assert world.control.reports == [report]
    assert world.control.server.sessions[0].gauges == {"g": 3.0}


async def test_a_worker_that_comes_later_hears_what_was_measured(world: World) -> None:
    one = await world.worker(0)
    measure = measured_now()
    one.link.send(Report(0, {}, {}, {}, [measure]))
    await until(lambda: world.control.reports)
    two = await world.worker(1)
    await until(lambda: two.boards)
    assert two.boards == [[measure]]


async def test_a_worker_that_comes_later_hears_no_history(world: World) -> None:
    now_ms = int(time.time() * 1000)
    ages_ms = (1_000, 61_000, 30_000, 3_600_000)
    measures = [Measure("acme/large", now_ms - age, False, 2.0, 3.0, 4) for age in ages_ms]
    one = await world.worker(0)
    one.link.send(Report(0, {}, {}, {}, measures))
    await until(lambda: world.control.reports)
    two = await world.worker(1)
    await until(lambda: two.boards)
    assert [now_ms - measure.at_ms for measure in two.boards[0]] == [30_000, 1_000]


async def test_a_snapshot_is_unpacked_beside_the_loop_and_in_its_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def unpack(payload: bytes) -> Snapshot:
        threads.append(threading.current_thread())
        time.sleep(0.02)
        return frames.unpack_snapshot(payload)

    monkeypatch.setattr("federation.control.worker_link.unpack_snapshot", unpack)
    worker = Worker(world.control.path)
    task = asyncio.create_task(worker.link.run())
    await until(lambda: worker.rings)
    assert worker.snapshots  # sent before the keys, and not overtaken by them
    assert threads[0] is not threading.main_thread()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_report_without_measures_is_not_passed_on(world: World) -> None:
    one, two = await world.worker(0), await world.worker(1)
    one.link.send(Report(0, {}, {}, {}, []))
    await until(lambda: world.control.reports)
    await asyncio.sleep(0.02)
    assert two.boards == []


async def test_a_lease_is_answered_knowing_how_many_share_it(world: World) -> None:
    one = await world.worker(0)
    await world.worker(1)
    one.link.send(LeaseAsk("rpm/acme", 10))
    await until(lambda: one.grants)
    assert one.grants == [LeaseGrant("rpm/acme", 5, 60_000)]


async def test_the_beat_goes_on_and_tells_of_the_store(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_server, "BEAT_S", 0.01)
    worker = await world.worker()
    world.control.writable = False
    await until(lambda: worker.beats and not worker.beats[-1].store_writable)


async def test_a_worker_outlives_control_and_hears_its_heir(world: World) -> None:
    worker = await world.worker()
    await world.control.server.stop()
    await until(lambda: not worker.link.connected)
    assert not worker.link.send(LeaseAsk("rpm/acme", 1))
    heir = Control(world.control.path)
    heir.publish(9)
    await heir.server.start()
    await until(lambda: worker.rings[-1] == 9)
    assert worker.link.connected
    await heir.server.stop()


async def test_a_worker_may_be_there_before_control(tmp_path: Path) -> None:
    control = Control(tmp_path / "link.sock")
    worker = Worker(control.path)
    task = asyncio.create_task(worker.link.run())
    await asyncio.sleep(0.05)
    await control.server.start()
    await until(lambda: worker.rings)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await control.server.left(5.0)
    await control.server.stop()
    await control.server.stop()


async def test_waiting_for_workers_to_leave_has_an_end(world: World) -> None:
    await world.worker()
    assert not await world.control.server.left(0.02)


async def test_only_the_owner_can_reach_the_socket(world: World) -> None:
    mode = world.control.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x05nope!",
        (FRAME_LIMIT + 1).to_bytes(4, "big"),
        b"\x00\x00",
        b"",
        frames.frame(LeaseAsk("rpm/acme", 1)),
    ],
)
async def test_a_stranger_is_hung_up_on(world: World, data: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(world.control.path))
    writer.write(data)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert world.control.server.sessions == []


async def test_a_worker_that_speaks_nonsense_later_is_hung_up_on(world: World) -> None:
    reader, writer = await asyncio.open_unix_connection(str(world.control.path))
    writer.write(frames.frame(Hello(0, 1, "w")))
    await until(lambda: world.control.server.sessions)
    writer.write(b"\x00\x00\x00\x01\xc1")
    await until(lambda: not world.control.server.sessions)
    await reader.read()
    writer.close()


async def test_a_worker_that_does_not_read_is_cut_off_and_holds_up_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_server, "BACKLOG_LIMIT", 1000)
    _, deaf = await asyncio.open_unix_connection(str(world.control.path))
    deaf.write(frames.frame(Hello(7, 1, "deaf")))
    await until(lambda: world.control.server.sessions)
    worker = await world.worker(0)
    for _ in range(3):
        world.control.server.publish_keys(b"\x00" * 2_000_000)
    await until(lambda: [s.hello.worker for s in world.control.server.sessions] in ([0], []))
    deaf.close()
    del worker


async def test_a_control_of_another_version_is_tried_again_patiently(tmp_path: Path) -> None:
    path = tmp_path / "link.sock"
    greeted = 0

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal greeted
        greeted += 1
        writer.write(b"\x00\x00\x00\x05nope!")
        writer.close()

    server = await asyncio.start_unix_server(speak, str(path))
    worker = Worker(path)
    task = asyncio.create_task(worker.link.run())
    await asyncio.sleep(0.15)
    assert greeted == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    await server.wait_closed()


async def test_a_callback_that_fails_ends_the_link(world: World) -> None:
    worker = Failing(world.control.path)
    with pytest.raises(RuntimeError, match="half a state"):
        await asyncio.wait_for(worker.link.run(), 5)


async def test_a_full_pipe_is_said_and_not_waited_for(world: World) -> None:
    worker = await world.worker()
    await until(lambda: worker.link.connected)
    big = Report(0, {"x" * 1_000_000: 1.0}, {}, {}, [])
    sent = [worker.link.send(big) for _ in range(30)]
    assert sent[0]
    assert not sent[-1]


async def test_a_control_that_does_not_read_is_not_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gathered for it goes on being gathered: it would be drained into nothing."""
    worker = await world.worker()
    assert worker.link.connected
    monkeypatch.setattr(worker_link, "SEND_LIMIT", -1)
    assert not worker.link.connected
    assert not worker.link.send(Report(0, {}, {}, {}, []))
