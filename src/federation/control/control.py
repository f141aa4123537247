"""The control process as one object: what it is made of, its start and its end.

The trap is the end: workers write until they are gone, so the last ingest comes after
them, and only then is the link closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path

from federation.control.alerts import AlertDesk
from federation.control.analytics import AnalyticsDesk
from federation.control.askers import Askers
from federation.control.budgets import BudgetDesk
from federation.control.configuration import Configuration
from federation.control.data_desk import DataDesk
from federation.control.deployment_health import HealthDesk
from federation.control.evidence_task import EvidenceTask
from federation.control.frames import pack_budgets, pack_ring, pack_snapshot, pack_tokens
from federation.control.keys import KeyDesk
from federation.control.ledger import Ledger
from federation.control.limiting import Limiting
from federation.control.link_server import LinkServer, WorkerEvents
from federation.control.money import Money
from federation.control.nodes import NodeDesk
from federation.control.overflow import OverflowDesk
from federation.control.oversight import Oversight
from federation.control.provider_limits import Allowances, limits_of
from federation.control.providers import ProviderDesk
from federation.control.pseudonyms import PseudonymDesk
from federation.control.receipts import ReceiptDesk
from federation.control.replicas import Replicas
from federation.control.responses import ResponseDesk
from federation.control.secret_watch import SecretWatch
from federation.control.sign_in import SignInDesk
from federation.control.sign_in_people import PeopleDoor
from federation.control.tenancy import Tenancy
from federation.control.tenancy_once import Once
from federation.control.threads import Errands
from federation.domain.budgets import Budget
from federation.domain.sign_in import TokenRing
from federation.domain.snapshot import KeyRing
from federation.errors import Unavailable
from federation.schema.link import LeaseAsk, LeaseGrant, Report
from federation.storage.tables_replicas import CONFIGURATION, KEYS
from federation.telemetry import metrics
from federation.telemetry.meter import series
from federation.telemetry.totals import Totals, merged_gauges

log = logging.getLogger(__name__)

WATCH_S = 1.0
LONGEST_PAUSE_S = 30.0
"""Between two attempts of a reload that the store or a file does not let succeed."""


@dataclass(kw_only=True, eq=False, repr=False)
class Control:
    """What the management API speaks to. `run` is the directory of the sockets."""

    configuration: Configuration
    keys: KeyDesk
    tenancy: Tenancy
    once: Once
    ledger: Ledger
    analytics: AnalyticsDesk
    budgets: BudgetDesk
    money: Money
    limits: Limiting
    providers: ProviderDesk
    responses: ResponseDesk
    health: HealthDesk
    overflow: OverflowDesk
    sign_in: SignInDesk
    people: PeopleDoor
    alerts: AlertDesk
    oversight: Oversight
    receipts: ReceiptDesk
    evidence: EvidenceTask | None = None
    replicas: Replicas | None = None
    data: DataDesk | None = None
    names: PseudonymDesk | None = None
    askers: Askers
    secret_watch: SecretWatch | None = None
    errands: Errands
    workers: int
    clock: Callable[[], float] = time.time
    totals: Totals = field(default_factory=Totals, init=False)
    run: InitVar[Path]

    def __post_init__(self, run: Path) -> None:
        self.started = self.clock()
        self._began_s = time.monotonic()
        self.link = LinkServer(
            run / "link.sock",
            events=WorkerEvents(
                report=self._on_report,
                joined=self.money.watch.joined,
                left=self.limits.rates.left,
                money=self.money.hear,
                rates=self.limits.hear,
                names=lambda message: None if self.names is None else self.names.hear(message),
            ),
            lease=self._lease,
            store_writable=self._store_writable,
            clock=self.clock,
        )
        self._allowances = Allowances()
        self._leases_file = run / "leases"
        self._leases_kept = True
        self._reload = asyncio.Event()
        self._unpublished = False
        self._tasks: list[asyncio.Task[None]] = []
        self._till: list[asyncio.Task[None]] = []
        self._introduce()

    def _introduce(self) -> None:
        """Tell each desk whom it speaks to."""
        self.keys.publish = self._publish_keys
        self.sign_in.publish = self._publish_tokens
        self.money.keep = self.alerts.keep
        self.budgets.publish = self._publish_budgets
        self.health.link = self.link
        if self.data is not None:
            self.data.publish = self.link.publish_spool_key
            self.data.spool_keys.taken = lambda: {
                each.hello.writer: each.spool_key for each in self.link.sessions
            }
        if self.names is not None:
            self.names.publish = self.link.publish_names
        oversight, evidence = self.oversight, self.evidence
        for desk in (self.providers, self.nodes, self.overflow, oversight.approvals):
            desk.publish = self.publish_snapshot
        if evidence is not None:
            oversight.evidence_kept = lambda: evidence.kept

    @property
    def up_s(self) -> float:
        """For how long, whatever the clock was set to meanwhile."""
        return time.monotonic() - self._began_s

    @property
    def nodes(self) -> NodeDesk:
        """The desk of our own hosts; `health` probes those that are loading."""
        return self.health.nodes

    async def start(self) -> None:
        """Answer workers, and follow journals and configuration files from now on."""
        with contextlib.suppress(FileNotFoundError):
            self._allowances.restore(self._leases_file.read_bytes())
        await self.publish_snapshot()
        if self.data is not None:
            await self.data.prepare()
        await self.link.start()
        self._tasks = [
            asyncio.create_task(self.ledger.follow()),
            asyncio.create_task(self._watch()),
            asyncio.create_task(self.responses.follow()),
            asyncio.create_task(self.health.follow()),
            asyncio.create_task(self.sign_in.follow()),
            asyncio.create_task(self.alerts.follow()),
            asyncio.create_task(self.oversight.follow()),
        ]
        if self.evidence is not None:
            self._tasks.append(asyncio.create_task(self.evidence.follow()))
        if self.data is not None:
            self._tasks.append(asyncio.create_task(self.data.follow()))
        if self.names is not None:
            self._tasks.append(asyncio.create_task(self.names.follow()))
        if self.secret_watch is not None:
            self._tasks.append(asyncio.create_task(self.secret_watch.follow(self.reload)))
        if self.replicas is not None:
            self.money.others = self.limits.others = self.replicas.others
            self.limits.wall = self.replicas.now
            self._tasks += self.replicas.start(
                self._changed, lambda: len(self.link.sessions), self.link.note
            )
        self._till = [*self.money.start(self.link), *self.limits.start(self.link)]

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
            self.oversight.close()
            if self.evidence is not None:
                await self.evidence.close()
        finally:
            await self.money.stop()
            await self.limits.stop()
            await self.link.stop()
            if self.replicas is not None:
                await self.replicas.close()
            self.responses.close()
            if self.names is not None:
                await self.names.close()
            if self.data is not None:
                await self.data.close()
            if self.secret_watch is not None:
                self.secret_watch.close()
            self.errands.close()
            # The last: a report and sums that are made anew take longer than anybody waits.
            self.oversight.compliance.close()
            await self.analytics.close()

    def reload(self) -> None:
        """Read the configuration again soon, changed or not."""
        self._reload.set()

    async def publish_snapshot(self) -> None:
        """Put the current snapshot, and the keys that go with it, in force on every worker."""
        snapshot = self.configuration.snapshot
        self._allowances.limit(limits_of(snapshot.deployments))
        self.keys.accept(self.configuration.reading.loaded.access.keys)
        self.link.publish_snapshot(pack_snapshot(snapshot))
        self.oversight.published(snapshot)
        await self.sign_in.renew()
        await self.keys.refresh()
        await self.budgets.refresh()
        await self.limits.desk.refresh()
        self._unpublished = False

    async def _changed(self, topics: Collection[str]) -> None:
        """Put in force what another replica has changed. Raises `Unavailable`."""
        if CONFIGURATION in topics:
            if await self.errands.run(self.configuration.recompile):
                self._unpublished = True
            if self._unpublished:
                await self.publish_snapshot()
                return
        if KEYS in topics:
            ring = await self.errands.run(self.keys.gather)
            if replace(ring, version=self.keys.ring.version) != self.keys.ring:
                self.keys.enforce(ring)
        # A tenant that comes or goes has its budgets and limits by the configuration.
        await self.budgets.refresh()
        await self.limits.desk.refresh()

    def _store_writable(self) -> bool:
        return self.ledger.writable and self.money.watch.kept

    def gauges(self) -> dict[str, float]:
        """Every gauge as it stands: the workers' merged, and our own over them."""
        own = {
            metrics.WORKERS: float(len(self.link.sessions)),
            metrics.SNAPSHOT_VERSION: float(self.configuration.snapshot.version),
            metrics.CONFIG_PROBLEMS: float(len(self.configuration.problems)),
            metrics.STORE_WRITABLE: float(self._store_writable()),
            metrics.INGEST_LAG_SECONDS: self.ledger.progress.lag_ms / 1000,
            metrics.START_SECONDS: self.started,
        }
        if self.evidence is not None:
            failing = [each for each in self.evidence.anchored if each.failing_ms is not None]
            own[metrics.EVIDENCE_KEPT] = float(self.evidence.kept)
            own[metrics.ANCHORS_FAILING] = float(len(failing))
        theirs = merged_gauges(session.gauges for session in self.link.sessions)
        told = {series(name, ()): value for name, value in own.items()}
        for deployment, circuit in self.health.circuits().items():
            provider, _, model = deployment.partition("/")
            told[series(metrics.CIRCUIT, (provider, model))] = float(circuit)
        used = self.money.desk.use.shares(self.budgets.book, int(self.clock() * 1000))
        for owned, share in used.items():
            told[series(metrics.BUDGET_USED, owned)] = share
        return theirs | told

    def counted(self) -> Totals:
        """Every counter and histogram as it stands, our own among them."""
        progress = self.ledger.progress
        self.totals.counters |= {
            series(metrics.INGEST_LINES, ()): float(progress.lines),
            series(metrics.INGEST_BAD_LINES, ()): float(progress.bad),
            series(metrics.LOST_CALLS, ()): float(progress.lost),
        }
        if self.data is not None:
            self.totals.counters[series(metrics.LOST_CONTENTS, ())] = float(self.data.lost)
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
        if not told and not await self.errands.run(self.configuration.changed):
            return
        if await self.errands.run(self.configuration.reload) or anyway:
            await self.publish_snapshot()

    def _publish_budgets(self, budgets: tuple[Budget, ...]) -> None:
        self.link.publish_budgets(pack_budgets(budgets))

    def _publish_keys(self, ring: KeyRing) -> None:
        self.sign_in.follow_keys(ring, self.keys.keys)
        self.link.publish_keys(pack_ring(ring))

    def _publish_tokens(self, ring: TokenRing) -> None:
        self.link.publish_tokens(pack_tokens(ring))

    def _on_report(self, report: Report) -> None:
        self.totals.take(report.counters, report.histograms)
        if self.replicas is not None:
            self.replicas.saw(report.measures)

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
