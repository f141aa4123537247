"""Budgets, pots and leases in the relational store.

A turn is one transaction. On SQLite it has the whole store to itself; on PostgreSQL it locks
its pots in the order of their ids, so that turns of several replicas wait for each other and
never in a circle. The trap: a pot's row must exist, committed, before it can be locked, so a
new one is made beforehand in a transaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    bindparam,
    delete,
    insert,
    select,
    text,
    update,
)

from federation.domain.budgets import (
    Budget,
    Lease,
    Period,
    Pot,
    Scope,
    Standing,
    pot_budget,
    pot_tenant,
)
from federation.pricing.pots import Played, Till, Turn, touched
from federation.storage.engine import reading, writing
from federation.storage.tables import budgets, money_leases, money_pots, money_writers

_KNOWN = 100_000
"""Pots that are remembered to exist, so that not every turn asks."""
_BATCH = 500
_percents = msgspec.json.Decoder(tuple[int, ...]).decode

_p, _l, _w = money_pots.c, money_leases.c, money_writers.c

_POTS = select(_p.id, _p.cap_nano, _p.hard, _p.spent_nano, _p.reserved_nano, _p.overrun_nano)
_LEASES = select(money_leases)
_NAMED = _POTS.where(_p.id.in_(bindparam("pots", expanding=True))).order_by(_p.id)
LOCKED = _NAMED.with_for_update()
# In this form both databases look into an index for each side of the OR.
CHOSEN = _LEASES.where(
    (
        _l.writer.in_(bindparam("writers", expanding=True))
        & _l.pot.in_(bindparam("pots", expanding=True))
    )
    | (_l.writer.in_(bindparam("asking", expanding=True)) & _l.closed.is_(True))
)
CLOSING = _LEASES.where(
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
_BEAT = text(
    "INSERT INTO money_writers (writer, replica, beats) VALUES (:writer, :replica, 1) "
    "ON CONFLICT (writer) DO UPDATE SET beats = money_writers.beats + 1, "
    "replica = excluded.replica"
)

RECOUNT = text(
    "UPDATE money_pots SET "
    "spent_nano = (SELECT COALESCE(SUM(spent_nano), 0) FROM money_leases "
    "WHERE pot = money_pots.id), "
    "overrun_nano = (SELECT COALESCE(SUM(overrun_nano), 0) FROM money_leases "
    "WHERE pot = money_pots.id), "
    "reserved_nano = (SELECT COALESCE(SUM(granted_nano + overrun_nano - returned_nano "
    "- spent_nano), 0) FROM money_leases WHERE pot = money_pots.id AND NOT closed)"
)
"""A pot's row is the sum of its leases."""


class SqlBudgets:
    """Budgets in a database; implements `control.budgets_ports.BudgetStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, budget: Budget) -> None:
        """Keep a budget in the place of any of its tenant's with its id."""
        row = {name: getattr(budget, name) for name in budgets.c.keys()}  # noqa: SIM118  not a dict
        row |= {"scope": budget.scope.value, "period": budget.period.value}
        row["alerts"] = msgspec.json.encode(budget.alerts).decode()
        with writing(self._engine) as connection:
            connection.execute(delete(budgets).where(*_owned(budget.tenant, budget.id)))
            connection.execute(insert(budgets), row)

    def find(self, tenant: str, budget: str) -> Budget | None:
        """One of a tenant's budgets; None where it has none of this id."""
        query = select(budgets).where(*_owned(tenant, budget))
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _budget(row)

    def list(self, tenant: str | None) -> list[Budget]:
        """A tenant's budgets (None: everyone's), oldest first."""
        query = select(budgets).order_by(budgets.c.created_ms, budgets.c.id, budgets.c.tenant)
        if tenant is not None:
            query = query.where(budgets.c.tenant == tenant)
        with reading(self._engine) as connection:
            return [_budget(row) for row in connection.execute(query)]

    def remove(self, tenant: str, budget: str) -> bool:
        """End a budget; what was counted stays. False where `find` would find none."""
        gone = delete(budgets).where(*_owned(tenant, budget))
        with writing(self._engine) as connection:
            return bool(connection.execute(gone).rowcount)


class SqlPots:
    """Pots and leases in a database; implements `control.budgets_ports.PotStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: set[str] = set()

    def turn(self, turn: Turn) -> Played:
        """Play a turn in one transaction, all or nothing."""
        pots, places = touched(turn)
        self.make(turn)
        with writing(self._engine) as connection:
            till = _till(connection, pots, places, turn.closes)
            played = till.play(turn)
            save_pots(connection, (till.pots[name] for name in till.changed_pots))
            save_leases(connection, (till.leases[place] for place in till.changed_leases))
            forget_writers(connection, turn.closes)
        return played

    def make(self, turn: Turn) -> None:
        """Have a row for each pot of a turn."""
        caps = {want.pot.id: want.pot for ask in turn.asks for want in ask.wants}
        notes = {note.pot: Pot(note.pot, 0) for note in turn.notes}
        fresh = {pot: of for pot, of in (notes | caps).items() if pot not in self._known}
        if not fresh:
            return
        rows = [
            {
                "id": pot,
                "tenant": pot_tenant(pot),
                "budget": pot_budget(pot)[1],
                "cap_nano": of.cap_nano,
                "hard": of.hard,
            }
            for pot, of in sorted(fresh.items())
        ]
        with writing(self._engine) as connection:
            connection.execute(_MAKE, rows)
        if len(self._known) > _KNOWN:
            self._known.clear()
        self._known.update(fresh)

    def recount(self) -> None:
        """Sum all pots anew: for the first start without the Redis that counted them before.

        No other control process may be at work meanwhile with that Redis; those that keep their
        budgets here wait.
        """
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                # Turns hold rows of this table: what they add would be overwritten by sums of
                # the moment before.
                connection.exec_driver_sql("LOCK TABLE money_pots IN EXCLUSIVE MODE")
            connection.execute(RECOUNT)

    def prune(self, over: Callable[[str], bool]) -> int:
        """Forget pots that are `over`, and their leases; how many. One of which a writer still
        holds a lease stays."""
        with reading(self._engine) as connection:
            old = sorted(pot for pot in connection.scalars(select(_p.id)) if over(pot))
        gone = 0
        for at in range(0, len(old), _BATCH):
            batch = old[at : at + _BATCH]
            held = select(_l.pot).where(_l.pot.in_(batch), _l.closed.is_(False))
            with writing(self._engine) as connection:
                free = sorted(set(batch) - set(connection.scalars(held)))
                connection.execute(delete(money_leases).where(_l.pot.in_(free)))
                connection.execute(delete(money_pots).where(_p.id.in_(free)))
            self._known.difference_update(free)
            gone += len(free)
        return gone

    def forget(self, writers: Collection[str]) -> None:
        """These workers are gone: their beats are no longer waited for."""
        if writers:
            with writing(self._engine) as connection:
                forget_writers(connection, writers)

    def standings(self, tenant: str, budget: str) -> list[Standing]:
        """Every pot of a tenant's budget, by id."""
        query = _POTS.where(_p.budget == budget, _p.tenant == tenant).order_by(_p.id)
        with reading(self._engine) as connection:
            return [Standing(*row) for row in connection.execute(query)]

    def leases(self, writer: str | None = None) -> list[Lease]:
        """The open leases of a writer (None: of all), by writer and pot."""
        query = _LEASES.where(_l.closed.is_(False)).order_by(_l.writer, _l.pot)
        if writer is not None:
            query = query.where(_l.writer == writer)
        with reading(self._engine) as connection:
            return [Lease(*row) for row in connection.execute(query)]

    def alerted(self, pot: str, percent: int) -> bool:
        """Note that an alert is due; False where it, or a higher one, was noted before."""
        due = update(money_pots).where(_p.id == pot, _p.alerted < percent).values(alerted=percent)
        with writing(self._engine) as connection:
            return bool(connection.execute(due).rowcount)

    def beat(self, replica: str, writers: Collection[str]) -> None:
        """These workers of a replica are alive."""
        rows = [{"writer": writer, "replica": replica} for writer in sorted(writers)]
        if rows:
            with writing(self._engine) as connection:
                connection.execute(_BEAT, rows)

    def beats(self) -> dict[str, tuple[str, int]]:
        """Replica and number of beats of every writer that was never closed."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_w.writer, _w.replica, _w.beats))
            return {writer: (replica, beats) for writer, replica, beats in rows}


def _owned(tenant: str, budget: str) -> tuple[ColumnElement[bool], ...]:
    return budgets.c.tenant == tenant, budgets.c.id == budget


def _till(
    connection: Connection,
    pots: set[str],
    places: Collection[tuple[str, str]],
    closes: Collection[str],
) -> Till:
    """What a turn needs, with its pots held."""
    standings: dict[str, Standing] = {}
    ending = closing(connection, closes)
    # What was read before a pot is held may have changed until then, and leases may have
    # come, though hardly ever; so they are read again until all their pots are held.
    while True:
        pots = pots | {lease.pot for lease in ending}
        if pots <= standings.keys():
            break
        standings |= locked(connection, pots - standings.keys())
        ending = closing(connection, closes)
    leases = chosen(connection, places)
    leases |= {(each.writer, each.pot): each for each in ending}
    return Till(standings, leases)


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


def _budget(row: Row[Any]) -> Budget:
    return Budget(
        id=row.id,
        tenant=row.tenant,
        scope=Scope(row.scope),
        subject=row.subject,
        limit_nano=row.limit_nano,
        period=Period(row.period),
        zone=row.zone,
        hard=row.hard,
        alerts=_percents(row.alerts),
        created_ms=row.created_ms,
    )
