"""Meters in Redis, for replicas: a turn is one script for each tenant.

The traps. A script's keys must lie in one slot of a cluster, and a slot has one tenant; where an
ask wants of the operator's meters too, these are asked last, and what was taken is given back
where they refuse. And a Redis may lose its memory: what counts for longer than a day is
therefore counted in the database, which is asked after Redis and in the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import redis

from federation.domain.limits import DAY, EVERY, Meter, Method, meter_tenant, window_at
from federation.errors import Unavailable
from federation.pricing.meters import (
    SKEW_MS,
    SLOT_WAIT_MS,
    Answer,
    Ask,
    Given,
    Note,
    Part,
    Short,
    State,
    Turn,
    cells_of,
    lasts_ms,
    soon,
    touched,
)
from federation.storage.limits_lua import DROP, TURN
from federation.storage.limits_sql import SqlMeters

_HOLDERS: Final = "federation:limits:holders"
_SLOTS: Final = "federation:limits:slots"
_LASTING: Final = "\n"
"""The room of what counts for long; no tenant is called so."""


class _Said(msgspec.Struct):
    short: tuple[int, str, str, str] | None = None
    parts: list[tuple[str, str, str]] = []


_said = msgspec.json.Decoder(list[_Said])


class RedisMeters:
    """Meters in Redis; implements `control.limits_ports.MeterStore`."""

    def __init__(self, client: redis.Redis, lasting: SqlMeters) -> None:
        self._client = client
        self._lasting = lasting
        self._script = client.register_script(TURN)
        self._drop = client.register_script(DROP)
        self._slots: set[str] = set()
        """Those that this replica has ever touched."""

    def turn(self, turn: Turn) -> tuple[Answer, ...]:
        """Play a turn, an answer for each ask."""
        meters = touched(turn)
        rooms = sorted({_room(meter) for meter in meters.values()}, key=_late)
        found: list[dict[str, Part]] = [{} for _ in turn.asks]
        short: dict[int, Short] = {}
        for room in rooms:
            asking = [
                (n, Ask(ask.holder, wants))
                for n, ask in enumerate(turn.asks)
                if n not in short
                and (wants := tuple(want for want in ask.wants if _room(want.meter) == room))
            ]
            answers = self._played(room, turn, tuple(ask for _, ask in asking))
            for (n, ask), answer in zip(asking, answers, strict=True):
                if isinstance(answer, Short):
                    short[n] = answer
                else:
                    names = (want.meter.id for want in ask.wants)
                    found[n].update(zip(names, answer.parts, strict=True))
        self._give_back(turn, found, short)
        return tuple(
            short.get(n) or Given(tuple(found[n][want.meter.id] for want in ask.wants))
            for n, ask in enumerate(turn.asks)
        )

    def state(self, meter: Meter) -> State:
        """What a meter has counted, as it was last played."""
        if _room(meter) == _LASTING:
            return self._lasting.state(meter)
        state = State()
        row: Any = self._asked(lambda: self._client.hgetall(_key(meter.id)))
        for name, value in row.items():
            word, count = name.decode(), int(value)
            if word == "level":
                state.level = count
            elif word == "at":
                state.at_ms = count
            elif word.startswith("c:"):
                state.cells[int(word[2:])] = count
            else:
                state.held[word[2:]] = count
        return state

    def holders(self) -> dict[str, tuple[str, int]]:
        """Who holds slots, and their beats."""
        found: Any = self._asked(lambda: self._client.hgetall(_HOLDERS))
        names = {name.decode(): int(beats) for name, beats in found.items()}
        return {name: (name, beats) for name, beats in sorted(names.items())}

    def beat(self, holder: str) -> None:
        """This holder is alive."""

        def say() -> None:
            if self._slots:  # a Redis that lost its memory has lost the index, too
                self._client.sadd(_SLOTS, *self._slots)
                self._client.hincrby(_HOLDERS, holder, 1)

        self._asked(say)

    def drop(self, holder: str) -> None:
        """A holder is dead: its slots are free. Idempotent."""

        def say() -> None:
            names: Any = self._client.smembers(_SLOTS)
            for name in sorted(names):
                if self._drop(keys=[name], args=[holder]):
                    self._client.srem(_SLOTS, name)
                    self._slots.discard(name.decode())
            self._client.hdel(_HOLDERS, holder)

        self._asked(say)

    def sweep(self, now_ms: int) -> int:
        """Forget meters that are as new ones; Redis does that by itself."""
        return self._lasting.sweep(now_ms)

    def _played(self, room: str, turn: Turn, asks: tuple[Ask, ...]) -> tuple[Answer, ...]:
        notes = tuple(note for note in turn.notes if _room(note.meter) == room)
        holds = tuple(hold for hold in turn.holds if _room(hold.meter) == room)
        part = Turn(turn.now_ms, notes, holds, asks, turn.sharers)
        if not (notes or holds or asks):
            return ()
        return self._lasting.turn(part) if room == _LASTING else self._run(part)

    def _give_back(self, turn: Turn, found: list[dict[str, Part]], short: dict[int, Short]) -> None:
        """What an ask took before another room refused it."""
        meters = touched(turn)
        notes = tuple(
            Note(meters[name], -part.amount, turn.asks[n].holder)
            for n in short
            for name, part in found[n].items()
        )
        for room in sorted({_room(note.meter) for note in notes}):
            self._played(room, Turn(turn.now_ms, notes), ())

    def _run(self, turn: Turn) -> tuple[Answer, ...]:
        meters = touched(turn)
        names = sorted(meters)
        keys = [_key(name) for name in names]
        said = self._asked(lambda: self._script(keys=keys, args=[_json(turn, meters, names)]))
        # An empty list is an empty object in Lua's JSON.
        answers = [] if said in (b"{}", "{}") else _said.decode(said)
        slots = [name for name in names if meters[name].method is Method.SLOTS]
        if slots:
            self._index([_key(name) for name in slots], turn)
        return tuple(
            _answer(turn, names, ask, each) for ask, each in zip(turn.asks, answers, strict=True)
        )

    def _index(self, keys: list[str], turn: Turn) -> None:
        """Keep track of who holds slots of what: the scripts of a tenant cannot."""
        self._slots.update(keys)
        holders = {hold.holder for hold in turn.holds if hold.slots}
        holders |= {ask.holder for ask in turn.asks}

        def say() -> None:
            with self._client.pipeline(transaction=False) as pipe:
                pipe.sadd(_SLOTS, *keys)
                for holder in holders:
                    pipe.hsetnx(_HOLDERS, holder, "0")
                pipe.execute()

        self._asked(say)

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except redis.RedisError as error:
            raise Unavailable(
                f"Redis cannot be used just now: {error}.",
                code="store_unavailable",
                retry_after_s=5.0,
            ) from error


def _room(meter: Meter) -> str:
    """Where it is counted: with its tenant, or among what lasts."""
    if meter.method is not Method.SLOTS and not 0 < meter.window_ms <= DAY * 1000:
        return _LASTING
    return meter_tenant(meter.id)


def _late(room: str) -> tuple[bool, bool, str]:
    """Tenants first, then what all share, then what lasts."""
    return room == _LASTING, room == EVERY, room


def _key(meter: str) -> str:
    """All meters of a tenant lie in one slot of a cluster."""
    tenant = meter_tenant(meter)
    return f"federation:limits:{{{tenant}}}:{meter[len(tenant) + 1 :]}"


def _json(turn: Turn, meters: dict[str, Meter], names: list[str]) -> bytes:
    number = {name: n for n, name in enumerate(names, 1)}
    return msgspec.json.encode(
        {
            "now": turn.now_ms,
            "skew": SKEW_MS,
            "slot_wait": SLOT_WAIT_MS,
            "sharers": max(1, turn.sharers),
            "meters": [_meter(meters[name], turn.now_ms) for name in names],
            "notes": [[number[note.meter.id], note.amount, note.holder] for note in turn.notes],
            "holds": [[number[hold.meter.id], hold.holder, hold.slots] for hold in turn.holds],
            "asks": [
                {
                    "holder": ask.holder,
                    "wants": [[number[want.meter.id], want.least, want.wish] for want in ask.wants],
                }
                for ask in turn.asks
            ],
        }
    )


def _meter(meter: Meter, now_ms: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "method": meter.method.value,
        "amount": meter.amount,
        "burst": meter.burst,
        "window": meter.window_ms,
        "soon": soon(meter),
    }
    if meter.method is Method.FIXED_WINDOW:
        row["start"], row["over"] = window_at(meter.window_ms, now_ms)
    elif meter.method is Method.SLIDING_WINDOW:
        row["cell"], row["cells"] = cells_of(meter)
    return row


def _answer(turn: Turn, names: list[str], ask: Ask, said: _Said) -> Answer:
    if said.short is not None:
        n, left, wait, reset = said.short
        return Short(names[n - 1], int(left), int(wait), int(reset))
    return Given(
        tuple(
            Part(int(amount), int(left), int(reset), lasts_ms(want.meter, turn.now_ms))
            for want, (amount, left, reset) in zip(ask.wants, said.parts, strict=True)
        )
    )
