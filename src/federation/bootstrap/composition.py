"""What the control process is made of: each desk over its store, and how they know each other.

One function builds each concern (configuration, keys, money, nodes, evidence, answers) on the
same `Ground`. The trap is the order in the store: its schema is made before anything reads it,
and budgets are counted anew before any worker may ask for money.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from federation.bootstrap.anchoring import open_anchors
from federation.bootstrap.contents import Contents, keep_contents
from federation.bootstrap.directories import make_private
from federation.bootstrap.greeting import greeting
from federation.bootstrap.limiting import open_limiting
from federation.bootstrap.options import Options
from federation.bootstrap.overseeing import approved, oversee
from federation.bootstrap.probing import open_prober
from federation.bootstrap.secret_sources import SecretSources
from federation.bootstrap.sharing import Sharing, alive, join, open_pots, open_sharing
from federation.catalogue import reader as catalogue
from federation.config import paths, watch
from federation.config.credentials import resolve_all, resolve_credential
from federation.config.load import load
from federation.config.stores import peek_stores
from federation.control.alerts import AlertDesk
from federation.control.alerts_channels import Channels, trusting
from federation.control.analytics import AnalyticsDesk
from federation.control.askers import Askers
from federation.control.budgets import BudgetDesk
from federation.control.budgets_ports import PotStore
from federation.control.configuration import Configuration, Reading
from federation.control.control import Control
from federation.control.deployment_health import HealthDesk
from federation.control.evidence_task import EvidenceTask
from federation.control.ingest import Ingest
from federation.control.keys import KeyDesk
from federation.control.ledger import Ledger
from federation.control.limiting import Limiting
from federation.control.money import Money
from federation.control.nodes import NodeDesk, with_nodes
from federation.control.notary import Notary, Rhythm
from federation.control.overflow import OverflowDesk, with_overflow
from federation.control.oversight import Oversight
from federation.control.probes import Prober
from federation.control.providers import ProviderDesk
from federation.control.receipts import ReceiptDesk
from federation.control.replicas import Replicas
from federation.control.responses import ResponseDesk
from federation.control.secret_watch import SecretWatch
from federation.control.sign_in import LOOK_ALONE_S, LOOK_S, SignInDesk
from federation.control.sign_in_issuers import Issuers
from federation.control.sign_in_keys import TokenKeys
from federation.control.sign_in_people import PeopleDoor
from federation.control.tenancy import Tenancy
from federation.control.tenancy_once import Once
from federation.control.threads import Errands
from federation.domain.access import DEFAULT_TENANT
from federation.storage import secrets
from federation.storage.accounts import SqlKeys
from federation.storage.alerts import SqlNotices
from federation.storage.analytics import SqlAnalytics
from federation.storage.budgets_sql import SqlBudgets
from federation.storage.calls import SqlCalls
from federation.storage.changes import SqlOverrides, SqlVersions
from federation.storage.engine import Stores, open_stores, probe
from federation.storage.evidence_index import SqlEvidence
from federation.storage.journal_reader import JournalReader
from federation.storage.keyring import receipt_key
from federation.storage.masters import agreed_master
from federation.storage.nodes import SqlNodes, SqlOverflow
from federation.storage.responses import SqlResponses
from federation.storage.sealing import Sealer
from federation.storage.sessions import SqlSessions, SqlTokenKeys
from federation.storage.tenancy import SqlTenancy
from federation.storage.tenancy_answers import SqlAnswers
from federation.telemetry import logs
from federation.transport.client import Client


@dataclass(frozen=True, slots=True)
class Ground:
    """What every concern stands on."""

    given: Options
    stores: Stores
    configuration: Configuration
    errands: Errands
    journals: JournalReader
    ingest: Ingest
    ledger: Ledger
    prober: Prober
    master: bytes
    sharing: Sharing
    secret_sources: SecretSources

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment as the configuration was read with it."""
        return self.configuration.reading.loaded.environ


def compose(given: Options, environ: Mapping[str, str]) -> Control:
    """Build everything. Raises `ConfigError` for all that an operator can mend, and
    `Unavailable` where a shared store cannot be reached just now."""
    ground = _ground(given, environ)
    stores, configuration = ground.stores, ground.configuration
    tenancy = SqlTenancy(stores.durable)
    keys = _keys(ground, tenancy)
    pots = open_pots(stores, ground.sharing)
    budgets, money = _money(ground, tenancy, pots)
    limits = _limits(ground, tenancy)
    providers = _providers(ground)
    contents = _contents(ground)
    sign_in = _sign_in(ground)
    members = _members(ground, tenancy, keys, budgets, limits)
    return Control(
        configuration=configuration,
        keys=keys,
        tenancy=members,
        sign_in=sign_in,
        people=_people(ground, sign_in, members),
        alerts=_alerts(ground, budgets),
        once=_once(ground),
        ledger=ground.ledger,
        analytics=_analytics(ground),
        budgets=budgets,
        money=money,
        limits=limits,
        providers=providers,
        health=_health(ground),
        overflow=_overflow(ground, providers),
        oversight=_oversight(ground, keys, providers, contents.askers),
        receipts=ReceiptDesk(receipt_key(secrets.hash_key(ground.master))),
        responses=_responses(ground, pots, contents),
        data=contents.desk,
        names=contents.names,
        askers=contents.askers,
        secret_watch=_secret_watch(ground),
        errands=ground.errands,
        run=given.run,
        workers=given.workers,
        evidence=_evidence(ground),
        replicas=_join(ground),
    )


def _ground(given: Options, environ: Mapping[str, str]) -> Ground:
    make_private(given.data, given.run)
    addresses = peek_stores(given.config, environ, paths.env_file(given.config))
    stores = open_stores(given.data, addresses.database)
    secret_sources = SecretSources(environ)
    configuration = _configuration(given, environ, stores, secret_sources)
    telemetry = configuration.reading.loaded.telemetry
    logs.configure("control", telemetry.level, telemetry.format)
    errands = Errands("store")
    calls = SqlCalls(stores.quick)
    journals = JournalReader(given.data / "journal")
    ingest = Ingest(journals, calls, time.time)
    return Ground(
        given,
        stores,
        configuration,
        errands,
        journals,
        ingest,
        Ledger(calls, ingest, errands, lambda: probe(stores.quick)),
        open_prober(_client(configuration), lambda: configuration.reading.loaded.settings),
        _master(given.data, configuration, stores, secret_sources),
        open_sharing(addresses, given.data),
        secret_sources,
    )


def _master(
    data: Path, configuration: Configuration, stores: Stores, secret_sources: SecretSources
) -> bytes:
    environ = configuration.reading.loaded.environ
    return agreed_master(stores.durable, data, environ, secret_sources.read)


def _client(configuration: Configuration) -> Client:
    """One that trusts whom the configuration does."""
    return Client(authorities=_trusted(configuration))


def _trusted(configuration: Configuration) -> Callable[[], str]:
    return lambda: configuration.reading.loaded.settings.authorities


def _configuration(
    given: Options, environ: Mapping[str, str], stores: Stores, secret_sources: SecretSources
) -> Configuration:
    rows = catalogue.load()
    env_file = paths.env_file(given.config)
    nodes, overflow = SqlNodes(stores.durable), SqlOverflow(stores.durable)
    with_approved = approved(stores.durable, time.time)

    def read() -> Reading:
        loaded = load(given.config, environ, rows, env_file)
        # The launcher alone knows what it has bound: a file that changes later must not open
        # a socket that the world can reach.
        settings = replace(loaded.settings, open=given.open, workers=given.workers)
        loaded = replace(loaded, settings=settings)
        secret_sources.follow(loaded)
        resolved = resolve_all(loaded, secret_sources.read)
        return Reading(loaded, resolved.secrets, resolved.warnings)

    return Configuration(
        read,
        lambda files: watch.Fingerprint.take(given.config, env_file, files),
        SqlOverrides(stores.durable),
        SqlVersions(stores.durable),
        time.time,
        lambda loaded: with_approved(
            with_overflow(with_nodes(loaded, nodes.list()), overflow.list())
        ),
    )


def _contents(ground: Ground) -> Contents:
    replica, ledger = ground.sharing.replica, ground.ledger
    return keep_contents(
        ground.given.data, ground.stores, ground.configuration, ledger, replica, ground.master
    )


def _keys(ground: Ground, tenancy: SqlTenancy) -> KeyDesk:
    store = SqlKeys(ground.stores.durable)
    store.ensure_tenant(DEFAULT_TENANT, int(time.time() * 1000))
    admin = secrets.admin_key(ground.given.data, ground.environ, ground.secret_sources.read)
    if admin.made:
        kept, url = paths.admin_key_file(ground.given.data), ground.given.url
        print(greeting(admin.secret, kept, url, ground.configuration.snapshot), flush=True)
    hashed = secrets.hash_key(ground.master)
    return KeyDesk(store, tenancy, hashed, admin.secret, ground.errands, time.time)


def _money(ground: Ground, tenancy: SqlTenancy, pots: PotStore) -> tuple[BudgetDesk, Money]:
    budgets = BudgetDesk(
        SqlBudgets(ground.stores.durable),
        pots,
        tenancy,
        lambda: ground.configuration.reading.loaded.budgets,
        ground.errands,
    )
    return budgets, Money(ground.sharing.replica, pots, budgets, ground.ingest, ground.journals)


def _limits(ground: Ground, tenancy: SqlTenancy) -> Limiting:
    configuration = ground.configuration
    return open_limiting(
        ground.stores,
        ground.sharing,
        tenancy,
        lambda: configuration.reading.loaded.limits,
        ground.errands,
    )


def _providers(ground: Ground) -> ProviderDesk:
    overrides = SqlOverrides(ground.stores.durable)
    return ProviderDesk(ground.configuration, overrides, ground.prober, ground.errands, time.time)


def _members(
    ground: Ground, tenancy: SqlTenancy, keys: KeyDesk, budgets: BudgetDesk, limits: Limiting
) -> Tenancy:
    async def changed() -> None:
        await keys.refresh()
        await budgets.refresh()
        await limits.desk.refresh()

    return Tenancy(tenancy, ground.errands, changed)


def _once(ground: Ground) -> Once:
    answers = SqlAnswers(ground.stores.durable)
    return Once(answers, secrets.hash_key(ground.master), ground.errands, time.time)


def _analytics(ground: Ground) -> AnalyticsDesk:
    configuration = ground.configuration
    store = SqlAnalytics(ground.stores.quick)
    return AnalyticsDesk(store, ground.ledger, lambda: configuration.snapshot, time.time)


def _oversight(ground: Ground, keys: KeyDesk, providers: ProviderDesk, askers: Askers) -> Oversight:
    stores = ground.stores
    return oversee(
        ground.given.data,
        stores.durable,
        SqlEvidence(stores.local, stores.quick),
        ground.configuration,
        keys,
        SqlKeys(stores.durable),
        providers,
        ground.ingest,
        askers,
        ground.errands,
        time.time,
    )


def _secret_watch(ground: Ground) -> SecretWatch:
    secret_sources = ground.secret_sources
    return SecretWatch(secret_sources.vault.refresh, lambda: secret_sources.refresh_s)


def _sign_in(ground: Ground) -> SignInDesk:
    configuration = ground.configuration
    durable = ground.stores.durable
    issuers = Issuers(
        _client(configuration),
        lambda: configuration.reading.loaded.sign_in,
        lambda reference: resolve_credential(reference, ground.environ, ground.secret_sources.read),
        time.monotonic,
    )
    return SignInDesk(
        SqlSessions(durable),
        TokenKeys(SqlTokenKeys(durable), Sealer(secrets.token_key(ground.master))),
        issuers,
        lambda: configuration.reading.loaded.sign_in,
        ground.errands,
        time.time,
        secrets.hash_key(ground.master),
        LOOK_S if ground.stores.shared else LOOK_ALONE_S,
    )


def _people(ground: Ground, sign_in: SignInDesk, tenancy: Tenancy) -> PeopleDoor:
    return PeopleDoor(
        sign_in,
        tenancy,
        lambda: ground.configuration.reading.loaded.sign_in,
        secrets.token_key(ground.master),
        time.time,
    )


def _alerts(ground: Ground, budgets: BudgetDesk) -> AlertDesk:
    channels = Channels(
        _client(ground.configuration),
        lambda: ground.configuration.reading.loaded.alerts,
        lambda reference: resolve_credential(reference, ground.environ, ground.secret_sources.read),
        time.time,
        trusting(_trusted(ground.configuration)),
    )
    store = SqlNotices(ground.stores.durable)
    return AlertDesk(store, channels, lambda: budgets.book, ground.errands, time.time)


def _health(ground: Ground) -> HealthDesk:
    configuration, prober = ground.configuration, ground.prober
    store = SqlNodes(ground.stores.durable)
    nodes = NodeDesk(configuration, store, prober, ground.errands, time.time)
    return HealthDesk(configuration, nodes, prober, time.time)


def _overflow(ground: Ground, providers: ProviderDesk) -> OverflowDesk:
    store = SqlOverflow(ground.stores.durable)
    return OverflowDesk(ground.configuration, store, providers.test, ground.errands, time.time)


def _responses(ground: Ground, pots: PotStore, contents: Contents) -> ResponseDesk:
    configuration, stores = ground.configuration, ground.stores
    desk = ResponseDesk(
        SqlResponses(lambda: stores.kept(configuration.snapshot.settings.durability)),
        contents.seals,
        lambda: configuration.snapshot.settings,
        alive(stores, pots, ground.journals),
        receipt_key(secrets.hash_key(ground.master)),
        time.time,
        contents.age,
    )
    desk.watch(ground.ingest)
    return desk


def _evidence(ground: Ground) -> EvidenceTask:
    data, wished = ground.given.data, ground.configuration.reading.loaded.evidence
    trusted = _trusted(ground.configuration)
    anchors = open_anchors(wished.anchors, data, ground.environ, trusted)
    rhythm = Rhythm(wished.checkpoint_s, wished.heartbeat_s)
    # The log is one replica's, and so is what it is found by; calls are everybody's.
    index = SqlEvidence(ground.stores.local, ground.stores.quick)
    others = ground.sharing.witnesses(ground.stores)
    return EvidenceTask(Notary(data, index, anchors, time.time, rhythm, others), others)


def _join(ground: Ground) -> Replicas | None:
    admin = secrets.admin_key(ground.given.data, ground.environ, ground.secret_sources.read).secret
    hashed = secrets.hash_key(ground.master)
    return join(ground.stores, ground.sharing, ground.given.url, hashed, admin)
