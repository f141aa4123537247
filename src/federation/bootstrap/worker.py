"""An inference worker: listener, gateway, transport, journal, and a link to control.

Imports no web framework, ORM, Pydantic or metrics library: a test holds the list. The
worker listens only once it has its first snapshot and key ring, so that nobody is refused
because a process is young.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import hashlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from federation.bootstrap import lifeline
from federation.bootstrap.assembly import assemble
from federation.bootstrap.following import Following
from federation.bootstrap.large_pages import collapse_heap
from federation.bootstrap.loop import run_loop
from federation.bootstrap.recognizers import Plugged
from federation.control.worker_link import WorkerLink
from federation.credentials.bearers import Bearers
from federation.domain.routes import ListenerLimits
from federation.errors import EvidenceUnwritable
from federation.gateway.admission import Entrance
from federation.gateway.money import Money
from federation.gateway.payload_box import PayloadBox
from federation.gateway.provider_limits import ProviderLeases
from federation.gateway.pseudonyms import Pseudonyms
from federation.gateway.purse import Purse
from federation.gateway.rates import Rates
from federation.gateway.tokens import Tokens
from federation.gateway.world import Situation, World
from federation.listener.server import Server
from federation.resilience.health import HealthBoard
from federation.routing.classifier import load as load_classifier
from federation.routing.request import Memory
from federation.schema.limits import FromRates
from federation.schema.link import Hello, LeaseAsk, NamesAsk, NamesSeen, Report
from federation.schema.money import FromPurse
from federation.storage.group_commit import GroupCommit
from federation.storage.journal import JournalWriter, writer_name
from federation.storage.payload_spool import Spool
from federation.telemetry import logs, metrics
from federation.telemetry.meter import Meter
from federation.transport import proxies
from federation.transport.client import Client

REPORT_S = 1.0
PURSE_S = 0.5
MEASURES_LIMIT = 10_000
"""Measures held for control while it is away; older ones are dropped, health is local then."""

RINGS_AFTER = 10_000
"""Objects between two looks of the collector for rings: calls make none (tested), so a look costs
each of hundreds of calls in flight something and finds nothing."""

SETTLED_S = 5.0
"""After so long most of what a worker will ever hold is there."""

LINGER_S = 1.0
"""A client that keeps its connection open may be sending its next call just as we begin to
drain; within this time it is still answered, and told to connect anew."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line that the launcher gives (`bootstrap.launcher`)."""

    data: Path
    config: Path
    run: Path
    lifeline: int
    fd: int
    slot: int
    drain_s: float
    beat: int = -1
    ready: int = -1


def options(argv: Sequence[str]) -> Options:
    """Parse the launcher's arguments."""
    parser = argparse.ArgumentParser(prog="federation.bootstrap.worker")
    for name in ("--data", "--config", "--run"):
        parser.add_argument(name, type=Path, required=True)
    for name in ("--lifeline", "--fd", "--slot"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--drain-s", type=float, default=30.0)
    parser.add_argument("--beat", type=int, default=-1)
    parser.add_argument("--ready", type=int, default=-1)
    return Options(**vars(parser.parse_args(argv)))


class Worker:
    """One worker process: what it is made of, and its life from start to drain."""

    def __init__(self, options: Options) -> None:
        self._options = options
        writer = writer_name(options.slot, os.getpid(), int(time.time() * 1000))
        self._meter = Meter()
        self._transport = Client(authorities=self._trusted)
        leases = ProviderLeases(self._ask, time.time)
        self._purse = Purse(self._send_money, time.monotonic)
        self._rates = Rates(self._send_rates, time.monotonic)
        bearers = Bearers(time.time)
        self._commit = GroupCommit()
        self._journal = JournalWriter(options.data / "journal", writer, commit=self._commit)
        self._spool = Spool(options.data, writer, self._commit)
        self._world = World(
            transport=self._transport,
            journal=self._journal,
            meter=self._meter,
            keys=bearers,
            leases=leases,
            tokens=Tokens(self._transport),
            health=HealthBoard(),
            memory=Memory(load_classifier()),
            via=installation(options.data),
            entrance=Entrance(options.slot),
            money=Money(self._purse),
            rates=self._rates,
            payloads=PayloadBox(self._spool),
            names=Pseudonyms(self._send_names),
            recognizers=Plugged(os.environ),
        )
        desk = self._desk = assemble(self._world, options.run / "api.sock", writer)
        self._server = Server(desk.__call__, ListenerLimits(), desk.refusal, on_fault, desk.welcome)
        self._stopping = asyncio.Event()
        self._following = Following(
            self._world, bearers, leases, self._purse, adopt=self._adopt, stop=self._stopping.set
        )
        hello = Hello(options.slot, os.getpid(), writer)
        self._link = WorkerLink(options.run / "link.sock", hello, self._following)

    async def run(self) -> None:
        """Serve until told to stop, then drain.

        Raises what broke the link or the reports: a worker that decides under half a state
        drains, and is better off restarted.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        lifeline.watch(self._options.lifeline, self._stopping.set)
        if self._options.beat >= 0:
            lifeline.beat(self._options.beat)
        link = asyncio.create_task(self._link.run())
        reports = asyncio.create_task(self._report_for_ever())
        purse = asyncio.create_task(self._tick_for_ever())
        adopting = asyncio.create_task(self._following.adopt_for_ever())
        stopped = asyncio.create_task(self._stopping.wait())
        ready = asyncio.create_task(self._following.ready.wait())
        ends = (link, adopting, reports, purse, stopped)
        await asyncio.wait((*ends, ready), return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            with socket.socket(fileno=os.dup(self._options.fd)) as listening:
                await self._server.serve(listening)
                self._tell_ready()
                loop.call_later(SETTLED_S, loop.run_in_executor, None, collapse_heap)
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                self._world.draining = True
                within_s = self._options.drain_s
                await asyncio.gather(
                    self._server.drain(within_s, LINGER_S), self._desk.drain(within_s)
                )
        self._report()
        self._purse.tick()
        self._rates.leave()
        self._world.names.flush()
        for task in (*ends, ready):
            task.cancel()
        ended = await asyncio.gather(*ends, ready, return_exceptions=True)
        await self._world.tokens.aclose()
        await self._transport.aclose()
        self._close_journal()
        for fault in ended:
            if isinstance(fault, Exception):
                raise fault

    def _close_journal(self) -> None:
        try:
            self._commit.close()
        except EvidenceUnwritable:
            log.exception("the last records are not on the disk")

    def _tell_ready(self) -> None:
        """Tell the launcher that we answer, so that it can end whom we replace."""
        if self._options.ready >= 0:
            os.write(self._options.ready, b"\n")
            os.close(self._options.ready)

    def _trusted(self) -> str:
        situation = self._world.situation
        return "" if situation is None else situation.snapshot.settings.authorities

    def _adopt(self, situation: Situation) -> None:
        snapshot = situation.snapshot
        self._world.adopt(situation)
        settings = snapshot.settings
        self._journal.durability = self._spool.durability = settings.durability
        logs.configure("worker", settings.log_level, settings.log_format)
        self._transport.go_through(proxies.configured(settings))
        self._server.limits = settings.listener
        self._meter.set(metrics.SNAPSHOT_VERSION, (), snapshot.version)
        gc.collect()
        gc.freeze()

    def _send_money(self, message: FromPurse) -> bool:
        return self._link.send(message)

    def _send_rates(self, message: FromRates) -> bool:
        return self._link.send(message)

    def _send_names(self, message: NamesAsk | NamesSeen) -> bool:
        return self._link.send(message)

    def _ask(self, ask: LeaseAsk) -> None:
        self._link.send(ask)

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(PURSE_S)
            self._purse.tick()
            self._rates.tick()
            self._world.names.flush()

    async def _report_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._world.stuck()  # leaves a journal that somebody removed
            self._world.payloads.look()
            self._report()

    def _report(self) -> None:
        """Send what was seen since the last report; kept while control is away."""
        measures = self._world.measures
        del measures[:-MEASURES_LIMIT]
        if not self._link.connected:
            return
        world, meter = self._world, self._meter
        meter.set(metrics.INFLIGHT, (), self._server.in_flight)
        meter.set(metrics.CONNECTIONS, (), self._server.connections)
        meter.set(metrics.QUEUED, (), world.entrance.lobby.waiting)
        now = world.clock()
        down = sum(until > now for until in world.live().down_until) if world.situation else 0
        meter.set(metrics.DEPLOYMENTS_DOWN, (), down)
        world.tallies.pour(meter)
        seen = meter.drain()
        report = Report(
            self._options.slot,
            seen.counters,
            seen.histograms,
            seen.gauges,
            list(measures),
            world.conditions(),
        )
        if self._link.send(report):
            measures.clear()


def installation(data: Path) -> bytes:
    """A name for `via` that all workers on one data directory share and others do not."""
    place = f"{socket.gethostname()}:{data.absolute()}"
    return b"federation-" + hashlib.sha256(place.encode()).hexdigest()[:12].encode()


def on_fault(fault: BaseException, request_id: str) -> None:
    """A bug: the stack goes to the log under the id that the client was given."""
    log.error("unexpected error", exc_info=fault, extra={"request_id": request_id})


def main(argv: Sequence[str]) -> int:
    """Run a worker until it is told to stop; the exit code."""
    gc.set_threshold(RINGS_AFTER)
    logs.configure("worker")
    worker_options = options(argv)

    async def start() -> None:
        await Worker(worker_options).run()

    with contextlib.suppress(KeyboardInterrupt):
        run_loop(start())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
