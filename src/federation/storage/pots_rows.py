"""Rows of pots, leases and writers: the statements of a turn, in a transaction of the caller's.

The trap: what is read of a pot counts only while its row is held (`locked`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, text

from federation.domain.budgets import Lease, Pot, Standing, pot_budget, pot_tenant
from federation.storage.tables import money_leases, money_pots, money_writers

_p, _l, _w = money_pots.c, money_leases.c, money_writers.c

POTS = select(_p.id, _p.cap_nano, _p.hard, _p.spent_nano, _p.reserved_nano, _p.overrun_nano)
LEASES = select(money_leases)
_NAMED = POTS.where(_p.id.in_(bindparam("pots", expanding=True))).order_by(_p.id)
LOCKED = _NAMED.with_for_update()
# In this form both databases look into an index for each side of the OR.
CHOSEN = LEASES.where(
    (
        _l.writer.in_(bindparam("writers", expanding=True))
        & _l.pot.in_(bindparam("pots", expanding=True))
    )
    | (_l.writer.in_(bindparam("asking", expanding=True)) & _l.closed.is_(True))
)
CLOSING = LEASES.where(
    _l.writer.in_(bindparam("writers", expanding=True)), _l.closed.is_(False)
).order_by(_l.pot)

_MAKE = text(
    "INSERT INTO money_pots (id, tenant, budget, cap_nano, hard, spent_nano, reserved_nano, "
    "overrun_nano, alerted, generation) "
    "VALUES (:id, :tenant, :budget, :cap_nano, :hard, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING"
)
_SAVE_POT = text(
    "UPDATE money_pots SET cap_nano = :cap_nano, hard = :hard, spent_nano = :spent_nano, "
    "reserved_nano = :reserved_nano, overrun_nano = :overrun_nano WHERE id = :pot"
)
_SAVE_LEASE = text(
    "INSERT INTO money_leases (writer, pot, granted_nano, spent_nano, returned_nano, "
    "overrun_nano, closed) VALUES (:writer, :pot, :granted_nano, :spent_nano, :returned_nano, "
    ":overrun_nano, :closed) ON CONFLICT (writer, pot) DO UPDATE SET "
    "granted_nano = excluded.granted_nano, spent_nano = excluded.spent_nano, "
    "returned_nano = excluded.returned_nano, overrun_nano = excluded.overrun_nano, "
    "closed = excluded.closed"
)
BEAT = text(
    "INSERT INTO money_writers (writer, replica, beats) VALUES (:writer, :replica, 1) "
    "ON CONFLICT (writer) DO UPDATE SET beats = money_writers.beats + 1, "
    "replica = excluded.replica"
)

_SUMS = (
    "UPDATE money_pots SET "
    "spent_nano = (SELECT COALESCE(SUM(spent_nano), 0) FROM money_leases "
    "WHERE pot = money_pots.id), "
    "overrun_nano = (SELECT COALESCE(SUM(overrun_nano), 0) FROM money_leases "
    "WHERE pot = money_pots.id), "
    "reserved_nano = (SELECT COALESCE(SUM(granted_nano + overrun_nano - returned_nano "
    "- spent_nano), 0) FROM money_leases WHERE pot = money_pots.id AND NOT closed)"
)
RECOUNT = text(_SUMS)
"""A pot's row is the sum of its leases."""
RECOUNT_NAMED = text(f"{_SUMS} WHERE id IN :pots").bindparams(bindparam("pots", expanding=True))


def make_pots(connection: Connection, pots: Iterable[Pot]) -> None:
    """Have a row for each of these pots; one that is there stays as it is."""
    rows = [
        {
            "id": pot.id,
            "tenant": pot_tenant(pot.id),
            "budget": pot_budget(pot.id)[1],
            "cap_nano": pot.cap_nano,
            "hard": pot.hard,
        }
        for pot in sorted(pots, key=lambda pot: pot.id)
    ]
    connection.execute(_MAKE, rows)


def locked(connection: Connection, pots: Collection[str]) -> dict[str, Standing]:
    """These pots, held until the transaction ends."""
    rows = connection.execute(LOCKED, {"pots": sorted(pots)}) if pots else ()
    return {row[0]: Standing(*row) for row in rows}


def closing(connection: Connection, writers: Collection[str]) -> list[Lease]:
    """The open leases of writers that are gone."""
    rows = connection.execute(CLOSING, {"writers": list(writers)}) if writers else ()
    return [Lease(*row) for row in rows]


def chosen(
    connection: Connection, places: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Lease]:
    """The leases at these places (writer and pot), and maybe others of these writers."""
    if not places:
        return {}
    writers = list({writer for writer, _ in places})
    named = {
        "writers": writers,
        "asking": writers,
        "pots": list({pot for _, pot in places}),
    }
    return {(row[0], row[1]): Lease(*row) for row in connection.execute(CHOSEN, named)}


def save_pots(connection: Connection, pots: Iterable[Standing]) -> None:
    """Save how pots stand, which the caller has locked."""
    if rows := [_fields(pot, Standing) for pot in pots]:
        connection.execute(_SAVE_POT, rows)


def save_leases(connection: Connection, leases: Iterable[Lease]) -> None:
    """Save leases, in the place of any of the same writer and pot."""
    if rows := [_fields(lease, Lease) for lease in leases]:
        connection.execute(_SAVE_LEASE, rows)


def forget_writers(connection: Connection, writers: Collection[str]) -> None:
    """Their beats are no longer waited for."""
    if writers:
        connection.execute(delete(money_writers).where(_w.writer.in_(list(writers))))


def _fields(row: object, shape: type[Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in shape.__slots__}
