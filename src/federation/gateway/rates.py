"""A worker's rates: parts of meters, which calls take without asking anybody.

The traps. What a call needs of several meters it takes of all or of none, also where control
must be asked first. Who was told that nothing is left asks again only after a pause, so a flood
costs control nothing. And giving back is never a coroutine: nothing can cancel it half-way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from federation.dialects.rate_headers import LimitHeaders, names_of, reset_text
from federation.domain.access import VirtualKey
from federation.domain.limits import Caller, Counted, Limit, LimitBook, Meter, Method
from federation.errors import Unavailable
from federation.gateway.rates_part import HeldPart
from federation.routing.names import Names
from federation.schema.limits import (
    FromRates,
    LimitAsk,
    LimitGrant,
    LimitHeld,
    LimitUsed,
    MeterShort,
    MeterWant,
    ToRates,
)

ANSWER_S = 2.0
"""How long a call waits for control, which may just be starting anew."""
_PLANS = 8192
_TRIES = 4


Row = tuple[LimitHeaders, tuple[HeldPart, ...]]
Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Lack:
    """What keeps a call: the meter, and for how long by the monotonic clock."""

    part: HeldPart
    wait_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What calls of a key to a route are counted on."""

    key: VirtualKey
    parts: tuple[HeldPart, ...]
    needs: tuple[int, ...] | None
    """What each call needs of the parts; None where that depends on the call."""
    names: Names | None = None
    """Where the names led when this was made."""
    rows: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    """By the client's language."""

    def headers(self, dialect: str, now_s: float, wall: Callable[[], float]) -> Pairs:
        """What the client is told of its limits: of each kind the one that has least left."""
        rows = self.rows.get(dialect)
        if rows is None:
            rows = self.rows[dialect] = _rows(dialect, self.parts)
        pairs: Pairs = []
        for names, parts in rows:
            part = parts[0]
            left = part.remaining(now_s)
            for other in parts[1:]:
                rest = other.remaining(now_s)
                if rest < left:
                    part, left = other, rest
            until = reset_text(names, part.reset_s - now_s, wall() if names.moments else 0.0)
            pairs += (
                (names.limit, part.amount_text),
                (names.remaining, b"%d" % left),
                (names.reset, until),
            )
        return pairs


@dataclass(slots=True)
class _Asking:
    message: LimitAsk
    parts: tuple[HeldPart, ...]
    waiter: asyncio.Future[MeterShort | None] | None = None
    """None once its call went away."""
    ahead: bool = False
    """For calls to come."""
    sent: bool = False
    """Control may answer it."""


class Taken:
    """What one call has taken. Closed once, by whichever end comes first."""

    __slots__ = ("_at_s", "_open", "_parts", "_rates", "_took")

    def __init__(
        self, rates: Rates, parts: Sequence[HeldPart], took: Sequence[int], at_s: float
    ) -> None:
        self._rates = rates
        self._parts = parts
        self._took = took
        self._at_s = at_s
        self._open = True

    def keep(self) -> None:
        """The call was made, and used what it took; only slots are free again. Idempotent."""
        if not self._open:
            return
        self._open = False
        for part in self._parts:
            if part.slots:
                part.calls -= 1
                self._rates.back(part, 1)

    def close(self, used: Mapping[Counted, int]) -> None:
        """Correct what was expected to what was used; what is not named was not. Idempotent."""
        if not self._open:
            return
        self._open = False
        for part, took in zip(self._parts, self._took, strict=True):
            if part.slots:
                part.calls -= 1
                self._rates.back(part, took)
            elif (more := took - used.get(part.meter.counts, 0)) and self._at_s >= part.since_s:
                self._rates.back(part, more)


class Rates:
    """The limits in force and what is held of their meters; one for each worker.

    `send` puts a frame on the link and says whether there is one; `clock` is monotonic
    seconds. Used from one event loop only.
    """

    def __init__(
        self,
        send: Callable[[FromRates], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self.clock = clock
        self.book = LimitBook()
        self.on = False
        """Whether anybody is limited at all."""
        self._parts: dict[str, HeldPart] = {}
        self._plans: dict[tuple[str, str], Plan] = {}
        self._asks: dict[int, _Asking] = {}
        self._n = 0

    def follow(self, limits: Iterable[Limit], tiers: Mapping[str, str]) -> None:
        """Obey these limits from now on."""
        self.book = LimitBook(limits, tiers)
        self.on = self.book.on
        self._plans.clear()

    def plan(self, key: VirtualKey, route: str, names: Names | None = None) -> Plan:
        """What a call is counted on. The names of routes are clients' own, so plans go where
        there are too many. `names` knows where they lead."""
        place = (key.id, route)
        found = self._plans.get(place)
        if found is not None and found.key is key and found.names is names:
            return found
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        # A name that a client gives itself would let it out of a limit for users.
        user = key.user or f"key:{key.id}"
        caller = Caller(key.tenant, key.id, key.team, user, route)
        if names is not None:
            bound = names.within(route, self.book.routes(key.tenant))
            caller = structs.replace(caller, route=names.one_name(route), names=bound)
        meters = self.book.meters(caller)
        parts = tuple(self._part(meter) for meter in meters)
        whole = all(not part.tokens for part in parts)
        plan = self._plans[place] = Plan(key, parts, (1,) * len(parts) if whole else None, names)
        return plan

    def take(self, parts: Sequence[HeldPart], needs: Sequence[int]) -> Taken | None:
        """Take from what is held; None where that does not suffice."""
        now = self.clock()
        for n, part in enumerate(parts):
            if part.until_s <= now:
                self._expire(part)
            if part.free < needs[n]:
                return None
        for n, part in enumerate(parts):
            part.free = free = part.free - needs[n]
            part.used_s = now
            if free < part.ahead and not part.wishing:
                self._wish(part, needs[n], now)
            if part.slots:
                part.calls += 1
        return Taken(self, parts, needs, now)

    def lack(self, parts: Sequence[HeldPart], needs: Sequence[int]) -> Lack | None:
        """The meter that is known to be dry for longest; None where control may have more."""
        now = self.clock()
        dry: HeldPart | None = None
        for part, need in zip(parts, needs, strict=True):
            if (
                part.free < need
                and part.dry_until_s > now
                and (dry is None or part.ready_s > dry.ready_s)
            ):
                dry = part
        return None if dry is None else Lack(dry, max(0.001, dry.ready_s - now))

    async def more(self, parts: Sequence[HeldPart], needs: Sequence[int]) -> Taken | Lack:
        """Ask control, and take what it gives. Raises `Unavailable` where it is away."""
        for part in parts:
            part.waiting += 1
        try:
            return await self._more(parts, needs)
        finally:
            for part in parts:
                part.waiting -= 1

    def back(self, part: HeldPart, amount: int) -> None:
        """A call leaves so much over, or has used more (less than 0)."""
        part.used_s = self.clock()
        if amount >= 0:
            part.free += amount
            # There is little of it, and others may wait; or it was idle for so long that nobody
            # looks after it any more.
            if part.free and (part.ahead == 0 or self._parts.get(part.meter.id) is not part):
                self._return(part)
            return
        short = -amount
        held = min(part.free, short)
        part.free -= held
        if short > held:
            part.left = max(0, part.left - short + held)
            self._send(LimitUsed([part.want(short - held)]))

    def tick(self) -> None:
        """Give back what lies idle; to be called twice a second."""
        if not self._parts:
            return
        now, back = self.clock(), []
        for name, part in list(self._parts.items()):
            if part.until_s <= now:
                self._expire(part)
            elif part.free and part.idle(now):
                back.append(part.want(-part.free))
                part.free = 0
            if part.over(now):
                del self._parts[name]
                self._plans.clear()
        if back:
            self._send(LimitUsed(back))

    def leave(self) -> None:
        """Give back all that no call has taken, for this worker ends: what it kept of a window
        would be nobody's until that is over."""
        for part in self._parts.values():
            if part.free:
                self._return(part)

    def accept(self, message: ToRates) -> None:
        """Take in what control says."""
        if isinstance(message, LimitGrant):
            self._granted(message)
            return
        for name in message.meters:
            part = self._parts.get(name)
            if part is not None:
                part.ahead = 0
                if part.free:
                    self._return(part)

    def reconnected(self) -> None:
        """Control is there again, maybe another one: say what is held, ask what was asked."""
        slots = [part for part in self._parts.values() if part.slots]
        held = [part.want(part.calls + part.free) for part in slots]
        self._send(LimitHeld([want for want in held if want.least]))
        for n, asking in list(self._asks.items()):
            if asking.waiter is None and not asking.ahead:
                del self._asks[n]
            else:
                asking.sent = self._send(asking.message) or asking.sent

    def _part(self, meter: Meter) -> HeldPart:
        part = self._parts.get(meter.id)
        if part is None:
            part = self._parts[meter.id] = HeldPart(meter, used_s=self.clock())
        elif part.meter != meter:
            part.follow(meter)
        return part

    def _expire(self, part: HeldPart) -> None:
        back = part.expire(self.clock())
        if back:
            self._send(LimitUsed([part.want(-back)]))

    def _return(self, part: HeldPart) -> None:
        back, part.free = part.free, 0
        if part.until_s <= self.clock() and part.meter.method is Method.FIXED_WINDOW:
            return
        self._send(LimitUsed([part.want(-back)]))

    async def _more(self, parts: Sequence[HeldPart], needs: Sequence[int]) -> Taken | Lack:
        end = self.clock() + ANSWER_S
        for _ in range(_TRIES):
            lacking = [
                (part, need) for part, need in zip(parts, needs, strict=True) if part.free < need
            ]
            if lacking:
                short = await self._ask(lacking, end)
                if short is not None:
                    part = self._parts.get(short.meter) or lacking[0][0]
                    return Lack(part, max(0.001, short.wait_ms / 1000.0))
            taken = self.take(parts, needs)
            if taken is not None:
                return taken
        return Lack(parts[0], 0.05)

    async def _ask(self, lacking: Sequence[tuple[HeldPart, int]], end: float) -> MeterShort | None:
        now = self.clock()
        wants = [
            part.want(need - max(0, part.free), part.wish(need, now)) for part, need in lacking
        ]
        asking = self._begin(wants, tuple(part for part, _ in lacking))
        waiter: asyncio.Future[MeterShort | None] = asyncio.get_running_loop().create_future()
        asking.waiter = waiter
        try:
            asking.sent = self._send(asking.message)  # without a link it is sent when there is one
            done, _ = await asyncio.wait((waiter,), timeout=max(0.0, end - now))
            if not done:
                raise _unavailable()
            return waiter.result()
        finally:
            # What is given to a call that went away is ours all the same, and goes back.
            asking.waiter = None
            if not asking.sent:
                self._end(asking.message.n)

    def _wish(self, part: HeldPart, need: int, now: float) -> None:
        """Ask ahead of need. What cannot be spared is not said to be short."""
        asking = self._begin([part.want(0, part.wish(need, now))], (part,))
        asking.ahead = part.wishing = True
        if not self._send(asking.message):
            self._end(asking.message.n)

    def _begin(self, wants: list[MeterWant], parts: tuple[HeldPart, ...]) -> _Asking:
        self._n += 1
        asking = self._asks[self._n] = _Asking(LimitAsk(self._n, wants), parts)
        return asking

    def _end(self, n: int) -> _Asking | None:
        asking = self._asks.pop(n, None)
        if asking is not None and asking.ahead:
            asking.parts[0].wishing = False
        return asking

    def _granted(self, message: LimitGrant) -> None:
        asking = self._end(message.n)
        if asking is None:
            return
        now = self.clock()
        for part, given in zip(asking.parts, message.parts, strict=False):
            part.credit(given, now)
        short = message.short
        if short is not None:
            self._dry(short, now)
        if asking.waiter is not None and not asking.waiter.done():
            asking.waiter.set_result(short)

    def _dry(self, short: MeterShort, now: float) -> None:
        part = self._parts.get(short.meter)
        if part is not None:
            part.dry_until_s = now + short.pause_ms / 1000.0
            part.ready_s = now + short.wait_ms / 1000.0
            part.reset_s = now + short.reset_ms / 1000.0
            part.left, part.told_s = max(0, short.left), now
            part.ahead = 0


def _rows(dialect: str, parts: Iterable[HeldPart]) -> tuple[Row, ...]:
    found: dict[LimitHeaders, list[HeldPart]] = {}
    for part in parts:
        names = names_of(dialect, part.meter.counts)
        if names is not None:
            found.setdefault(names, []).append(part)
    return tuple((names, tuple(each)) for names, each in found.items())


def _unavailable() -> Unavailable:
    return Unavailable(
        "The limits cannot be asked just now; try again in a moment.",
        code="limits_unavailable",
        retry_after_s=2.0,
    )
