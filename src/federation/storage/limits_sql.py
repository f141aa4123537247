"""Limits and meters in the relational store.

A turn is one transaction: on SQLite it has the whole store to itself, on PostgreSQL it locks its
meters in the order of their ids, so that turns of several replicas never wait in a circle. The
trap: a meter that is not there yet must be made in the same order, for making it locks it too.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, bindparam, delete, select, text

from federation.domain.limits import Counted, Limit, LimitScope, Meter, Method, meter_tenant
from federation.pricing.meters import Answer, Board, State, Turn, ends_ms, touched
from federation.storage.engine import reading, writing
from federation.storage.owned_rows import OwnedRows
from federation.storage.tables_limits import limit_holders, limit_meters, limits

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(State).decode
_m, _h = limit_meters.c, limit_holders.c

_FOREVER = 1 << 62
_MAKE = text(
    "INSERT INTO limit_meters (id, tenant, state, slots, ends_ms) "
    "VALUES (:id, :tenant, '{}', :slots, 0) ON CONFLICT DO NOTHING"
)
_NAMED = (
    select(_m.id, _m.state).where(_m.id.in_(bindparam("meters", expanding=True))).order_by(_m.id)
)
_LOCKED = _NAMED.with_for_update()
_SAVE = text("UPDATE limit_meters SET state = :state, ends_ms = :ends_ms WHERE id = :meter")
_HOLDS = text(
    "INSERT INTO limit_holders (holder, beats) VALUES (:holder, 0) ON CONFLICT DO NOTHING"
)
_BEAT = text("UPDATE limit_holders SET beats = beats + 1 WHERE holder = :holder")


class SqlLimits(OwnedRows[Limit]):
    """Limits in a database; implements `control.limits_ports.LimitStore`."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, limits, _row, _limit)


class SqlMeters:
    """Meters in a database; implements `control.limits_ports.MeterStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._named = _LOCKED if engine.dialect.name == "postgresql" else _NAMED

    def turn(self, turn: Turn) -> tuple[Answer, ...]:
        """Play a turn, an answer for each ask."""
        meters = touched(turn)
        if not meters:
            return ()
        names = sorted(meters)
        with writing(self._engine) as connection:
            rows = connection.execute(self._named, {"meters": names}).all()
            if len(rows) < len(names):
                rows = self._make(connection, meters, names)
            board = Board({row[0]: _decode(row[1]) for row in rows})
            answers = board.play(turn)
            self._save(connection, board, meters, turn.now_ms)
        return answers

    def state(self, meter: Meter) -> State:
        """What a meter has counted, as it was last played."""
        with reading(self._engine) as connection:
            found = connection.scalar(select(_m.state).where(_m.id == meter.id))
        return State() if found is None else _decode(found)

    def holders(self) -> dict[str, tuple[str, int]]:
        """Who holds slots, and their beats."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_h.holder, _h.beats).order_by(_h.holder))
            return {row[0]: (row[0], row[1]) for row in rows}

    def beat(self, holder: str) -> None:
        """This holder is alive."""
        with writing(self._engine) as connection:
            connection.execute(_BEAT, {"holder": holder})

    def drop(self, holder: str) -> None:
        """A holder is dead: its slots are free. Idempotent."""
        with writing(self._engine) as connection:
            query = select(_m.id, _m.state).where(_m.slots.is_(True)).order_by(_m.id)
            if self._engine.dialect.name == "postgresql":
                query = query.with_for_update()
            for name, found in connection.execute(query).all():
                state = _decode(found)
                if state.held.pop(holder, None) is not None:
                    row = {"meter": name, "state": _encode(state).decode()}
                    connection.execute(_SAVE, row | {"ends_ms": _FOREVER if state.held else 0})
            connection.execute(delete(limit_holders).where(_h.holder == holder))

    def sweep(self, now_ms: int) -> int:
        """Forget meters that are as new ones; how many."""
        with writing(self._engine) as connection:
            return connection.execute(delete(limit_meters).where(_m.ends_ms <= now_ms)).rowcount

    def _make(self, connection: Connection, meters: dict[str, Meter], names: list[str]) -> Any:
        connection.execute(
            _MAKE,
            [
                {
                    "id": name,
                    "tenant": meter_tenant(name),
                    "slots": meters[name].method is Method.SLOTS,
                }
                for name in names
            ],
        )
        return connection.execute(self._named, {"meters": names}).all()

    def _save(
        self, connection: Connection, board: Board, meters: dict[str, Meter], now_ms: int
    ) -> None:
        rows, holders = [], set[str]()
        for name in sorted(board.changed):
            state = board.states[name]
            ends = ends_ms(meters[name], state, now_ms)
            kept = _encode(state).decode()
            rows.append(
                {"meter": name, "state": kept, "ends_ms": _FOREVER if ends is None else ends}
            )
            holders.update(state.held)
        if rows:
            connection.execute(_SAVE, rows)
        if holders:
            connection.execute(_HOLDS, [{"holder": holder} for holder in sorted(holders)])


def _row(limit: Limit) -> dict[str, Any]:
    row = {name: getattr(limit, name) for name in limits.c.keys()}  # noqa: SIM118  not a dict
    return row | {name: row[name].value for name in ("scope", "counts", "method")}


def _limit(row: Any) -> Limit:
    return Limit(
        row.id,
        row.tenant,
        LimitScope(row.scope),
        row.subject,
        Counted(row.counts),
        row.amount,
        row.window_s,
        Method(row.method),
        row.burst,
        row.tier,
        row.created_ms,
    )
