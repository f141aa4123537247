"""Holds against destructions: which came first, decided where all replicas look.

The trap: a replica that asks for holds and destroys afterwards has asked too early. So a hold is
set, and a person's key destroyed, in a transaction that no other one of these runs beside (`KEYS`),
and it is there that each looks for the other. Both get a turn: a time in milliseconds that grows
with every decision, whatever the clocks of the replicas say.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, select

from federation.storage.sealing_entries import DATA
from federation.storage.tables_sealing import erasures, legal_holds, sealing_keys

_h, _e, _k = legal_holds.c, erasures.c, sealing_keys.c

HELD: Final[ColumnElement[bool]] = and_(
    _k.kind == DATA,
    exists().where(
        _h.tenant == _k.tenant, _h.subject.in_(["", _k.subject]), _h.released_ms.is_(None)
    ),
)
"""Keys that a hold in force covers. Those above people's are replaced under a hold, too."""


def next_turn(connection: Connection, now_ms: int) -> int:
    """The turn of what this transaction decides: now, or later than the last."""
    turns = (func.max(_h.created_ms), func.max(_h.released_ms), func.max(_e.done_ms))
    last = max(int(connection.scalar(select(each)) or 0) for each in turns)
    return max(now_ms, last + 1)


def is_held(connection: Connection, tenant: str, subject: str) -> bool:
    """Whether a hold in force covers a person."""
    own = and_(_h.tenant == tenant, _h.subject.in_(["", subject]), _h.released_ms.is_(None))
    return connection.execute(select(_h.id).where(own).limit(1)).first() is not None


def is_blank(connection: Connection, tenant: str, subject: str) -> bool:
    """Whether a pseudonym was erased, with all that there was, and stands for nobody."""
    alive = and_(_k.tenant == tenant, _k.subject == subject, _k.destroyed_ms.is_(None))
    keys = select(_k.id).where(alive, _k.kind == DATA).limit(1)
    gone = connection.scalars(erased(tenant, subject)).first()
    return gone is not None and connection.execute(keys).first() is None


def erased(tenant: str, subject: str | None, *, ever: bool = False) -> Select[tuple[str]]:
    """The query of `SqlSealingKeys.erased`."""
    query = select(_e.subject).where(_e.tenant == tenant, _e.done_ms.is_not(None))
    if subject is not None:
        query = query.where(_e.subject == subject).limit(1)
    if not ever:
        own = and_(_h.tenant == _e.tenant, _h.subject == _e.subject, _h.released_ms.is_(None))
        query = query.where(~exists().where(own))
    return query
