"""The work of `federation db`.

The trap: a restore that meets a running gateway would pull the store from under it. Its lock
says whether one runs on the data directory, a shared store says who lives on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from federation.bootstrap.secret_sources import SecretSources
from federation.cli import db_files, db_store, db_sums, direct, output
from federation.cli.failures import CommandFailed
from federation.cli.place import Place
from federation.storage import backups, masters
from federation.storage.engine import open_engine, open_postgres, prepare_schema, reading
from federation.storage.replicas import SqlReplicas
from federation.storage.revisions import RESTORING, is_unfinished, revision
from federation.storage.rollups_check import wrong_spans
from federation.storage.sealing_keys import open_keys
from federation.storage.secrets import hash_key
from federation.storage.tables import HEAD
from federation.storage.tables_replicas import missing_notices
from federation.storage.upgrade import pending, upgrade_to


def upgrade(place: Place, *, as_json: bool) -> None:
    """Bring the schema up to date, and say from where to where."""
    before = _revision(place)
    shared = db_store.addresses(place).database is not None
    if not shared:
        nobody(place)
    with db_store.existing(place) as stores, reading(stores.durable) as connection:
        after = revision(connection)
    if as_json:
        output.print_json({"object": "schema", "before": before, "after": after})
    elif before == after:
        output.say(f"The store is up to date: schema {after}.")
    else:
        output.say(f"The store was brought from schema {before or 'none'} to {after}.")


def check(place: Place, *, sums: bool = False, as_json: bool) -> None:
    """Say what is wrong, with sums of calls if wished; raises `CommandFailed` where anything is."""
    found = _revision(place)
    database = db_store.addresses(place).database
    problems = [*_not_whole(place, database), *([] if found else ["there is no schema"])]
    waiting: list[str] = []
    seen = db_sums.Seen()
    if database is None:
        path = db_store.own_file(place.data_dir, shared=False)
        problems += backups.check_sqlite(path)
        engine = open_engine(path)
    else:
        problems += backups.check_sqlite(db_store.own_file(place.data_dir, shared=True))
        engine = open_postgres(database)
    try:
        if found and found != HEAD:
            waiting = pending(engine, found)
        elif found and database is not None:
            problems += [f"changes of '{name}' are not told" for name in missing_notices(engine)]
        if sums and found == HEAD and not problems:
            look = partial(wrong_spans, engine)
            seen = db_sums.checked(look, quiet=as_json)
            problems += seen.wrong
    finally:
        engine.dispose()
    facts: dict[str, Any] = {
        "object": "check",
        "store": "sqlite" if database is None else "postgresql",
        "schema": found,
        "newest": HEAD,
        "pending": waiting,
        "problems": problems,
        **({"sums": seen.state} if seen.state else {}),
    }
    if problems:
        message = f"The store is not sound: {'; '.join(problems)}."
        hint = "`federation db sum` makes the sums anew." if seen.wrong else ""
        raise CommandFailed(message, hint=hint, code="store_unsound", details=facts)
    if as_json:
        output.print_json(facts)
    else:
        _sound(found, waiting, seen)


def _sound(found: str | None, waiting: Sequence[str], seen: db_sums.Seen) -> None:
    if waiting:
        output.say(f"The store is sound; `federation db upgrade` has {len(waiting)} steps to go.")
    else:
        output.say(f"The store is sound and up to date: schema {found}.")
    if seen.state == db_sums.NONE_YET:
        output.note(db_sums.UNCHECKED)


def backup(place: Place, to: Path, keys: Path | None, *, as_json: bool) -> None:
    """Copy the store and what lies beside it into a new directory."""
    if not db_store.is_there(place):
        raise CommandFailed(f"There is no store in {place.data_dir}.", code="not_found")
    for copy in (to, *([] if keys is None else [keys])):
        db_files.check_outside(copy, place.data_dir)
    database = db_store.addresses(place).database
    for problem in _not_whole(place, database):
        raise CommandFailed(f"The store cannot be copied: {problem}.", code="store_unsound")
    db_files.fresh(to)
    told = _progress(quiet=as_json)
    if database is None:
        dump = backups.dump_sqlite(db_store.own_file(place.data_dir, shared=False), to, told)
    else:
        engine = open_postgres(database)
        try:
            dump = backups.dump_postgres(engine, to, told)
        finally:
            engine.dispose()
    files = db_files.copy_data(place.data_dir, to, told)
    db_files.write_manifest(to, dump, files, int(time.time() * 1000))
    kept = 0
    if keys is not None:
        with db_files.fresh_keys(keys):
            kept = db_files.copy_keys(place.data_dir, keys)
            if database is not None:
                kept += _dump_keys(database, keys, told)
    rows = sum(count for _, count in dump.tables.values())
    if as_json:
        facts = {"object": "backup", "path": str(to), "schema": dump.revision, "rows": rows}
        output.print_json(facts | {"files": len(files), "keys": kept})
        return
    output.say(f"{rows} rows (schema {dump.revision}) and {len(files)} files are in {to}.")
    if keys is not None:
        output.say(f"{kept} keys are in {keys}: keep them somewhere else than the data.")
    else:
        output.note("No key is in it: copy those with --keys to a place of their own.")


def _dump_keys(database: str, to: Path, told: backups.Progress) -> int:
    engine = open_postgres(database)
    try:
        return backups.dump_keys(engine, to, told)
    finally:
        engine.dispose()


def restore(place: Place, source: Path, keys: Path | None, *, force: bool, as_json: bool) -> None:
    """Put a backup in place of what is there. What is refused is refused before any change."""
    nobody(place)
    if keys is not None:
        db_files.check_keys(keys, place.data_dir)
    dump, files = db_files.read_manifest(source)
    database = db_store.addresses(place).database
    wanted = "sqlite" if database is None else "postgresql"
    if dump.kind != wanted:
        raise CommandFailed(
            f"The backup is of {dump.kind}, and the configuration names {wanted}.",
            code="other_store",
        )
    told = _progress(quiet=as_json)
    db_files.verify(source, files, told)
    db_files.check_room(place.data_dir, force=force, shared=database is not None)
    with _into_postgres(database, source, dump, keys, force=force, told=told):
        unfinished = db_files.begin_restore(place.data_dir)
        aside = db_files.put_aside(place.data_dir)
        db_files.put_back(source, place.data_dir, files, told)
        if database is None:
            db_files.put_store(source, db_store.own_file(place.data_dir, shared=False))
        kept = 0 if keys is None else db_files.put_keys(keys, place.data_dir)
    unfinished.unlink()
    missing = db_files.unsigned(source, place.data_dir, keys)
    if as_json:
        facts = {"object": "restore", "schema": dump.revision, "files": len(files), "keys": kept}
        facts |= {"aside": None if aside is None else str(aside)}
        output.print_json(facts | {"unsigned": missing or None})
        return
    output.say(f"The backup of schema {dump.revision} is in place; a start brings it up to date.")
    if missing:
        output.note(f"The secret of its evidence key {missing} is not there: nothing is sealed")
        output.note("until the keys that go with this backup are put back. Do it before a start.")
    if aside is not None:
        output.note(f"What was there lies in {aside}.")


def move(place: Place, *, force: bool, as_json: bool) -> None:
    """Put what the data directory's own store holds into the shared one, and the file aside."""
    nobody(place)
    database = db_store.addresses(place).database
    if database is None:
        raise CommandFailed(
            "The configuration names no shared database.",
            hint="Set storage.database, or FEDERATION_DATABASE_URL.",
            code="usage",
        )
    path = db_store.own_file(place.data_dir, shared=False)
    if not path.is_file():
        raise CommandFailed(f"There is no store in {place.data_dir}.", code="not_found")
    own_keys = db_store.own_keys(place)
    source = open_engine(path)
    try:
        prepare_schema(source, path)
        with _emptied(database, force=force) as target:
            upgrade_to(target, HEAD)
            rows = backups.move(source, target, _progress(quiet=as_json))
            keys = _move_keys(own_keys, target, _progress(quiet=as_json))
    finally:
        source.dispose()
    aside = db_files.moved(path)
    if own_keys.is_file():
        db_files.moved(own_keys)
    if as_json:
        output.print_json({"object": "move", "rows": rows, "keys": keys, "aside": str(aside)})
        return
    output.say(f"{rows} rows are in the shared database; the file lies in {aside}.")
    if keys:
        output.say("So are the sealing keys. Erasures from now on do not reach the files: when all")
        output.say(f"is well remove {aside.parent} and {own_keys.parent / 'aside'}.")


def create(place: Place, *, as_json: bool) -> None:
    """Make an empty store where there was one. Raises `CommandFailed` where one is."""
    nobody(place)
    key, _ = masters.current_master(
        place.data_dir, place.environ, SecretSources(place.environ).read
    )
    with db_store.empty(place), direct.recorded(place, hash_key(key), "create store", "store"):
        pass
    if as_json:
        output.print_json({"object": "schema", "before": None, "after": HEAD})
        return
    output.say("There is an empty store.")
    output.note("Calls are taken in from the journals with the next start. Keys, tenants, budgets")
    output.note("and all that was changed while a gateway ran are not.")


def accept_master(place: Place, *, as_json: bool) -> None:
    """Let the store go with the master key of now. Raises `NotFound`."""
    nobody(place)
    vault = SecretSources(place.environ).read
    with db_store.existing(place) as stores:
        if stores.shared:
            no_replica(stores.durable)
        key, made = masters.current_master(place.data_dir, place.environ, vault)
        with direct.recorded(place, hash_key(key), "accept master key", "store"):
            useless = masters.accept_master(stores.durable, key, made=made)
    if as_json:
        facts = {"object": "master_key", "new": useless is not None}
        output.print_json(facts | {"useless_keys": useless or 0})
        return
    output.say("The store goes with the master key of now.")
    if useless is not None:
        keys = {0: "", 1: "1 virtual key, "}.get(useless, f"{useless} virtual keys, ")
        output.note(f"What was made under the former one opens nothing: {keys}sign-ins, stored")
        output.note("responses. With that key back, run this again.")
    if useless is not None and stores.shared:
        output.note("Nor do sealing keys open that it wrapped in the database: where a tenant has")
        output.note("such, calls that name a user are refused, and no contents are kept. Where the")
        output.note("former key is lost, `federation db give-up-keys` lets them have new ones.")


def _move_keys(path: Path, target: Any, progress: backups.Progress) -> int:
    """The sealing keys of a gateway that has kept contents or named users; how many rows."""
    if not path.is_file():
        return 0
    source = open_keys(path)
    try:
        return backups.move_keys(source, target, progress)
    finally:
        source.dispose()


@contextmanager
def _emptied(database: str, *, force: bool) -> Iterator[Any]:
    """The shared database, with nothing in it, on which nobody starts before the block is done.
    Raises `CommandFailed` where there is something that must stay."""
    engine = open_postgres(database)
    try:
        there = not backups.empty(engine)
        if there:
            _check_unused(engine, force=force)
        backups.begin_load(engine)
        if there:
            backups.wipe(engine)
        yield engine
        backups.end_load(engine)
    finally:
        engine.dispose()


def _check_unused(engine: Any, *, force: bool) -> None:
    with reading(engine) as connection:
        current = revision(connection) == HEAD
    if current:
        no_replica(engine)
    if not force:
        raise CommandFailed(
            "The database is not empty.",
            hint="With --force everything of a gateway in it is dropped first.",
            code="not_empty",
        )


def no_replica(engine: Any) -> None:
    """Raises `CommandFailed` where gateways live on a shared database."""
    if living := [one.id for one in SqlReplicas(engine).list() if one.alive]:
        raise CommandFailed(
            f"Gateways are at work on the database: {', '.join(living)}.",
            hint="Stop them first; one that was killed counts for 15 seconds more.",
            code="in_use",
        )


@contextmanager
def _into_postgres(
    database: str | None,
    source: Path,
    dump: backups.Dump,
    keys: Path | None,
    *,
    force: bool,
    told: backups.Progress,
) -> Iterator[None]:
    """Fill the shared database, if there is one; see `_emptied` for what the block does."""
    if database is None:
        yield
        return
    with _emptied(database, force=force) as engine:
        upgrade_to(engine, dump.revision)
        backups.load_postgres(engine, source, dump, told)
        upgrade_to(engine, HEAD)
        if keys is not None:
            backups.load_keys(engine, keys)
        yield


def _revision(place: Place) -> str | None:
    """The schema as it is; None where there is none. Raises `Unavailable`, `CommandFailed`."""
    database = db_store.addresses(place).database
    path = db_store.own_file(place.data_dir, shared=database is not None)
    if database is None and not path.is_file():
        raise CommandFailed(f"There is no store in {place.data_dir}.", code="not_found")
    engine = open_engine(path) if database is None else open_postgres(database)
    try:
        with reading(engine) as connection:
            return revision(connection)
    finally:
        engine.dispose()


def _not_whole(place: Place, database: str | None) -> list[str]:
    """What is wrong with a store whose restore, or a move to it, was broken off."""
    unfinished = (place.data_dir / RESTORING).exists()
    if database is not None and not unfinished:
        engine = open_postgres(database)
        try:
            with reading(engine) as connection:
                unfinished = is_unfinished(connection)
        finally:
            engine.dispose()
    return ["its restore or move was not finished"] if unfinished else []


def nobody(place: Place) -> None:
    """Raises `CommandFailed` where a gateway runs on the data directory."""
    if (running := place.holder()) is not None:
        raise CommandFailed(
            f"The data directory {place.data_dir} is in use by {running}.",
            hint="Stop it first.",
            code="in_use",
        )


def _progress(*, quiet: bool) -> backups.Progress:
    """Says each thing once, and then how far it is, at most once a second."""
    last_s, last = 0.0, ""

    def told(what: str, done: int, whole: int) -> None:
        nonlocal last_s, last
        now_s = time.monotonic()
        if quiet or (what == last and now_s - last_s < 1.0):
            return
        last_s, last = now_s, what
        output.note(f"{what} {100 * done // whole} %" if whole else what)

    return told
