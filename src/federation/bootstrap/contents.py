"""What keeps contents: the store of keys and its root, the desk, the seals of stored responses.

The trap is the cost for those who keep nothing, nearly everybody: the store of keys is opened
with its first use, and a Vault's client is imported only where there is a Vault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from federation.config.settings import SealingSettings
from federation.control.age import Age
from federation.control.askers import Askers
from federation.control.configuration import Configuration
from federation.control.custody import Custody
from federation.control.custody_moving import bring_under
from federation.control.custody_parts import Root
from federation.control.data_desk import DataDesk
from federation.control.ledger import Ledger
from federation.control.notebook import Notebook
from federation.control.payload_intake import PayloadIntake
from federation.control.pseudonyms import PseudonymDesk
from federation.control.response_seals import ResponseSeals
from federation.control.retention import Retention, SpoolKeys
from federation.domain.policies import Payloads
from federation.storage import secrets
from federation.storage.accounts import SqlKeys
from federation.storage.engine import Stores
from federation.storage.last_time import keep_time, read_time
from federation.storage.payload_spool import SpoolReader
from federation.storage.payloads import SqlPayloads
from federation.storage.pseudonyms import SqlPseudonyms
from federation.storage.sealing import Sealer
from federation.storage.sealing_brought import FILE as BROUGHT
from federation.storage.sealing_brought import Brought
from federation.storage.sealing_keys import STORE, SqlSealingKeys, open_keys, prepare_keys
from federation.storage.sealing_logs import FILES as BOOKS
from federation.storage.sealing_logs import open_sealing_logs
from federation.storage.sealing_roots import FileRoot, MasterRoot, MovedRoot


@dataclass(frozen=True, slots=True)
class Contents:
    """The desk, what seals stored responses, who knows whom pseudonyms stand for, who asks, and the
    time by which things are deleted."""

    desk: DataDesk
    seals: ResponseSeals
    names: PseudonymDesk
    askers: Askers
    age: Age


def keep_contents(
    data: Path,
    stores: Stores,
    configuration: Configuration,
    ledger: Ledger,
    replica: str,
    master: bytes,
    clock: Callable[[], float] = time.time,
) -> Contents:
    """Build it all; nothing is opened yet. Raises `ConfigError` for a root that cannot be."""
    loaded = configuration.reading.loaded
    wished = loaded.sealing
    directory = data / "keys" if wished.directory is None else Path(wished.directory)
    shared = MasterRoot(master) if stores.shared else None
    root = root_of(wished, directory, loaded.environ, shared)
    brings = root if wished.directory is None else None
    keys = SqlSealingKeys(lambda: _opened(directory, stores, brings))
    places = [directory, data]
    if wished.tombstones is not None:
        places.append(Path(wished.tombstones))

    begun = partial(_begun, places, stores, configuration)
    logs = open_sealing_logs(places)
    custody = Custody(keys, root, logs.tombstones, clock)
    payloads = SqlPayloads(stores.quick)
    intake = PayloadIntake(SpoolReader(data), payloads, custody, keys)
    notebook = Notebook(data, clock, lambda: configuration.snapshot.settings.durability)
    retention = Retention(custody, keys, payloads, intake, notebook, logs)
    spool_keys = SpoolKeys(replica, custody, intake, clock)
    age = Age(clock, time.monotonic, read_time(data), partial(keep_time, data))
    names = PseudonymDesk(retention, keys, SqlPseudonyms(stores.quick), begun, clock)
    desk = DataDesk(
        retention,
        spool_keys,
        payloads,
        intake,
        notebook,
        ledger,
        lambda: wanted(configuration),
        begun,
        partial(_forget, names, SqlKeys(stores.durable)),
        clock,
        age,
    )
    old = Sealer(secrets.response_key(master))
    return Contents(desk, ResponseSeals(custody, keys, begun, old), names, Askers(names), age)


def _forget(names: PseudonymDesk, keys: SqlKeys, tenant: str, user: str, subject: str) -> None:
    """Take somebody's name, given by it or by a pseudonym, off what is kept of keys. Nothing is
    done where nobody knows whose the pseudonym was."""
    for name in names.ever(tenant, user)[:1]:
        keys.forget(tenant, name, subject)


def root_of(
    wished: SealingSettings, directory: Path, environ: Mapping[str, str], shared: MasterRoot | None
) -> Root:
    """The root key that is configured; where it is in files of one replica alone, the `shared`
    one, which opens what it wrapped whatever takes its place. Raises `ConfigError`."""
    kind, _, place = wished.root.partition(":")
    files = FileRoot(directory / "root")
    if kind == "file":
        if shared is None:
            return files
        named = wished.directory is not None
        return MovedRoot(files, shared) if named else MovedRoot(shared, files)
    # A quarter of a second of imports, and a package that is installed only where it is wanted.
    from federation.storage.sealing_vault import vault_root  # noqa: PLC0415 - see above

    former = (files,) if shared is None else (files, shared)
    return MovedRoot(vault_root(kind, place, environ), *former)


def wanted(configuration: Configuration) -> bool:
    """Whether some call's content may have to be kept."""
    snapshot = configuration.snapshot
    if snapshot.settings.payloads.keep:
        return True
    rules = (rule for policy in snapshot.policies for rule in policy.rules)
    return any(isinstance(rule, Payloads) and rule.keep for rule in rules)


def _begun(places: Sequence[Path], stores: Stores, configuration: Configuration) -> bool:
    """Whether anything was ever kept, or may have to be."""
    left = (place / name for place in places for name in (*BOOKS, STORE))
    return stores.shared or wanted(configuration) or any(path.exists() for path in left)


def _opened(directory: Path, stores: Stores, root: Root | None) -> Engine:
    """Replicas share their keys as they share their store, and the root above them where one is
    given; else they lie apart from the data."""
    if not stores.shared:
        return open_keys(directory / STORE)
    prepare_keys(stores.durable)
    if root is not None:
        before = Brought(directory / BROUGHT)
        bring_under(SqlSealingKeys(lambda: stores.durable), root, before)
    return stores.durable
