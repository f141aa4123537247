"""Stored responses in the relational store.

The trap: two processes may write one response, the worker that finishes it and the client
that cancels it. Whoever comes second finds it over, so every change but the first names the
state that it starts from. Beyond its day an entry is as good as gone, swept or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    bindparam,
    delete,
    literal,
    select,
    text,
    update,
)

from federation.storage.engine import reading, writing
from federation.storage.entries import ResponseEntry
from federation.storage.holding import free
from federation.storage.sealing_entries import Holds
from federation.storage.tables import response_items, responses

_COLUMNS = [column.name for column in responses.c]
_r = responses.c

# Built once: to put a statement together costs more than SQLite's work on it.
_OWN = (_r.tenant == bindparam("tenant"), _r.expires_ms > bindparam("now_ms"))
# As text, because SQLAlchemy's own form of it is another one for each database.
_ADD = text(
    f"INSERT INTO responses ({', '.join(_COLUMNS)}) "  # noqa: S608  our own names
    f"VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) ON CONFLICT DO NOTHING"
)
_NAME = text(
    "INSERT INTO response_items (tenant, item, response) VALUES (:tenant, :item, :response) "
    "ON CONFLICT (tenant, item) DO UPDATE SET response = excluded.response"
)
_FIND = select(responses).where(_r.id == bindparam("id"), *_OWN)


def _chained() -> Select[Any]:
    """A response and what it continues, newest first, at most `most`."""
    first = (
        select(_r.id, _r.previous, literal(1).label("n"))
        .where(_r.id == bindparam("id"), *_OWN)
        .cte("walk", recursive=True)
    )
    before = responses.alias("before")
    walk = first.union_all(
        select(before.c.id, before.c.previous, first.c.n + 1)
        .join(first, before.c.id == first.c.previous)
        .where(
            before.c.tenant == bindparam("tenant"),
            before.c.expires_ms > bindparam("now_ms"),
            first.c.n < bindparam("most"),
        )
    )
    return select(responses).join(walk, _r.id == walk.c.id).order_by(walk.c.n)


_CHAIN = _chained()
_RUNNING = select(_r.writer, _r.id).where(_r.writer != "").order_by(_r.writer, _r.id)


class SqlResponses:
    """Stored responses in a database; implements `control.ports.ResponseStore`.

    `engine` is asked each time: a reload may have changed how safely they are kept.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._chosen = engine

    @property
    def _engine(self) -> Engine:
        return self._chosen()

    def add(self, entry: ResponseEntry, items: Sequence[str]) -> bool:
        """Keep a response with the names of its items; False where its id is taken."""
        row = {name: getattr(entry, name) for name in _COLUMNS}
        with writing(self._engine) as connection:
            added = connection.execute(_ADD, row).rowcount
            if added:
                _name(connection, entry, items)
        return bool(added)

    def finish(self, entry: ResponseEntry, items: Sequence[str]) -> bool:
        """Replace what a running response says; False where none runs. Its day stays."""
        change = (
            update(responses)
            .where(_r.id == entry.id, _r.tenant == entry.tenant, _r.writer != "")
            .values(status=entry.status, writer=entry.writer, size=entry.size, sealed=entry.sealed)
        )
        with writing(self._engine) as connection:
            done = connection.execute(change).rowcount
            if done:
                _name(connection, entry, items)
        return bool(done)

    def mark(self, tenant: str, response: str, status: str, *, over: bool) -> bool:
        """Change the status of a running response; False where none runs."""
        values = {"status": status, **({"writer": ""} if over else {})}
        change = (
            update(responses)
            .where(_r.id == response, _r.tenant == tenant, _r.writer != "")
            .values(values)
        )
        with writing(self._engine) as connection:
            return bool(connection.execute(change).rowcount)

    def find(self, tenant: str, response: str, now_ms: int) -> ResponseEntry | None:
        """One response; None where there is none, or it is another tenant's, or expired."""
        given = {"id": response, "tenant": tenant, "now_ms": now_ms}
        with reading(self._engine) as connection:
            row = connection.execute(_FIND, given).one_or_none()
        return None if row is None else ResponseEntry(*row)

    def chain(
        self, tenant: str, response: str, now_ms: int, most: int, most_bytes: int
    ) -> list[ResponseEntry]:
        """A response and what it continues, newest first, up to `most` of them or to the
        first that brings them over `most_bytes`."""
        given = {"id": response, "tenant": tenant, "now_ms": now_ms, "most": most}
        found: list[ResponseEntry] = []
        size = 0
        with reading(self._engine) as connection:
            for row in connection.execute(_CHAIN, given):
                found.append(ResponseEntry(*row))
                size += found[-1].size
                if size > most_bytes:
                    break
        return found

    def owners(self, tenant: str, items: Sequence[str], now_ms: int) -> list[ResponseEntry]:
        """The responses that hold these items, each once."""
        names = response_items.c
        held = select(names.response).where(names.tenant == tenant, names.item.in_(items))
        query = select(responses).where(
            _r.id.in_(held), _r.tenant == tenant, _r.expires_ms > now_ms
        )
        with reading(self._engine) as connection:
            return [ResponseEntry(*row) for row in connection.execute(query.order_by(_r.id))]

    def remove(self, tenant: str, response: str, now_ms: int, holds: Holds = tuple) -> bool:
        """Delete a response, or where a hold covers it have it count as expired from now on;
        False where there is none, or it is another tenant's, or expired."""
        found = _r.id == response, _r.tenant == tenant, _r.expires_ms > now_ms
        with writing(self._engine) as connection:
            gone = delete(responses).where(*found, free(connection, responses, holds))
            if connection.execute(gone).rowcount:
                return True
            buried = update(responses).where(*found).values(expires_ms=now_ms)
            return bool(connection.execute(buried).rowcount)

    def running(self, writer: str | None = None) -> list[tuple[str, str]]:
        """Writer and id of every response that runs (None: of every writer), in that order."""
        query = _RUNNING if writer is None else _RUNNING.where(_r.writer == writer)
        with reading(self._engine) as connection:
            return [(row.writer, row.id) for row in connection.execute(query)]

    def abandon(self, writer: str, status: str) -> int:
        """Give every response that a writer left running this status; how many there were."""
        change = (
            update(responses)
            .where(_r.writer == writer, _r.writer != "")
            .values(status=status, writer="")
        )
        with writing(self._engine) as connection:
            return connection.execute(change).rowcount

    def expire(self, now_ms: int, most: int, holds: Holds = tuple) -> int:
        """Delete up to `most` expired responses that no hold covers; how many there were."""
        old = select(_r.id).where(_r.expires_ms <= now_ms).limit(most)
        with writing(self._engine) as connection:
            old = old.where(free(connection, responses, holds))
            return connection.execute(delete(responses).where(_r.id.in_(old))).rowcount


def _name(connection: Connection, entry: ResponseEntry, items: Sequence[str]) -> None:
    """Note where items are found; a name that is used again means the newest."""
    if not items:
        return
    rows = [
        {"tenant": entry.tenant, "item": item, "response": entry.id}
        # Two replicas that name the same items in one order never wait in a circle.
        for item in sorted(set(items))
    ]
    connection.execute(_NAME, rows)
