"""The control process as one object: what it is made of, its start and its end.

The trap is the end: workers write until they are gone, so the last ingest comes after
them, and only then is the link closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

from federation.control.analytics import AnalyticsDesk
from federation.control.budgets import BudgetDesk
from federation.control.configuration import Configuration
from federation.control.evidence_task import EvidenceTask
from federation.control.fleet import FleetDesk
from federation.control.frames import pack_budgets, pack_ring, pack_snapshot
from federation.control.keys import KeyDesk
from federation.control.leases import Allowances, limits_of
from federation.control.ledger import Ledger
from federation.control.link_server import LinkServer
from federation.control.money import Money
from federation.control.providers import ProviderDesk
from federation.control.responses import ResponseDesk
from federation.control.tenancy import Tenancy
from federation.control.tenancy_once import Once
from federation.control.threads import Errands
from federation.domain.budgets import Budget
from federation.domain.snapshot import KeyRing
from federation.errors import Unavailable
from federation.schema.link import LeaseAsk, LeaseGrant, Report
from federation.telemetry import metrics
from federation.telemetry.meter import series
from federation.telemetry.totals import Totals, merged_gauges

log = logging.getLogger(__name__)

WATCH_S = 1.0
LONGEST_PAUSE_S = 30.0
"""Between two attempts of a reload that the store or a file does not let succeed."""


class Control:
    """What the management API speaks to."""

    def __init__(
        self,
        *,
        configuration: Configuration,
        keys: KeyDesk,
        tenancy: Tenancy,
        once: Once,
        ledger: Ledger,
        analytics: AnalyticsDesk,
        budgets: BudgetDesk,
        money: Money,
        providers: ProviderDesk,
        responses: ResponseDesk,
        errands: Errands,
        run: Path,
        workers: int,
        clock: Callable[[], float] = time.time,
        evidence: EvidenceTask | None = None,
        fleet: FleetDesk,
    ) -> None:
        self.configuration = configuration
        self.keys = keys
        self.tenancy = tenancy
        self.once = once
        self.ledger = ledger
        self.analytics = analytics
        self.budgets = budgets
        self.money = money
        self.providers = providers
        self.responses = responses
        self.evidence = evidence
        self.fleet = fleet
        self.workers = workers
        self.clock = clock
        self.started = clock()
        self.totals = Totals()
        self.link = LinkServer(
            run / "link.sock",
            on_report=self._on_report,
            lease=self._lease,
            store_writable=lambda: ledger.writable,
            clock=clock,
            on_money=money.hear,
            on_joined=money.watch.joined,
        )
        self._errands = errands
        self._allowances = Allowances()
        self._leases_file = run / "leases"
        self._leases_kept = True
        self._reload = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._till: list[asyncio.Task[None]] = []
        keys.publish = self._publish_keys
        budgets.publish = self._publish_budgets
        fleet.link = self.link
        for desk in (providers, fleet.nodes, fleet.overflow):
            desk.publish = self.publish_snapshot

    async def start(self) -> None:
        """Answer workers, and follow journals and configuration files from now on."""
        with contextlib.suppress(FileNotFoundError):
            self._allowances.restore(self._leases_file.read_bytes())
        await self.publish_snapshot()
        await self.link.start()
        self._tasks = [
            asyncio.create_task(self.ledger.follow()),
            asyncio.create_task(self._watch()),
            asyncio.create_task(self.responses.follow()),
            asyncio.create_task(self.fleet.follow()),
        ]
        if self.evidence is not None:
            self._tasks.append(asyncio.create_task(self.evidence.follow()))
        self._till = self.money.start(self.link)

    async def ended(self) -> None:
        """Return when a task has ended that goes on for ever: see `fault`."""
        await asyncio.wait((*self._tasks, *self._till), return_when=asyncio.FIRST_COMPLETED)

    def fault(self) -> BaseException | None:
        """The bug that has ended a task of ours. Only another process can go on then."""
        every = (*self._tasks, *self._till)
        done = (task for task in every if task.done() and not task.cancelled())
        return next((fault for task in done if (fault := task.exception()) is not None), None)

    async def stop(self, workers_within_s: float = 0.0) -> None:
        """Wait so long for workers to leave, take in what they wrote, and end."""
        if workers_within_s:
            await self.link.left(workers_within_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.ledger.close()
            if self.evidence is not None:
                await self.evidence.close()
        finally:
            await self.money.stop()
            await self.link.stop()
            self.responses.close()
            await self.analytics.close()
            self._errands.close()

    def reload(self) -> None:
        """Read the configuration again soon, changed or not."""
        self._reload.set()

    async def publish_snapshot(self) -> None:
        """Put the current snapshot, and the keys that go with it, in force on every worker."""
        snapshot = self.configuration.snapshot
        self._allowances.limit(limits_of(snapshot.deployments))
        self.keys.accept(self.configuration.reading.loaded.access.keys)
        self.link.publish_snapshot(pack_snapshot(snapshot))
        await self.keys.refresh()
        await self.budgets.refresh()

    def gauges(self) -> dict[str, float]:
        """Every gauge as it stands: the workers' merged, and our own over them."""
        own = {
            metrics.WORKERS: float(len(self.link.sessions)),
            metrics.SNAPSHOT_VERSION: float(self.configuration.snapshot.version),
            metrics.CONFIG_PROBLEMS: float(len(self.configuration.problems)),
            metrics.STORE_WRITABLE: float(self.ledger.writable),
            metrics.INGEST_LAG_SECONDS: self.ledger.progress.lag_ms / 1000,
            metrics.START_SECONDS: self.started,
        }
        theirs = merged_gauges(session.gauges for session in self.link.sessions)
        return theirs | {series(name, ()): value for name, value in own.items()}

    def counted(self) -> Totals:
        """Every counter and histogram as it stands, our own among them."""
        progress = self.ledger.progress
        self.totals.counters |= {
            series(metrics.INGEST_LINES, ()): float(progress.lines),
            series(metrics.INGEST_BAD_LINES, ()): float(progress.bad),
            series(metrics.LOST_CALLS, ()): float(progress.lost),
        }
        return self.totals

    async def _watch(self) -> None:
        """Reload when a file changed, when told to, or when the last reload did not succeed."""
        pause, again = WATCH_S, False
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reload.wait(), pause)
            told = again or self._reload.is_set()
            self._reload.clear()
            try:
                await self._look(told=told, anyway=again)
            except (Unavailable, OSError) as error:
                if not again:
                    log.error("a reload has to wait", extra={"reason": str(error)})  # noqa: TRY400
                pause, again = min(2 * pause, LONGEST_PAUSE_S), True
            else:
                pause, again = WATCH_S, False

    async def _look(self, *, told: bool, anyway: bool) -> None:
        """Reload if there is reason to; what was read is published `anyway`, or if it differs."""
        if not told and not await self._errands.run(self.configuration.changed):
            return
        if await self._errands.run(self.configuration.reload) or anyway:
            await self.publish_snapshot()

    def _publish_budgets(self, budgets: tuple[Budget, ...]) -> None:
        self.link.publish_budgets(pack_budgets(budgets))

    def _publish_keys(self, ring: KeyRing) -> None:
        self.link.publish_keys(pack_ring(ring))

    def _on_report(self, report: Report) -> None:
        self.totals.take(report.counters, report.histograms)

    def _lease(self, ask: LeaseAsk, sharers: int) -> LeaseGrant:
        grant = self._allowances.grant(ask, sharers, int(self.clock() * 1000))
        # Written before the grant is sent: a control that dies in between has given nothing.
        draft = self._leases_file.with_suffix(".new")
        before, self._leases_kept = self._leases_kept, True
        try:
            draft.write_bytes(self._allowances.state())
            draft.replace(self._leases_file)
        except OSError as error:
            if before:
                log.error("no grant can be kept, so none is given", extra={"reason": str(error)})  # noqa: TRY400
            self._leases_kept = False
            self._allowances.take_back(grant)
            return LeaseGrant(grant.name, 0, grant.expires_ms)
        return grant
