"""Pots in Redis, leases in the relational store: for replicas that share both.

Redis decides, at once for all replicas; the relational store makes what it decided durable,
before anybody is told. So no row of a pot is fought over, only the rows of one's own leases are
written. What Redis holds can be lost at any time, for a pot that is missing there is read from
the leases before anything of it is granted.

The trap is what is under way while a pot is read again. Each reading has a number, its
generation, which is raised in the relational store under the pot's lock; a grant is only durable
under the generation that Redis decided it in. A grant that is not is void: it is taken back
where it still stands, and the turn is played again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec
import redis
from sqlalchemy import Connection, Engine, bindparam, case, select, text, update

from federation.domain.budgets import Lease, Pot, Standing, pot_tenant
from federation.errors import Unavailable
from federation.pricing.pots import Played, Turn
from federation.storage.budgets_sql import SqlPots
from federation.storage.engine import reading, writing
from federation.storage.pots_rows import CHOSEN, CLOSING, make_pots
from federation.storage.redis_lua import LOAD, TURN, UNDO
from federation.storage.redis_turns import Part, Result, parts, played
from federation.storage.tables import money_leases, money_pots

KEEP_S = 7 * 86_400
"""What was not touched for so long leaves Redis; it is read again when it is needed."""
_TRIES = 8
_CAPS = 100_000
_BATCH = 500
_PAUSE_S = 0.002
_FIELDS = ("cap", "hard", "spent", "reserved", "overrun")
_p, _l = money_pots.c, money_leases.c
_result = msgspec.json.Decoder(Result).decode

_HELD = (
    select(_p.id, _p.generation)
    .where(_p.id.in_(bindparam("pots", expanding=True)))
    .order_by(_p.id)
    .with_for_update(read=True)
)
_DURABLE = text(
    "INSERT INTO money_leases (writer, pot, granted_nano, spent_nano, returned_nano, "
    "overrun_nano, closed) VALUES (:writer, :pot, :granted_nano, :spent_nano, :returned_nano, "
    ":overrun_nano, :closed) ON CONFLICT (writer, pot) DO UPDATE SET "
    "granted_nano = CASE WHEN excluded.granted_nano > money_leases.granted_nano "
    "THEN excluded.granted_nano ELSE money_leases.granted_nano END, "
    "spent_nano = CASE WHEN excluded.spent_nano > money_leases.spent_nano "
    "THEN excluded.spent_nano ELSE money_leases.spent_nano END, "
    "returned_nano = CASE WHEN excluded.returned_nano > money_leases.returned_nano "
    "THEN excluded.returned_nano ELSE money_leases.returned_nano END, "
    "overrun_nano = CASE WHEN excluded.overrun_nano > money_leases.overrun_nano "
    "THEN excluded.overrun_nano ELSE money_leases.overrun_nano END, "
    "closed = excluded.closed OR money_leases.closed"
)
"""Totals only grow, so the larger is the later one."""


class _Stale(Exception):
    """Redis decided on an older reading of these pots than the relational store knows."""

    def __init__(self, pots: list[str]) -> None:
        super().__init__()
        self.pots = pots


class RedisPots:
    """Implements `control.budgets_ports.PotStore` for a Redis and a database that replicas share.

    `client` must raise rather than wait for ever: give it a socket timeout. `epoch` says
    which run of the server it reached last: what another one holds may be an older copy, and
    is read again before anything of it is granted.
    """

    def __init__(
        self, client: redis.Redis, engine: Engine, epoch: Callable[[], int] | None = None
    ) -> None:
        self._client = client
        self._epoch = epoch
        self._recovered: int | None = None
        """The epoch in which every pot was read again."""
        self._engine = engine
        self._sql = SqlPots(engine)
        self._turn = client.register_script(TURN)
        self._load = client.register_script(LOAD)
        self._back = client.register_script(UNDO)
        self._caps: dict[str, tuple[int, bool]] = {}
        self._suspect: set[str] = set()
        """Pots of which Redis may have granted what nobody was told of."""
        self.leases = self._sql.leases
        self.alerted = self._sql.alerted
        self.beat = self._sql.beat
        self.beats = self._sql.beats
        self.prune = self._sql.prune  # what is left of one in Redis expires

    def recover(self) -> None:
        """Have every pot read again: what a control process that died had under way is void.

        For the start of a control process; others go on meanwhile.
        """
        with writing(self._engine) as connection:
            connection.execute(update(money_pots).values(generation=_p.generation + 1))
            pots = [row[0] for row in connection.execute(select(_p.id))]
        try:
            self._client.ping()  # connects: the epoch is that of the server which is emptied
            epoch = 0 if self._epoch is None else self._epoch()
            for at in range(0, len(pots), _BATCH):
                pipe = self._client.pipeline(transaction=False)
                for pot in pots[at : at + _BATCH]:
                    pipe.delete(_key(pot))  # each alone: they lie in many slots of a cluster
                pipe.execute()
        except redis.RedisError as error:
            raise _unavailable(error) from error
        self._recovered = epoch

    def turn(self, turn: Turn) -> Played:
        """Play a turn in Redis and make it durable; all or nothing for each tenant's part."""
        with reading(self._engine) as connection:
            ending = _ending(connection, turn.closes)
            closed = _closed(connection, {ask.writer for ask in turn.asks})
        self._sql.make(turn)
        self._save_caps(turn)
        split = parts(turn, ending, closed)
        try:
            results = [(part, self._play(part)) for part in split]
        except redis.RedisError as error:
            self._suspect.update(pot for part in split for pot in part.pots)
            raise _unavailable(error) from error
        except Unavailable:
            self._suspect.update(pot for part in split for pot in part.pots)
            raise
        self._sql.forget(turn.closes)
        return played(turn, results)

    def standings(self, tenant: str, budget: str) -> list[Standing]:
        """Every pot of a tenant's budget, by id."""
        return self._shown(self._sql.standings(tenant, budget))

    def of_period(self, tenant: str, budget: str, start_ms: int) -> list[Standing]:
        """The pots of a tenant's budget in the period that begins then, by id."""
        return self._shown(self._sql.of_period(tenant, budget, start_ms))

    def _shown(self, rows: list[Standing]) -> list[Standing]:
        """How pots stand now. A look changes nothing: one that Redis does not hold, or may hold
        wrongly, is as its leases say."""
        found = []
        for at in range(0, len(rows), _BATCH):
            batch = rows[at : at + _BATCH]
            known = self._looked_up(batch)
            sums = self._sql.summed([row.pot for row in batch if row.pot not in known])
            for row in batch:
                spent, reserved, overrun = sums.get(row.pot, (0, 0, 0))
                other = Standing(row.pot, row.cap_nano, row.hard, spent, reserved, overrun)
                found.append(known.get(row.pot, other))
        return found

    def _looked_up(self, rows: list[Standing]) -> dict[str, Standing]:
        """Those of the pots that Redis holds."""
        pipe = self._client.pipeline(transaction=False)
        for row in rows:
            pipe.hmget(_key(row.pot), _FIELDS)
        try:
            answers = pipe.execute()
        except redis.RedisError as error:
            raise _unavailable(error) from error
        if not self._same:
            return {}
        return {
            row.pot: Standing(row.pot, int(cap), int(hard) == 1, *map(int, amounts))
            for row, (cap, hard, *amounts) in zip(rows, answers, strict=True)
            if cap is not None and row.pot not in self._suspect
        }

    def _save_caps(self, turn: Turn) -> None:
        """Keep limits that were changed, for the next reading."""
        pots = {want.pot.id: want.pot for ask in turn.asks for want in ask.wants}
        for name, pot in pots.items():
            cap = (pot.cap_nano, pot.hard)
            if self._caps.get(name) != cap:
                named = _p.id == name
                changed = named & ((_p.cap_nano != pot.cap_nano) | (_p.hard != pot.hard))
                with writing(self._engine) as connection:
                    connection.execute(
                        update(money_pots)
                        .where(changed)
                        .values(cap_nano=pot.cap_nano, hard=pot.hard)
                    )
                self._caps[name] = cap
        if len(self._caps) > _CAPS:
            self._caps.clear()

    def _play(self, part: Part) -> Result:
        if suspect := self._suspect.intersection(part.pots):
            self._read_again(suspect)
            self._suspect -= suspect
        for again in range(_TRIES):
            if not self._same:
                self.recover()
            answer = self._turn(keys=[_key(pot) for pot in part.pots], args=[part.json(), KEEP_S])
            if not self._same:
                continue  # it was another server that decided this
            result = _result(answer)
            if result.missing:
                self._read_again([part.pots[n - 1] for n in result.missing])
                continue
            try:
                self._keep(part, result)
            except _Stale as stale:
                self._undo(part, result)
                # Whoever raised the generation is about to put that reading there; only if
                # it died over it is it for us to do, or where leases ended: Redis would not
                # tell of them a second time.
                time.sleep(_PAUSE_S)
                if part.ending or again >= _TRIES // 2:
                    self._read_again(stale.pots)
            else:
                return result
        raise Unavailable(
            "The budgets are read anew too often; try again in a moment.",
            code="store_unavailable",
            retry_after_s=1.0,
        )

    @property
    def _same(self) -> bool:
        """Whether the server is still the one whose pots were read again."""
        return self._epoch is None or self._epoch() == self._recovered

    def _keep(self, part: Part, result: Result) -> None:
        """Make the leases of a turn durable, if they were decided on the latest reading."""
        if not result.leases:
            return
        rows = [part.lease(row) for row in result.leases]
        with writing(self._engine) as connection:
            held = connection.execute(_HELD, {"pots": sorted({row["pot"] for row in rows})})
            latest = {row.id: row.generation for row in held}
            decided = part.read(result)
            if stale := [pot for pot, each in decided if latest.get(pot) != each]:
                raise _Stale(stale)
            connection.execute(_DURABLE, sorted(rows, key=lambda row: (row["pot"], row["writer"])))

    def _undo(self, part: Part, result: Result) -> None:
        """Take back what a turn granted in Redis and could not make durable."""
        rows = [part.lease(row) for row in result.leases]
        named = {
            "writers": list({row["writer"] for row in rows}),
            "pots": list({row["pot"] for row in rows}),
            "asking": [],
        }
        with reading(self._engine) as connection:
            durable = {(row[0], row[1]): row[2] for row in connection.execute(CHOSEN, named)}
        decided = dict(part.read(result))
        keys, back = [], []
        for row in rows:
            writer, pot = row["writer"], row["pot"]
            keys.append(_key(pot))
            back.append([str(decided[pot]), writer, str(durable.get((writer, pot), 0))])
        self._back(keys=keys, args=[msgspec.json.encode(back)])

    def _read_again(self, pots: Iterable[str]) -> None:
        """Put pots into Redis as their leases say, under a new generation."""
        for pot in sorted(pots):
            # Redis may know of a later reading than the relational store, where somebody else
            # forgot the pot or the store went back in time: this one has to count more.
            there: Any = self._client.hget(_key(pot), "generation")
            with writing(self._engine) as connection:
                if not _raised(connection, pot, int(there or 0)):
                    make_pots(connection, [Pot(pot, 0)])
                    _raised(connection, pot, int(there or 0))
                    self._caps.pop(pot, None)
                generation, fields = _reading(connection, pot)
            self._load(keys=[_key(pot)], args=[generation, KEEP_S, *fields])


def _raised(connection: Connection, pot: str, known: int) -> bool:
    """Whether there is a row of this pot; its generation is above what it was and `known`."""
    higher = case((_p.generation > known, _p.generation), else_=known) + 1
    raised = update(money_pots).where(_p.id == pot).values(generation=higher)
    return bool(connection.execute(raised).rowcount)


def _reading(connection: Connection, pot: str) -> tuple[int, list[str | int]]:
    """The generation of a pot, and its fields for Redis: sums of what is durable."""
    row = connection.execute(select(_p.generation, _p.cap_nano, _p.hard).where(_p.id == pot)).one()
    leases = [
        Lease(*each) for each in connection.execute(select(money_leases).where(_l.pot == pot))
    ]
    spent = sum(lease.spent_nano for lease in leases)
    reserved = sum(lease.reserved_nano for lease in leases)
    overrun = sum(lease.overrun_nano for lease in leases)
    sums = {"spent_nano": spent, "reserved_nano": reserved, "overrun_nano": overrun}
    connection.execute(update(money_pots).where(_p.id == pot).values(**sums))
    fields: list[str | int] = ["cap", row.cap_nano, "hard", int(row.hard), "spent", spent]
    fields += ["reserved", reserved, "overrun", overrun]
    for lease in leases:
        totals = (
            lease.granted_nano,
            lease.spent_nano,
            lease.returned_nano,
            lease.overrun_nano,
            int(lease.closed),
        )
        fields += [f"w:{lease.writer}", " ".join(map(str, totals))]
    return row.generation, fields


def _ending(connection: Connection, writers: Sequence[str]) -> list[tuple[str, str]]:
    rows: Any = connection.execute(CLOSING, {"writers": list(writers)}) if writers else ()
    return [(row[0], row[1]) for row in rows]


def _closed(connection: Connection, writers: Collection[str]) -> set[str]:
    """Those of the writers that were taken for dead."""
    if not writers:
        return set()
    named = {"writers": [], "pots": [], "asking": list(writers)}
    return {row[0] for row in connection.execute(CHOSEN, named)}


def _key(pot: str) -> str:
    """All pots of a tenant lie in one slot of a cluster."""
    tenant = pot_tenant(pot)
    return f"federation:money:{{{tenant}}}:{pot[len(tenant) + 1 :]}"


def _unavailable(error: redis.RedisError) -> Unavailable:
    return Unavailable(
        f"Redis cannot be used just now: {error}.", code="store_unavailable", retry_after_s=5.0
    )
