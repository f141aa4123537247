"""The store of sealing keys, holds and erasures: a database of its own, apart from the data.

The trap: a destroyed key must not be found again in the file that held it. Rows are blanked and
not only deleted, SQLite overwrites what it frees (`secure_delete`), and its log of changes is
emptied after each destruction. What a file system or a disk keeps beneath that is out of reach;
`docs/explanation/sealing.md` says what follows from it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    event,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from federation.errors import ConfigError, Problem, Unavailable
from federation.storage.engine import open_engine, reading, writing
from federation.storage.holding import covered
from federation.storage.revisions import KEYS, alone
from federation.storage.sealing_entries import DATA, ErasureEntry, HoldEntry, KeyEntry
from federation.storage.sealing_turns import HELD, erased, is_blank, is_held, next_turn
from federation.storage.tables_sealing import erasures as _erasures
from federation.storage.tables_sealing import legal_holds as _holds
from federation.storage.tables_sealing import metadata as _metadata
from federation.storage.tables_sealing import sealing_keys as _keys

STORE = "keys.db"

_k = _keys.c


def open_keys(path: Path) -> Engine:
    """The store of keys at `path`, made where missing, readable by its owner only. Raises
    `ConfigError`."""
    try:
        engine = open_engine(path)

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
            connection.execute("PRAGMA secure_delete = ON")

        prepare_keys(engine)
    except (OSError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error)
        raise ConfigError(
            [Problem(str(path), None, f"cannot be used as the store of keys: {reason}")]
        ) from error
    return engine


def prepare_keys(engine: Engine) -> None:
    """Make the tables where they are missing; idempotent."""
    with engine.begin() as connection:
        alone(connection)
        _metadata.create_all(connection)


class SqlSealingKeys:
    """Keys, holds and erasures in a database, opened with its first use: most gateways keep no
    contents. Every method raises `Unavailable` where the store cannot be reached."""

    def __init__(self, opened: Callable[[], Engine]) -> None:
        self._opened = opened
        self._forgotten = False
        """Whether nothing that was blanked stands in the log of changes."""

    @cached_property
    def _engine(self) -> Engine:
        try:
            return self._opened()
        except ConfigError as error:
            raise Unavailable(str(error), code="store_unavailable", retry_after_s=5.0) from error

    def close(self) -> None:
        """Let go of the database. Idempotent; the next use opens it again."""
        if "_engine" in self.__dict__:
            self._engine.dispose()
            del self._engine

    def add(self, entry: KeyEntry, *, first: bool = False) -> bool:
        """Keep a new key; `first`: only where its owner has none of its kind. Whether it was
        kept. Raises `Unavailable` where the key that wraps it was destroyed."""
        own = and_(_k.tenant == entry.tenant, _k.kind == entry.kind, _k.destroyed_ms.is_(None))
        with writing(self._engine) as connection:
            alone(connection, KEYS)
            if first and connection.execute(select(_k.id).where(own).limit(1)).first():
                return False
            _check_alive(connection, {entry.parent})
            connection.execute(insert(_keys).values(_row(_keys, entry)))
        return True

    def add_all(self, entries: Sequence[KeyEntry]) -> None:
        """Keep new keys, all or none; raises as `add` does."""
        if not entries:
            return
        with writing(self._engine) as connection:
            alone(connection, KEYS)
            _check_alive(connection, {entry.parent for entry in entries})
            connection.execute(insert(_keys), [_row(_keys, entry) for entry in entries])

    def of_period(self, tenant: str, period: str, subjects: Iterable[str]) -> dict[str, KeyEntry]:
        """A data key of a period for each of these who has one."""
        own = and_(_k.tenant == tenant, _k.kind == DATA, _k.period == period)
        query = select(_keys).where(own, _k.subject.in_(list(subjects)), _k.destroyed_ms.is_(None))
        with reading(self._engine) as connection:
            return {row.subject: KeyEntry(*row) for row in connection.execute(query)}

    def find(self, key: str) -> KeyEntry | None:
        """A key by its id, destroyed or not."""
        with reading(self._engine) as connection:
            row = connection.execute(select(_keys).where(_k.id == key)).one_or_none()
        return None if row is None else KeyEntry(*row)

    def newest(
        self, kind: str, tenant: str, subject: str = "", period: str = ""
    ) -> KeyEntry | None:
        """The youngest key of an owner that is not destroyed."""
        query = (
            select(_keys)
            .where(
                _k.tenant == tenant,
                _k.kind == kind,
                _k.subject == subject,
                _k.period == period,
                _k.destroyed_ms.is_(None),
            )
            .order_by(_k.created_ms.desc(), _k.id.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else KeyEntry(*row)

    def living(
        self,
        kind: str | None = None,
        tenant: str | None = None,
        subject: str | None = None,
        but_parent: str | None = None,
        most: int | None = None,
    ) -> list[KeyEntry]:
        """Keys that are not destroyed, oldest first. `but_parent` leaves out those that are
        wrapped by this one."""
        query = select(_keys).where(_k.destroyed_ms.is_(None)).order_by(_k.created_ms, _k.id)
        for column, value in ((_k.kind, kind), (_k.tenant, tenant), (_k.subject, subject)):
            if value is not None:
                query = query.where(column == value)
        if but_parent is not None:
            query = query.where(_k.parent != but_parent)
        with reading(self._engine) as connection:
            return [KeyEntry(*row) for row in connection.execute(query.limit(most))]

    def expired(self, now_ms: int, holds: Iterable[HoldEntry], most: int) -> list[KeyEntry]:
        """Data keys whose last content has had its day and that no hold covers, oldest first."""
        query = (
            select(_keys)
            .where(_k.kind == DATA, _k.destroyed_ms.is_(None), _k.until_ms <= now_ms)
            .order_by(_k.until_ms, _k.id)
            .limit(most)
        )
        for hold in holds:
            query = query.where(not_(covered(_keys, hold)))
        with reading(self._engine) as connection:
            return [KeyEntry(*row) for row in connection.execute(query)]

    def outlived(self) -> list[KeyEntry]:
        """Data keys that are there though an erasure of their person was done after they were
        made, and no hold covers them: whoever restored them had no tombstone of theirs."""
        e = _erasures.c
        own = and_(e.tenant == _k.tenant, e.subject == _k.subject, e.done_ms >= _k.created_ms)
        query = select(_keys).where(_k.kind == DATA, _k.destroyed_ms.is_(None), exists().where(own))
        query = query.where(not_(HELD))
        with reading(self._engine) as connection:
            return [KeyEntry(*row) for row in connection.execute(query)]

    def use(self, key: str, uses: int, until_ms: int) -> None:
        """Count so many further uses, and have the key kept until then at least."""
        later = and_(_k.id == key, _k.until_ms < until_ms)
        with writing(self._engine) as connection:
            connection.execute(update(_keys).where(_k.id == key).values(uses=_keys.c.uses + uses))
            connection.execute(update(_keys).where(later).values(until_ms=until_ms))

    def rewrap(self, changed: Sequence[tuple[str, str, bytes]]) -> None:
        """Key, parent and wrapped form of each, all or none; what was destroyed stays so.

        Raises `Unavailable` where a parent was destroyed meanwhile, by another replica.
        """
        with writing(self._engine) as connection:
            alone(connection, KEYS)
            _check_alive(connection, {parent for _, parent, _ in changed})
            for key, parent, wrapped in changed:
                connection.execute(
                    update(_keys)
                    .where(_k.id == key, _k.destroyed_ms.is_(None))
                    .values(parent=parent, wrapped=wrapped)
                )
        self._blanked(len(changed))

    def destroy(
        self, keys: Iterable[str], now_ms: int, why: str, *, childless: bool = False
    ) -> int:
        """Blank these keys for good; how many of them were still there and that no hold covers.
        `childless` spares those that still wrap a key."""
        child = _keys.alias()
        wraps = exists().where(child.c.parent == _k.id, child.c.destroyed_ms.is_(None))
        spared = or_(HELD, wraps) if childless else HELD
        with writing(self._engine) as connection:
            alone(connection, KEYS)
            gone = _blank(connection, keys, now_ms, why, spared)
        self._blanked(gone)
        return gone

    def erase(self, wish: ErasureEntry, keys: Iterable[str], now_ms: int) -> ErasureEntry:
        """Blank these keys of a person who is to be erased, and have the erasure done, unless a
        hold stands by now: then it is as it was. Its `done_ms` is its turn."""
        with writing(self._engine) as connection:
            alone(connection, KEYS)
            if is_held(connection, wish.tenant, wish.subject):
                return wish
            gone = _blank(connection, keys, now_ms, "erased", HELD)
            done = replace(wish, done_ms=next_turn(connection, now_ms), keys=gone)
            own = and_(_erasures.c.id == wish.id, _erasures.c.done_ms.is_(None))
            finished = update(_erasures).where(own).values(done_ms=done.done_ms, keys=gone)
            if not connection.execute(finished).rowcount:  # another replica came first
                known = select(_erasures).where(_erasures.c.id == wish.id)
                done = ErasureEntry(*connection.execute(known).one())
        self._blanked(gone)
        return done

    def holds(self) -> list[HoldEntry]:
        """Every hold that there was, oldest first."""
        query = select(_holds).order_by(_holds.c.created_ms, _holds.c.id)
        with reading(self._engine) as connection:
            return [HoldEntry(*row) for row in connection.execute(query)]

    def hold(self, entry: HoldEntry, now_ms: int) -> HoldEntry | None:
        """Set a hold, and give it its turn as `created_ms`; None where its person was erased
        before, and nothing is left of them."""
        with writing(self._engine) as connection:
            alone(connection, KEYS)
            if entry.subject and is_blank(connection, entry.tenant, entry.subject):
                return None
            made = replace(entry, created_ms=next_turn(connection, now_ms))
            connection.execute(insert(_holds).values(_row(_holds, made)))
        return made

    def take_up(self, entry: HoldEntry) -> None:
        """Keep a hold as it was, that a restored store knows nothing of."""
        with writing(self._engine) as connection:
            connection.execute(insert(_holds).values(_row(_holds, entry)))

    def release(self, hold: str, now_ms: int) -> bool:
        """End a hold; False where none of this id is in force."""
        h = _holds.c
        with writing(self._engine) as connection:
            alone(connection, KEYS)
            turn = next_turn(connection, now_ms)
            own = and_(h.id == hold, h.released_ms.is_(None))
            done = connection.execute(update(_holds).where(own).values(released_ms=turn))
        return bool(done.rowcount)

    def erasures(self) -> list[ErasureEntry]:
        """Every erasure that was asked for, oldest first."""
        query = select(_erasures).order_by(_erasures.c.asked_ms, _erasures.c.id)
        with reading(self._engine) as connection:
            return [ErasureEntry(*row) for row in connection.execute(query)]

    def erased(self, tenant: str, subject: str | None = None, *, ever: bool = False) -> list[str]:
        """The pseudonyms of a tenant (or whether this one) that were erased and stand for nobody.

        A hold in force on somebody who was erased before it keeps them who they were: it must
        cover what comes. `ever` tells of those too.
        """
        with reading(self._engine) as connection:
            return list(connection.scalars(erased(tenant, subject, ever=ever)))

    def erased_ms(self, tenant: str, subjects: Iterable[str]) -> int:
        """When the last erasure of any of these pseudonyms was done, in Unix milliseconds; 0
        where none was. Its turn alone does not tell: one clock that was ahead makes all turns that
        follow later than their time. No clock but theirs says when it was asked for, and when
        their keys went."""
        e, of = _erasures.c, list(subjects)
        own = and_(e.tenant == tenant, e.subject.in_(of), e.done_ms.is_not(None))
        done = select(func.max(e.done_ms), func.max(e.asked_ms)).where(own)
        gone = and_(_k.tenant == tenant, _k.kind == DATA, _k.subject.in_(of), _k.why == "erased")
        with reading(self._engine) as connection:
            turn, asked = connection.execute(done).one()
            went = connection.scalar(select(func.max(_k.destroyed_ms)).where(gone))
        return min(turn or 0, max(asked or 0, went or 0))

    def erased_changes(self) -> int:
        """How often what `erased` tells may have changed so far; it only grows."""
        e, h = _erasures.c, _holds.c
        parts = [
            select(func.count()).select_from(_erasures).where(e.done_ms.is_not(None)),
            select(func.count(h.id) + func.count(h.released_ms)).select_from(_holds),
        ]
        with reading(self._engine) as connection:
            return sum(int(connection.scalar(part) or 0) for part in parts)

    def ask_erasure(self, entry: ErasureEntry) -> None:
        """Keep a wish."""
        with writing(self._engine) as connection:
            connection.execute(insert(_erasures).values(_row(_erasures, entry)))

    def finish_erasure(self, erasure: str, now_ms: int, keys: int) -> None:
        """One was done that a restored store takes for one that waits."""
        with writing(self._engine) as connection:
            connection.execute(
                update(_erasures).where(_erasures.c.id == erasure).values(done_ms=now_ms, keys=keys)
            )

    def _blanked(self, count: int) -> None:
        if count:
            self._forgotten = False
            self.forget()

    def forget(self) -> None:
        """Empty the log of changes, in which blanked rows stand as they were. While somebody
        reads it cannot be emptied: it is done with the next call then."""
        if self._engine.dialect.name == "sqlite" and not self._forgotten:
            with reading(self._engine) as connection:
                row = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            self._forgotten = not row[0]


def _row(table: Table, entry: object) -> dict[str, Any]:
    return {column.name: getattr(entry, column.name) for column in table.c}


def _blank(
    connection: Connection, keys: Iterable[str], now_ms: int, why: str, spared: ColumnElement[bool]
) -> int:
    gone = 0
    for key in keys:
        own = and_(_k.id == key, _k.destroyed_ms.is_(None), not_(spared))
        blank = update(_keys).where(own).values(wrapped=b"", destroyed_ms=now_ms, why=why)
        gone += connection.execute(blank).rowcount
    return gone


def _check_alive(connection: Connection, parents: Iterable[str]) -> None:
    """Nothing may be wrapped by a key that is gone: it would be lost with it. (The versions of a
    root are no keys of this store, and never gone here.)"""
    gone = select(_k.id).where(_k.id.in_(list(parents)), _k.destroyed_ms.is_not(None))
    if connection.execute(gone.limit(1)).first() is not None:
        raise Unavailable(
            "The tenant's keys were rotated elsewhere meanwhile. Try again.", code="keys_rotated"
        )
