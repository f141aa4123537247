"""Budgets, pots and leases in the relational store.

A turn is one transaction. On SQLite it has the whole store to itself; on PostgreSQL it locks
its pots in the order of their ids, so that turns of several replicas wait for each other and
never in a circle. The trap: a pot's row must exist, committed, before it can be locked, so a
new one is made beforehand in a transaction of its own, and one that another replica forgot
meanwhile is made anew in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    case,
    delete,
    func,
    select,
    update,
)

from federation.domain.budgets import (
    Budget,
    Lease,
    Period,
    Pot,
    Scope,
    Standing,
)
from federation.errors import Unavailable
from federation.pricing.pots import Played, Till, Turn, touched
from federation.storage.engine import reading, writing
from federation.storage.owned_rows import OwnedRows
from federation.storage.pots_rows import (
    BEAT,
    LEASES,
    POTS,
    RECOUNT,
    RECOUNT_NAMED,
    chosen,
    closing,
    forget_writers,
    locked,
    make_pots,
    save_leases,
    save_pots,
)
from federation.storage.tables import budgets, money_leases, money_pots, money_writers

_KNOWN = 100_000
"""Pots that are remembered to exist, so that not every turn asks."""
_BATCH = 500
_p, _l, _w = money_pots.c, money_leases.c, money_writers.c
_percents = msgspec.json.Decoder(tuple[int, ...]).decode


class _Unmade(Unavailable):
    """Pots that have no row, though they had one: somebody else forgot them."""

    def __init__(self, pots: Collection[str]) -> None:
        message = "The budgets' pots were made anew; try again in a moment."
        super().__init__(message, code="store_unavailable", retry_after_s=1.0)
        self.pots = pots


class SqlBudgets(OwnedRows[Budget]):
    """Budgets in a database; implements `control.budgets_ports.BudgetStore`."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, budgets, _row, _budget)


class SqlPots:
    """Pots and leases in a database; implements `control.budgets_ports.PotStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: set[str] = set()

    def turn(self, turn: Turn) -> Played:
        """Play a turn in one transaction, all or nothing."""
        self.make(turn)
        try:
            return self._play(turn)
        except _Unmade as gone:
            self._remake(turn, gone.pots)
            return self._play(turn)

    def _play(self, turn: Turn) -> Played:
        pots, places = touched(turn)
        with writing(self._engine) as connection:
            till = _till(connection, pots, places, turn.closes)
            played = till.play(turn)
            save_pots(connection, (till.pots[name] for name in till.changed_pots))
            save_leases(connection, (till.leases[place] for place in till.changed_leases))
            forget_writers(connection, turn.closes)
        return played

    def make(self, turn: Turn) -> None:
        """Have a row for each pot of a turn."""
        fresh = {pot: of for pot, of in _named(turn).items() if pot not in self._known}
        if not fresh:
            return
        with writing(self._engine) as connection:
            make_pots(connection, fresh.values())
        if len(self._known) > _KNOWN:
            self._known.clear()
        self._known.update(fresh)

    def _remake(self, turn: Turn, pots: Collection[str]) -> None:
        """Have a row again for pots that somebody else forgot."""
        named = _named(turn)
        with writing(self._engine) as connection:
            make_pots(connection, (named.get(pot) or Pot(pot, 0) for pot in pots))
            locked(connection, pots)
            connection.execute(RECOUNT_NAMED, {"pots": list(pots)})

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
                # Who holds its row may be about to grant of it: that comes before the look.
                there = locked(connection, batch).keys()
                free = sorted(there - set(connection.scalars(held)))
                connection.execute(delete(money_leases).where(_l.pot.in_(free)))
                connection.execute(delete(money_pots).where(_p.id.in_(free)))
            self._known.difference_update(batch)
            gone += len(free)
        return gone

    def forget(self, writers: Collection[str]) -> None:
        """These workers are gone: their beats are no longer waited for."""
        if writers:
            with writing(self._engine) as connection:
                forget_writers(connection, writers)

    def standings(self, tenant: str, budget: str) -> list[Standing]:
        """Every pot of a tenant's budget, by id."""
        return self._standings(_p.budget == budget, _p.tenant == tenant)

    def of_period(self, tenant: str, budget: str, start_ms: int) -> list[Standing]:
        """The pots of a tenant's budget in the period that begins then, by id."""
        ends = _p.id.like(f"%/{start_ms}")
        return self._standings(_p.budget == budget, _p.tenant == tenant, ends)

    def _standings(self, *chosen: ColumnElement[bool]) -> list[Standing]:
        query = POTS.where(*chosen).order_by(_p.id)
        with reading(self._engine) as connection:
            return [Standing(*row) for row in connection.execute(query)]

    def summed(self, pots: Collection[str]) -> dict[str, tuple[int, int, int]]:
        """What is spent, reserved and overrun of pots by their leases; at most some hundreds."""
        held = _l.granted_nano + _l.overrun_nano - _l.returned_nano - _l.spent_nano
        reserved = case((_l.closed, 0), else_=held)
        query = select(_l.pot, *map(func.sum, (_l.spent_nano, reserved, _l.overrun_nano))).where(
            _l.pot.in_(pots)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.group_by(_l.pot)).all() if pots else []
        # PostgreSQL's sums are decimals.
        return {row[0]: (int(row[1]), int(row[2]), int(row[3])) for row in rows}

    def leases(self, writer: str | None = None) -> list[Lease]:
        """The open leases of a writer (None: of all), by writer and pot."""
        query = LEASES.where(_l.closed.is_(False)).order_by(_l.writer, _l.pot)
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
                connection.execute(BEAT, rows)

    def beats(self) -> dict[str, tuple[str, int]]:
        """Replica and number of beats of every writer that was never closed."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_w.writer, _w.replica, _w.beats))
            return {writer: (replica, beats) for writer, replica, beats in rows}


def _named(turn: Turn) -> dict[str, Pot]:
    """The pots of a turn with their limits, of which notes know nothing."""
    caps = {want.pot.id: want.pot for ask in turn.asks for want in ask.wants}
    return {note.pot: Pot(note.pot, 0) for note in turn.notes} | caps


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
        wanted = pots - standings.keys()
        if not wanted:
            break
        found = locked(connection, wanted)
        if len(found) < len(wanted):
            raise _Unmade(wanted - found.keys())
        standings |= found
        ending = closing(connection, closes)
    leases = chosen(connection, places)
    leases |= {(each.writer, each.pot): each for each in ending}
    return Till(standings, leases)


def _row(budget: Budget) -> dict[str, Any]:
    row = {name: getattr(budget, name) for name in budgets.c.keys()}  # noqa: SIM118  not a dict
    row |= {"scope": budget.scope.value, "period": budget.period.value}
    return row | {"alerts": msgspec.json.encode(budget.alerts).decode()}


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
