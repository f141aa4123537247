"""A control process in a test: real parts over stores in memory, a clock that stands still."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from limits_rig import limiting

from federation.bootstrap.contents import keep_contents
from federation.bootstrap.overseeing import approved, oversee
from federation.config.server_settings import Access, ServerSettings
from federation.config.settings import Loaded
from federation.config.watch import Fingerprint
from federation.control.alerts import AlertDesk
from federation.control.alerts_channels import Channels
from federation.control.analytics import AnalyticsDesk
from federation.control.budgets import BudgetDesk
from federation.control.configuration import Configuration, Reading
from federation.control.control import Control
from federation.control.deployment_health import HealthDesk
from federation.control.ingest import Ingest
from federation.control.keys import KeyDesk
from federation.control.ledger import Ledger
from federation.control.money import Money
from federation.control.nodes import NodeDesk, with_nodes
from federation.control.overflow import OverflowDesk, with_overflow
from federation.control.probes import Prober
from federation.control.providers import ProviderDesk
from federation.control.receipts import ReceiptDesk
from federation.control.responses import ResponseDesk
from federation.control.sign_in import SignInDesk
from federation.control.sign_in_issuers import Issuers
from federation.control.sign_in_keys import TokenKeys
from federation.control.sign_in_people import PeopleDoor
from federation.control.tenancy import Tenancy
from federation.control.tenancy_once import Once
from federation.control.threads import Errands
from federation.domain.catalogue import Auth, Limits, Model, Provider, Tier
from federation.domain.routes import Route, Settings
from federation.errors import ConfigError, FederationError, Problem
from federation.gateway.tokens import Tokens
from federation.ports import Exchange
from federation.schema.http import Headers, Timeouts, WireRequest
from federation.storage.accounts_memory import MemoryKeys
from federation.storage.alerts_memory import MemoryNotices
from federation.storage.analytics_memory import MemoryAnalytics
from federation.storage.budgets_memory import MemoryBudgets, MemoryPots
from federation.storage.engine import Stores, open_engine, prepare_schema
from federation.storage.evidence_index import SqlEvidence
from federation.storage.journal_reader import JournalReader
from federation.storage.memory import (
    MemoryCalls,
    MemoryOverrides,
    MemoryResponses,
    MemoryVersions,
)
from federation.storage.nodes_memory import MemoryNodes, MemoryOverflow
from federation.storage.sealing import Sealer
from federation.storage.sessions_memory import MemorySessions, MemoryTokenKeys
from federation.storage.tenancy_memory import MemoryAnswers, MemoryTenancy

ADMIN = "fed_the-administrators-own-secret"
DEVELOPER = "fed_from-the-environment"

ACME = Provider(
    "acme",
    "Acme",
    Tier.FRONTIER,
    "openai",
    "https://acme.test/v1",
    models=(Model("large"), Model("small")),
    limits=Limits(rpm=10),
)
HOME = Provider(
    "home",
    "Home",
    Tier.OPENSOURCE,
    "openai",
    "http://127.0.0.1:1/v1/",
    auth=Auth("none", "", "", {"X-Title": "t"}),
    models=(Model("tiny"),),
    local=True,
)


class Clock:
    """Unix seconds that move only when told to."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Answer:
    """What a provider answered; counts how often it was closed."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.headers: Headers = {}
        self.closed = 0

    async def read(self) -> bytes:
        return b""

    async def body(self, limit: int) -> bytes:
        return b""

    open = True

    def take(self) -> bytes:
        return b""

    def watch(self, arrived: Callable[[bytes], None] | None, whole: object = None) -> bool:
        return False

    def release(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class Provided:
    """A transport that answers what the test says."""

    status: int = 200
    error: FederationError | None = None
    asked: list[WireRequest] = field(default_factory=list)

    async def send(
        self,
        request: WireRequest,
        timeouts: Timeouts,
        on_sent: Callable[[], None] | None = None,
    ) -> Exchange:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        return Answer(self.status)


@dataclass
class Files:
    """What an operator wrote: change the fields, then let the configuration reload."""

    directory: Path
    loaded: Loaded
    secrets: dict[str, str] = field(default_factory=lambda: {"acme": "sk-acme"})
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> Reading:
        if self.problems:
            raise ConfigError(self.problems)
        return Reading(self.loaded, dict(self.secrets), ())

    def look(self, extra: Iterable[Path]) -> Fingerprint:
        return Fingerprint.take(self.directory, None, extra)


def operator(directory: Path, *, is_open: bool = False) -> Files:
    """An operator with two providers, one route and a key in the environment."""
    loaded = Loaded(
        Settings(open=is_open),
        {"acme": ACME, "home": HOME},
        frozenset({"home"}),
        {"chat": Route("chat")},
        server=ServerSettings(),
        access=Access((DEVELOPER,)),
    )
    return Files(directory, loaded)


@dataclass
class Plane:
    """A control process and everything that a test wants to look at or move."""

    control: Control
    files: Files
    clock: Clock
    provided: Provided
    calls: MemoryCalls
    keys: MemoryKeys
    journal: Path
    probes: list[int]
    responses: MemoryResponses
    living: set[str]
    """Writers whose process is there."""


_opened: list[Callable[[], None]] = []


def let_go() -> None:
    """Close what planes have opened: thousands of them are made in one process of tests. What is
    still wanted opens again by itself."""
    while _opened:
        _opened.pop()()


def plane(directory: Path, *, is_open: bool = False) -> Plane:
    """Build one; `control.start()` opens its link, and is needed only for that."""
    clock, provided = Clock(), Provided()
    run, journal, config = directory / "run", directory / "journal", directory / "config"
    for made in (run, config):
        made.mkdir(mode=0o700, exist_ok=True)
    files = operator(config, is_open=is_open)
    overrides = MemoryOverrides()
    nodes, overflow = MemoryNodes(), MemoryOverflow()
    engine = open_engine(directory / "oversight.db", synchronous="OFF")
    prepare_schema(engine)
    with_approved = approved(engine, clock)
    configuration = Configuration(
        files.read,
        files.look,
        overrides,
        MemoryVersions(),
        clock,
        lambda loaded: with_approved(
            with_overflow(with_nodes(loaded, nodes.list()), overflow.list())
        ),
    )
    errands, calls, keys = Errands("store"), MemoryCalls(), MemoryKeys()
    keys.ensure_tenant("default", 0)
    keys.ensure_tenant("other", 0)
    probes: list[int] = []
    journals, pots = JournalReader(journal), MemoryPots()
    ingest = Ingest(journals, calls, clock)
    prober = Prober(provided, Tokens(provided).sign)
    living = {"w1"}
    responses = MemoryResponses()
    tenancy = MemoryTenancy(keys)
    desk = KeyDesk(keys, tenancy, b"k" * 32, ADMIN, errands, clock)
    providers = ProviderDesk(configuration, overrides, prober, errands, clock)
    ledger = Ledger(calls, ingest, errands, lambda: probes.append(1))
    budgets = BudgetDesk(
        MemoryBudgets(),
        pots,
        tenancy,
        lambda: configuration.reading.loaded.budgets,
        errands,
    )
    issuers = Issuers(
        provided, lambda: configuration.reading.loaded.sign_in, lambda _: None, time.monotonic
    )
    sign_in = SignInDesk(
        MemorySessions(),
        TokenKeys(MemoryTokenKeys(), Sealer(b"t" * 32)),
        issuers,
        lambda: configuration.reading.loaded.sign_in,
        errands,
        clock,
        b"k" * 32,
    )
    limits = limiting("here", tenancy, lambda: configuration.reading.loaded.limits, errands)

    async def changed() -> None:
        await desk.refresh()
        await limits.desk.refresh()

    members = Tenancy(tenancy, errands, changed)
    people = PeopleDoor(
        sign_in,
        members,
        lambda: configuration.reading.loaded.sign_in,
        b"t" * 32,
        clock,
    )
    stores = Stores(engine, engine, engine)
    contents = keep_contents(directory, stores, configuration, ledger, "here", b"m" * 32, clock)
    control = Control(
        configuration=configuration,
        keys=desk,
        tenancy=members,
        sign_in=sign_in,
        people=people,
        alerts=AlertDesk(
            MemoryNotices(),
            Channels(provided, lambda: configuration.reading.loaded.alerts, lambda _: None, clock),
            lambda: budgets.book,
            errands,
            clock,
        ),
        once=Once(MemoryAnswers(), b"k" * 32, errands, clock),
        ledger=ledger,
        analytics=AnalyticsDesk(
            MemoryAnalytics(calls), ledger, lambda: configuration.snapshot, clock
        ),
        budgets=budgets,
        money=Money("here", pots, budgets, ingest, journals),
        limits=limits,
        providers=providers,
        health=HealthDesk(
            configuration, NodeDesk(configuration, nodes, prober, errands, clock), prober, clock
        ),
        receipts=ReceiptDesk(b"k" * 32),
        overflow=OverflowDesk(configuration, overflow, providers.test, errands, clock),
        oversight=oversee(
            directory,
            engine,
            SqlEvidence(engine),
            configuration,
            desk,
            keys,
            providers,
            ingest,
            contents.askers,
            errands,
            clock,
        ),
        responses=ResponseDesk(
            responses,
            contents.seals,
            lambda: configuration.snapshot.settings,
            living.__contains__,
            b"k" * 32,
            clock,
            clock,
        ),
        errands=errands,
        run=run,
        workers=1,
        clock=clock,
        data=contents.desk,
        names=contents.names,
        askers=contents.askers,
    )
    control.responses.watch(ingest)
    _opened.extend((engine.dispose, control.oversight.notebook.close))
    return Plane(control, files, clock, provided, calls, keys, journal, probes, responses, living)
