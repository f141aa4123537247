"""Kept contents in the relational store, and how far the spools were read.

The trap: a line of a spool may be seen twice, and one that was seen may have been erased since.
A writer's position is therefore kept in the transaction of its rows, and rows that are gone are
never made again from lines before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from sqlalchemy import (
    Engine,
    and_,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from federation.storage.engine import reading, writing
from federation.storage.entries import Position
from federation.storage.holding import free
from federation.storage.sealing_entries import Holds, PayloadEntry, PayloadFilter
from federation.storage.tables import responses
from federation.storage.tables_payloads import names, payload_offsets, payloads

_p = payloads.c
_HEAD: Final = 512
"""Bytes of a sealed form that name its key."""


class SqlPayloads:
    """Payloads in a database. Every method raises `Unavailable` where it cannot be reached."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def positions(self) -> dict[str, Position]:
        """How far each writer's spool has been taken in."""
        with reading(self._engine) as connection:
            return {
                row.writer: Position(row.segment, row.offset, row.seq)
                for row in connection.execute(select(payload_offsets))
            }

    def take(self, writer: str, entries: Sequence[PayloadEntry], position: Position) -> None:
        """Keep these up to a position, all or nothing; a call that is there stays as it is."""
        values = {
            "segment": position.segment,
            "offset": position.offset,
            "seq": position.seq,
        }
        with writing(self._engine) as connection:
            calls = [entry.call for entry in entries]
            there = set(connection.scalars(select(_p.call).where(_p.call.in_(calls))))
            rows = {
                entry.call: {column.name: getattr(entry, column.name) for column in payloads.c}
                for entry in entries
                if entry.call not in there
            }
            if rows:
                connection.execute(insert(payloads), list(rows.values()))
            changed = connection.execute(
                update(payload_offsets).where(payload_offsets.c.writer == writer).values(values)
            )
            if not changed.rowcount:
                connection.execute(insert(payload_offsets).values(writer=writer, **values))

    def forget_writer(self, writer: str) -> None:
        """Drop the position of a writer whose spool is no more."""
        with writing(self._engine) as connection:
            gone = delete(payload_offsets).where(payload_offsets.c.writer == writer)
            connection.execute(gone)

    def find(self, call: str, tenant: str | None) -> PayloadEntry | None:
        """What was kept of a call; None where nothing was, or it is another tenant's."""
        query = select(payloads).where(_p.call == call)
        if tenant is not None:
            query = query.where(_p.tenant == tenant)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else PayloadEntry(*row)

    def page(self, wanted: PayloadFilter) -> list[PayloadEntry]:
        """Payloads, newest first, at most `limit`."""
        query = select(payloads).order_by(_p.at_ms.desc(), _p.call.desc()).limit(wanted.limit)
        if wanted.tenant is not None:
            query = query.where(_p.tenant == wanted.tenant)
        if wanted.subjects is not None:
            query = query.where(_p.subject.in_(wanted.subjects))
        if wanted.before is not None:
            query = query.where(tuple_(_p.at_ms, _p.call) < wanted.before)
        with reading(self._engine) as connection:
            return [PayloadEntry(*row) for row in connection.execute(query)]

    def samples(self, tenant: str) -> list[bytes]:
        """How some of a tenant's contents, and of the names, begin in sealed form: of the first
        person and the last in the index, however much there is."""
        own = select(func.substr(_p.sealed, 1, _HEAD)).where(_p.tenant == tenant).limit(1)
        order = (_p.subject, _p.at_ms)
        name = (
            select(func.substr(names.c.sealed, 1, _HEAD)).where(names.c.tenant == tenant).limit(1)
        )
        asked = (own.order_by(*order), own.order_by(*(column.desc() for column in order)), name)
        with reading(self._engine) as connection:
            return [bytes(row[0]) for each in asked for row in connection.execute(each)]

    def remove(self, tenant: str, subject: str, holds: Holds) -> int:
        """Delete what was kept of a person, stored responses and their name too, unless a hold
        covers them; how many rows it was."""
        gone = 0
        with writing(self._engine) as connection:
            for table in (payloads, responses, names):
                own = and_(table.c.tenant == tenant, table.c.subject == subject)
                own = and_(own, free(connection, table, holds))
                gone += connection.execute(delete(table).where(own)).rowcount
        return gone

    def remove_sealed(
        self, tenant: str, subjects: Collection[str], gone: Callable[[bytes], bool]
    ) -> int:
        """Delete what is kept of these people where its sealed form, of which `gone` is shown the
        beginning, can be read by nobody; how many rows it was."""
        count = 0
        for table in (payloads, responses, names):
            c, keys = table.c, list(table.primary_key)
            head = func.substr(c.sealed, 1, _HEAD)
            own = select(*keys, head).where(c.tenant == tenant, c.subject.in_(subjects))
            with writing(self._engine) as connection:
                for *row, begins in connection.execute(own).all():
                    if gone(bytes(begins)):
                        named = and_(*(key == word for key, word in zip(keys, row, strict=True)))
                        count += connection.execute(delete(table).where(named)).rowcount
        return count

    def expire(self, now_ms: int, holds: Holds, most: int) -> int:
        """Delete up to `most` payloads whose day has come and that no hold covers."""
        old = select(_p.call).where(_p.expires_ms <= now_ms).limit(most)
        with writing(self._engine) as connection:
            old = old.where(free(connection, payloads, holds))
            return connection.execute(delete(payloads).where(_p.call.in_(old))).rowcount
