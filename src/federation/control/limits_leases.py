"""Meters for workers: what they ask, use and give back becomes part of a turn of the store.

The traps. Slots are told to the store as the total of this control process's workers, so a turn
that was in doubt is simply told again. A store that is away must not stop calls, as it does
where money is: this process then counts by itself until the store is back. And a worker may
leave while the store plays its ask: what it was given is then nobody's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from federation.control.limits_ports import MeterStore
from federation.control.threads import Errands
from federation.domain.limits import LimitBook, Meter, Method, meter_limit
from federation.errors import Unavailable
from federation.pricing.meters import Answer, Ask, Given, Hold, Note, Short, Turn, Want, pause_ms
from federation.schema.limits import (
    FromRates,
    LimitAsk,
    LimitGrant,
    LimitHeld,
    LimitRecall,
    LimitUsed,
    MeterPart,
    MeterShort,
    MeterWant,
    ToRates,
)
from federation.storage.limits_memory import MemoryMeters

log = logging.getLogger(__name__)

PER_TURN = 512
PATIENCE_S = 1.0
"""How long a turn may take before this process goes on alone."""
RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
RECALL_S = 0.2
"""A meter is called back at most so often."""
BACK_S = 0.03
"""What is called back is there after this."""

Send = Callable[[ToRates], None]


@dataclass(slots=True)
class _Asking:
    writer: str
    held: dict[str, int]
    """What its writer held when it asked; one that left and came back holds something else."""
    message: LimitAsk
    wants: tuple[Want, ...]
    send: Send
    due_s: float = 0.0
    again: bool = False
    """What others had was called back for it already."""


class RateDesk:
    """Speaks with workers' rates on one side and the store on the other; for one event loop.

    `tell` reaches all workers, `count` says how many live on the same meters, here and at other
    replicas. `wall` is Unix time, `clock` monotonic, both in seconds.
    """

    def __init__(
        self,
        holder: str,
        store: MeterStore,
        errands: Errands,
        book: Callable[[], LimitBook],
        *,
        tell: Callable[[ToRates], None],
        count: Callable[[], int],
        wall: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.holder = holder
        self._store = store
        self._errands = errands
        self._book = book
        self._tell = tell
        self._count = count
        self._wall = wall
        self._clock = clock
        self._wake = asyncio.Event()
        self.stirred = asyncio.Event()
        """Set with every turn; whoever tidies up clears it."""
        self._asks: list[_Asking] = []
        self._notes: list[Note] = []
        self._slots: dict[str, dict[str, int]] = {}
        """By writer that is here, by meter."""
        self._meters: dict[str, Meter] = {}
        """Those of slots."""
        self._changed: set[str] = set()
        self._recalled: dict[str, float] = {}
        self._alone: MemoryMeters | None = None
        self._late: asyncio.Future[tuple[Answer, ...]] | None = None
        self._retry_s = 0.0
        self._pause_s = RETRY_S

    @property
    def failing(self) -> bool:
        """The store is away: limits hold for each replica by itself."""
        return self._alone is not None

    @property
    def slots(self) -> bool:
        """Whether any worker of ours holds slots."""
        return any(any(held.values()) for held in self._slots.values())

    def hear(self, writer: str, message: FromRates, send: Send) -> None:
        """What a worker says; `send` gets the answer to an ask."""
        held = self._slots.setdefault(writer, {})
        match message:
            case LimitAsk():
                wants = tuple(self._want(want) for want in message.wants)
                self._asks.append(_Asking(writer, held, message, wants, send))
            case LimitUsed():
                for want in message.meters:
                    self._used(held, self._meter(want), want.least)
            case LimitHeld():
                self._forget(held)
                for want in message.slots:
                    meter = self._meter(want)
                    self._hold(held, meter, want.least)
        self._wake.set()

    def left(self, writer: str) -> None:
        """A worker is gone, or will say anew what it holds: its slots are free."""
        self._asks = [each for each in self._asks if each.writer != writer]
        self._forget(self._slots.pop(writer, {}))
        self._wake.set()

    async def run(self) -> None:
        """Play turns until cancelled."""
        while True:
            due_s = self._due_s()
            if due_s != 0.0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), due_s)
            self._wake.clear()
            if self._due_s() == 0.0:
                await self._turn()

    def _due_s(self) -> float | None:
        """In how many seconds a turn is due; None while nothing waits."""
        if self._notes or self._changed:
            return 0.0
        if not self._asks:
            return None
        return max(0.0, min(each.due_s for each in self._asks) - self._clock())

    async def _turn(self) -> None:
        now_s = self._clock()
        ready = [each for each in self._asks if each.due_s <= now_s]
        asking = ready[:PER_TURN]
        later = ready[PER_TURN:]
        self._asks = [each for each in self._asks if each.due_s > now_s] + later
        notes, self._notes = self._notes, []
        changed, self._changed = self._changed, set()
        holds = tuple(
            Hold(self._meters[name], self.holder, self._total(name)) for name in sorted(changed)
        )
        asks = tuple(Ask(self.holder, each.wants) for each in asking)
        turn = Turn(int(self._wall() * 1000), tuple(notes), holds, asks, max(1, self._count()))
        self.stirred.set()
        answers = await self._play(turn)
        recalled: set[str] = set()
        for each, answer in zip(asking, answers, strict=True):
            if self._slots.get(each.writer) is not each.held:
                self._drop(each)
            elif isinstance(answer, Given):
                self._give(each, answer)
            elif not self._recall(each, answer, recalled):
                each.send(_short(each, answer))
        if recalled:
            self._tell(LimitRecall(sorted(recalled)))
        for name in changed:
            if not self._total(name) and name not in self._changed:
                self._meters.pop(name, None)

    async def _play(self, turn: Turn) -> tuple[Answer, ...]:
        """A turn of the store; our own counting where the store does not take it."""
        if self._late is not None and self._late.done():
            self._late = None
        if self._late is None and self._clock() >= self._retry_s:
            playing = asyncio.ensure_future(self._errands.run(self._store.turn, turn))
            done, _ = await asyncio.wait((playing,), timeout=PATIENCE_S)
            try:
                if done:
                    answers = playing.result()
                    self._recovered()
                    return answers
                reason = "it does not answer"
                self._late = playing
                playing.add_done_callback(_heard)
            except Unavailable as error:
                reason = str(error)
            self._failed(reason)
        if self._alone is None:
            self._alone = MemoryMeters()
        return self._alone.turn(turn)

    def _failed(self, reason: str) -> None:
        if self._alone is None:
            log.error("limits are counted here alone", extra={"reason": reason})
        self._retry_s = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_RETRY_S)

    def _recovered(self) -> None:
        if self._alone is not None:
            log.warning("limits are counted in the store again")
            self._alone, self._pause_s = None, RETRY_S
            for name in self._meters:
                self._changed.add(name)
            self._wake.set()

    def _give(self, asking: _Asking, given: Given) -> None:
        held = asking.held
        for want, part in zip(asking.wants, given.parts, strict=True):
            if want.meter.method is Method.SLOTS:
                self._meters[want.meter.id] = want.meter
                held[want.meter.id] = held.get(want.meter.id, 0) + part.amount
        parts = [
            MeterPart(part.amount, part.left, part.reset_ms, part.lasts_ms) for part in given.parts
        ]
        asking.send(LimitGrant(asking.message.n, parts))

    def _drop(self, asking: _Asking) -> None:
        """Nobody is there to be given anything: the next turn tells the store that what it
        counted for this ask is not held."""
        for want in asking.wants:
            if want.meter.method is Method.SLOTS:
                self._meters[want.meter.id] = want.meter
                self._changed.add(want.meter.id)

    def _recall(self, asking: _Asking, short: Short, recalled: set[str]) -> bool:
        """Call back what other workers have of a meter and do not use; whether it is worth
        waiting for. A bucket fills by itself."""
        method = next(each.meter.method for each in asking.wants if each.meter.id == short.meter)
        if asking.again or method is Method.TOKEN_BUCKET or self._count() < 2:
            return False
        now_s = self._clock()
        if short.meter not in recalled:
            if now_s - self._recalled.get(short.meter, -RECALL_S) < RECALL_S:
                return False
            if len(self._recalled) > PER_TURN:
                self._recalled.clear()
            self._recalled[short.meter] = now_s
            recalled.add(short.meter)
        asking.again, asking.due_s = True, now_s + BACK_S
        self._asks.append(asking)
        return True

    def _used(self, held: dict[str, int], meter: Meter, amount: int) -> None:
        if meter.method is Method.SLOTS:
            self._hold(held, meter, held.get(meter.id, 0) + amount)
        else:
            self._notes.append(Note(meter, amount))

    def _forget(self, held: dict[str, int]) -> None:
        self._changed.update(held)
        held.clear()

    def _hold(self, held: dict[str, int], meter: Meter, slots: int) -> None:
        """Note what a worker holds; what is not held is not kept, for meters go when nobody
        holds any of theirs."""
        if slots > 0:
            held[meter.id] = slots
        else:
            held.pop(meter.id, None)
        self._meters[meter.id] = meter
        self._changed.add(meter.id)

    def _total(self, meter: str) -> int:
        return sum(held.get(meter, 0) for held in self._slots.values())

    def _want(self, want: MeterWant) -> Want:
        return Want(self._meter(want), max(0, want.least), max(0, want.wish))

    def _meter(self, want: MeterWant) -> Meter:
        """The meter under the limit that is in force here, which may be newer."""
        limit = self._book().limits.get(meter_limit(want.meter))
        if limit is None:
            return Meter(want.meter, Method(want.method), want.amount, want.burst, want.window_ms)
        burst = limit.burst or limit.amount
        return Meter(want.meter, limit.method, limit.amount, burst, limit.window_s * 1000)


def _short(asking: _Asking, short: Short) -> LimitGrant:
    meter = next(each.meter for each in asking.wants if each.meter.id == short.meter)
    told = MeterShort(
        short.meter,
        short.left,
        short.wait_ms,
        short.reset_ms,
        pause_ms(meter, short.wait_ms),
    )
    return LimitGrant(asking.message.n, short=told)


def _heard(late: asyncio.Future[tuple[Answer, ...]]) -> None:
    """A turn that came too late: what it counted stays counted, its failure was told."""
    if not late.cancelled():
        late.exception()
