"""The control process: configuration, store, link, ingest, management API.

Started by the launcher (its docstring has the command line). The trap is the order: workers
cannot answer anyone before they have a snapshot, so all that a snapshot does not need, the
web framework above all, is imported after it is out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from federation.bootstrap import lifeline
from federation.catalogue import reader as catalogue
from federation.config import paths, watch
from federation.config.credentials import resolve_all
from federation.config.load import load
from federation.control.analytics import AnalyticsDesk
from federation.control.budgets import BudgetDesk
from federation.control.configuration import Configuration, Reading
from federation.control.control import Control
from federation.control.evidence_task import EvidenceTask
from federation.control.fleet import FleetDesk
from federation.control.ingest import Ingest
from federation.control.keys import KeyDesk
from federation.control.ledger import Ledger
from federation.control.money import Money
from federation.control.nodes import NodeDesk, with_nodes
from federation.control.notary import Notary, Rhythm
from federation.control.overflow import OverflowDesk, with_overflow
from federation.control.probes import Prober
from federation.control.providers import ProviderDesk
from federation.control.responses import ResponseDesk
from federation.control.tenancy import Tenancy
from federation.control.tenancy_once import Once
from federation.control.threads import Errands
from federation.domain.access import DEFAULT_TENANT
from federation.errors import ConfigError, Problem
from federation.gateway.tokens import Tokens
from federation.storage import secrets
from federation.storage.accounts import SqlKeys
from federation.storage.analytics import SqlAnalytics
from federation.storage.anchors import open_anchor
from federation.storage.budgets_sql import SqlBudgets, SqlPots
from federation.storage.calls import SqlCalls
from federation.storage.changes import SqlOverrides, SqlVersions
from federation.storage.engine import open_engine, prepare_schema, probe
from federation.storage.evidence_index import SqlEvidence
from federation.storage.fleet import SqlNodes, SqlOverflow
from federation.storage.journal_reader import JournalReader
from federation.storage.responses import SqlResponses
from federation.storage.sealing import Sealer
from federation.storage.tenancy import SqlTenancy
from federation.storage.tenancy_answers import SqlAnswers
from federation.telemetry import logs
from federation.transport.client import Client

log = logging.getLogger(__name__)

CONFIG_EXIT = 78
ORPHAN_WAIT_S = 60.0
"""How long workers may take to leave when the launcher is gone."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line that the launcher gives."""

    data: Path
    config: Path
    run: Path
    url: str
    workers: int
    lifeline: int | None
    open: bool


def options(argv: Sequence[str]) -> Options:
    """Parse the launcher's arguments."""
    parser = argparse.ArgumentParser(prog="federation.bootstrap.control")
    for name in ("--data", "--config", "--run"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lifeline", type=int)
    parser.add_argument("--open", action="store_true")
    return Options(**vars(parser.parse_args(argv)))


def compose(given: Options, environ: Mapping[str, str]) -> Control:
    """Build everything. Raises `ConfigError` for all that an operator can mend."""
    _private_directories(given)
    rows = catalogue.load()
    env_file = paths.env_file(given.config)

    def read() -> Reading:
        loaded = load(given.config, environ, rows, env_file)
        # The launcher alone knows what it has bound: a file that changes later must not open
        # a socket that the world can reach.
        settings = replace(loaded.settings, open=given.open, workers=given.workers)
        loaded = replace(loaded, settings=settings)
        resolved = resolve_all(loaded)
        return Reading(loaded, resolved.secrets, resolved.warnings)

    clock = time.time
    database = given.data / "federation.db"
    engine = open_engine(database)
    prepare_schema(engine, database)
    index = open_engine(database, synchronous="NORMAL")
    overrides, nodes, overflow = SqlOverrides(engine), SqlNodes(engine), SqlOverflow(engine)
    configuration = Configuration(
        read,
        lambda files: watch.Fingerprint.take(given.config, env_file, files),
        overrides,
        SqlVersions(engine),
        clock,
        lambda loaded: with_overflow(with_nodes(loaded, nodes.list()), overflow.list()),
    )
    telemetry = configuration.reading.loaded.telemetry
    logs.configure("control", telemetry.level, telemetry.format)
    errands = Errands("store")
    calls = SqlCalls(index)
    journals = JournalReader(given.data / "journal")
    ingest = Ingest(journals, calls, clock)
    master = secrets.master_key(given.data, configuration.reading.loaded.environ)
    tenancy = SqlTenancy(engine)
    keys = _keys(given, configuration, SqlKeys(engine), tenancy, errands, master)
    durable = configuration.snapshot.settings.durability == "disk"
    responses = SqlResponses(engine if durable else index)
    prober = _prober()
    providers = ProviderDesk(configuration, overrides, prober, errands, clock)
    ledger = Ledger(calls, ingest, errands, lambda: probe(index))
    pots = SqlPots(engine)
    pots.recount()  # nobody else is at work on this store
    budgets = BudgetDesk(
        SqlBudgets(engine),
        pots,
        tenancy,
        lambda: configuration.reading.loaded.budgets,
        errands,
    )

    async def changed() -> None:
        await keys.refresh()
        await budgets.refresh()

    return Control(
        configuration=configuration,
        keys=keys,
        tenancy=Tenancy(tenancy, errands, changed),
        once=Once(SqlAnswers(engine), secrets.hash_key(master), errands, clock),
        ledger=ledger,
        analytics=AnalyticsDesk(SqlAnalytics(index), ledger, lambda: configuration.snapshot, clock),
        budgets=budgets,
        money=Money(_replica(given), pots, budgets, ingest, journals),
        providers=providers,
        fleet=FleetDesk(
            configuration,
            NodeDesk(configuration, nodes, prober, errands, clock),
            OverflowDesk(configuration, overflow, providers.test, errands, clock),
            prober,
            clock,
        ),
        responses=_responses(responses, master, configuration, journals),
        errands=errands,
        run=given.run,
        workers=given.workers,
        clock=clock,
        evidence=EvidenceTask(_notary(given, configuration.reading, SqlEvidence(index))),
    )


def _replica(given: Options) -> str:
    """Names this installation in what replicas share; the same after every start."""
    return f"{socket.gethostname()}:{given.data.absolute()}"


def _notary(given: Options, reading: Reading, index: SqlEvidence) -> Notary:
    wished = reading.loaded.evidence
    anchors = [open_anchor(url, given.data) for url in wished.anchors]
    rhythm = Rhythm(wished.checkpoint_s, wished.heartbeat_s)
    return Notary(given.data, index, anchors, time.time, rhythm)


def _responses(
    store: SqlResponses, master: bytes, configuration: Configuration, journals: JournalReader
) -> ResponseDesk:
    sealer = Sealer(secrets.response_key(master))
    return ResponseDesk(
        store, sealer, lambda: configuration.snapshot.settings, journals.lives, time.time
    )


def _prober() -> Prober:
    transport = Client()
    return Prober(transport, Tokens(transport).sign)


def _keys(
    given: Options,
    configuration: Configuration,
    store: SqlKeys,
    tenancy: SqlTenancy,
    errands: Errands,
    master: bytes,
) -> KeyDesk:
    environ = configuration.reading.loaded.environ
    store.ensure_tenant(DEFAULT_TENANT, int(time.time() * 1000))
    admin = secrets.admin_key(given.data, environ)
    if admin.made:
        _show(admin.secret, given)
    return KeyDesk(store, tenancy, secrets.hash_key(master), admin.secret, errands, time.time)


def _show(secret: str, given: Options) -> None:
    """The admin key, this once, on standard output and in no log."""
    where = paths.admin_key_file(given.data)
    print(
        f"\nYour admin key (kept in {where}, readable by you only):\n\n    {secret}\n\n"
        f"Try it:\n\n    curl {given.url}/v1/chat/completions \\\n"
        f'      -H "Authorization: Bearer {secret}" -H "Content-Type: application/json" \\\n'
        '      -d \'{"model": "auto", "messages": [{"role": "user", "content": "Hello"}]}\'\n',
        flush=True,
    )


def _private_directories(given: Options) -> None:
    for directory in (given.data, given.run):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if directory is given.run:
                _check_private(directory)
        except OSError as error:
            message = f"cannot be used: {error.strerror}"
            raise ConfigError([Problem(str(directory), None, message)]) from error


def _check_private(directory: Path) -> None:
    """Sockets carry secrets: their directory is ours alone, whoever made it."""
    status = directory.stat()
    if status.st_uid != os.geteuid():
        message = "belongs to another user: remove it, or choose another data directory"
        raise ConfigError([Problem(str(directory), None, message)])
    directory.chmod(0o700)


async def run(control: Control, given: Options) -> int:
    """Serve until told to stop, then take in what is left; the exit code.

    It is 1 where a bug has ended a task: the launcher then starts another control.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    orphaned = asyncio.Event()

    def on_orphaned() -> None:
        orphaned.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, control.reload)
    if given.lifeline is not None:
        lifeline.watch(given.lifeline, on_orphaned)
    await control.start()
    api = asyncio.create_task(_serve_api(control, given.run / "api.sock", stop))
    stopped = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(control.ended())
    await asyncio.wait((api, stopped, ended), return_when=asyncio.FIRST_COMPLETED)
    fault = control.fault()
    if fault is not None:
        log.critical("control cannot go on", exc_info=fault)
    stop.set()
    try:
        await control.stop(ORPHAN_WAIT_S if orphaned.is_set() else 0.0)
    finally:
        await asyncio.gather(api, ended)
    return 0 if fault is None else 1


class _Api(Protocol):
    async def run(self) -> None: ...

    def stop(self) -> None: ...


def _api(control: Control, path: Path) -> _Api:
    # A third of a second of imports, wanted only once workers have their snapshot.
    from federation.api.app import create_app  # noqa: PLC0415
    from federation.api.internal import Internal  # noqa: PLC0415
    from federation.api.server import ApiServer  # noqa: PLC0415

    server = ApiServer(Internal(create_app(control), control), path)
    # All that was imported stays for good: it need not be looked through ever again.
    gc.collect()
    gc.freeze()
    gc.enable()
    return server


async def _serve_api(control: Control, path: Path, stop: asyncio.Event) -> None:
    """Serve the API until told to stop; its building must not hold up the link."""
    api = await asyncio.to_thread(_api, control, path)
    serving = asyncio.create_task(api.run())
    await asyncio.wait(
        (serving, stopped := asyncio.create_task(stop.wait())), return_when=asyncio.FIRST_COMPLETED
    )
    stopped.cancel()
    api.stop()
    await serving


def main(argv: Sequence[str]) -> int:
    """Run control until it is told to stop; the exit code, 78 where the configuration is bad."""
    # Starting makes a hundred thousand objects and no garbage; collecting costs a tenth of it.
    gc.disable()
    logs.configure("control")
    given = options(argv)
    try:
        control = compose(given, os.environ)
    except ConfigError as error:
        print(f"The configuration cannot be used:\n{error}", file=sys.stderr, flush=True)
        return CONFIG_EXIT
    return asyncio.run(run(control, given))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
