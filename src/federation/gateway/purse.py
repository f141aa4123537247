"""A worker's money: leases of pots, from which calls reserve and settle without asking anybody.

The traps. Settling is not a coroutine, so nothing can cancel it half-way. Money that a call
waits for is asked for in all of its pots at once and belongs to that call when it comes: to
hold one pot's while waiting for another's would let two workers wait for each other. And once
money is tight, what a call leaves over goes back at once, for others wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from federation.domain.budgets import Pot, pot_budget, told
from federation.domain.money import nano_to_usd
from federation.errors import BudgetExceeded, FederationError, Unavailable
from federation.gateway.purse_lease import HeldLease
from federation.schema.money import (
    FromPurse,
    MoneyAck,
    MoneyAsk,
    MoneyBeat,
    MoneyGrant,
    MoneyReport,
    MoneyTight,
    PotTotals,
    ToPurse,
)

log = logging.getLogger(__name__)

HOLD_S = 300.0
"""Without a beat from control for so long, nothing more is spent: see `control.money_reaper`."""
_FORGOTTEN = 4096
"""Pots that were forgotten, of which the names are kept. Beyond that any may have been."""
ANSWER_S = 2.0
"""How long an answer may take beyond the time that control was given to find the money."""


class _Reservation(msgspec.Struct, frozen=True):
    held: tuple[HeldLease, ...]
    amount: int


@dataclass(slots=True)
class _Asking:
    """An ask under way; without a `hold` it is for calls to come."""

    message: MoneyAsk
    held: tuple[HeldLease, ...]
    wishing: tuple[HeldLease, ...]
    """Those of which it asks for more than its call needs."""
    amount: int = 0
    hold: str = ""
    waiter: asyncio.Future[None] | None = None


class Settled(msgspec.Struct, frozen=True):
    """What a settlement did. `totals` are the worker's spent totals, for the call's record."""

    charged_nano: int
    overrun_nano: int
    """How far the bill was above what was reserved for it."""
    totals: dict[str, int]


class Purse:
    """Implements `ports.Budgets` over grants that arrive from control.

    `send` puts a frame on the link and says whether there is one; `clock` is monotonic
    seconds. Used from one event loop only.
    """

    def __init__(self, send: Callable[[FromPurse], bool], clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self._held: dict[str, HeldLease] = {}
        self._forgotten: set[str] = set()
        self._reservations: dict[str, _Reservation] = {}
        self._asks: dict[int, _Asking] = {}
        self._n = 0
        self._reports = 0
        self._changed: dict[str, HeldLease] = {}
        self._until_s = -1.0
        self.gone = False
        """This worker was taken for dead: only another one gets money again."""

    def take(self, hold: str, pots: Sequence[Pot], amount_nano: int) -> bool:
        """Reserve from what is held; False where that does not suffice. Idempotent by `hold`."""
        if hold in self._reservations:
            return True
        now = self._clock()
        if now >= self._until_s or self.gone:
            return False
        leases, found = self._held, []
        for pot in pots:
            held = leases.get(pot.id)
            if held is None or held.free < amount_nano:
                return False
            found.append(held)
        self._reserve(found, hold, amount_nano, now)
        for held in found:
            if held.free < amount_nano * held.ahead and not (held.wishing or held.tight):
                self._wish(held, amount_nano, held.chunk(amount_nano, now))
        return True

    async def reserve(
        self, hold: str, pots: Sequence[Pot], amount_nano: int, wait_s: float = 0.0
    ) -> None:
        """Reserve an amount on all of these pots, or on none.

        Waits up to `wait_s` for calls under way to leave enough. Idempotent by `hold`, which
        names an attempt. Raises `BudgetExceeded`; `Unavailable` where control cannot be asked,
        but soft pots alone never stop a call.
        """
        if not pots or self.take(hold, pots, amount_nano):
            return
        held = [self._lease(pot) for pot in pots]
        try:
            await self._ask(hold, held, amount_nano, wait_s)
        except Unavailable:
            if any(pot.hard for pot in pots):
                raise
            self._reserve(held, hold, amount_nano, self._clock())

    def settle(self, hold: str, cost_nano: int) -> Settled:
        """Charge what an attempt cost and free the rest of its reservation.

        Idempotent: once settled, or never reserved, nothing happens. Never raises.
        """
        reservation = self._reservations.pop(hold, None)
        if reservation is None:
            return Settled(0, 0, {})
        reserved = reservation.amount
        now, totals, urgent = self._clock(), {}, cost_nano > reserved
        for held in reservation.held:
            held.charge(reserved, cost_nano)
            held.used_s = now
            name = held.pot.id
            self._changed[name] = held
            if held.known:
                totals[name] = held.spent
            if held.tight:
                held.give_back()
                urgent = True
        if urgent:
            self.report()
        return Settled(cost_nano, max(0, cost_nano - reserved), totals)

    def release(self, hold: str) -> None:
        """Free the reservation of an attempt that cost nothing. Idempotent."""
        self.settle(hold, 0)

    def tick(self) -> None:
        """Return what lies idle, and tell control what changed; to be called twice a second."""
        now = self._clock()
        for name, held in list(self._held.items()):
            if held.idle(now):
                self._give_back(held)
                if held.over(now):
                    del self._held[name]
                    if len(self._forgotten) < _FORGOTTEN:
                        self._forgotten.add(name)
        self.report()

    def report(self) -> None:
        """Tell control what changed."""
        told = [held for held in self._changed.values() if not held.fresh]
        number = self._reports + 1
        if told and self._send(MoneyReport(number, [held.totals(number) for held in told])):
            self._reports = number
            self._changed = {name: held for name, held in self._changed.items() if held.fresh}
        for held in self._changed.values():
            if held.fresh and not held.wishing:
                self._wish(held, 0, 0)

    def accept(self, message: ToPurse) -> None:
        """Take in what control says."""
        match message:
            case MoneyGrant():
                self._granted(message)
            case MoneyAck():
                for held in self._held.values():
                    held.acknowledged(message.n)
            case MoneyTight():
                for name in message.pots:
                    if (known := self._held.get(name)) is not None:
                        known.tight = True
                        self._give_back(known)
                self.report()
            case MoneyBeat():
                self._until_s = self._clock() + HOLD_S

    def reconnected(self) -> None:
        """Control is there again, maybe another one: say once more what it may not have heard."""
        self._changed.update(self._held)
        self.report()
        for asking in list(self._asks.values()):
            self._send(asking.message)

    def _lease(self, pot: Pot) -> HeldLease:
        held = self._held.get(pot.id)
        if held is None:
            again = pot.id in self._forgotten or len(self._forgotten) == _FORGOTTEN
            held = self._held[pot.id] = HeldLease(pot, self._clock(), again=again)
        held.pot = pot  # its cap may have changed
        return held

    def _reserve(self, leases: Sequence[HeldLease], hold: str, amount: int, now: float) -> None:
        for held in leases:
            held.free -= amount
            held.calls += 1
            held.used_s = now
        self._reservations[hold] = _Reservation(tuple(leases), amount)

    async def _ask(
        self, hold: str, leases: Sequence[HeldLease], amount: int, wait_s: float
    ) -> None:
        if self.gone:
            raise _unavailable()
        now = self._clock()
        wants = [held.want(amount, held.chunk(amount, now)) for held in leases]
        waiter = asyncio.get_running_loop().create_future()
        asking = self._begin(MoneyAsk(self._n + 1, wants, wait_s), leases)
        asking.hold, asking.amount, asking.waiter = hold, amount, waiter
        for held in leases:
            held.calls += 1
        try:
            if not self._send(asking.message):
                raise _unavailable()
            done, _ = await asyncio.wait((waiter,), timeout=wait_s + ANSWER_S)
            if not done:
                raise _unavailable()
            waiter.result()
        except asyncio.CancelledError:
            self.release(hold)  # the grant may have come in the same moment
            raise
        finally:
            self._end(asking.message.n)
            for held in leases:
                held.calls -= 1

    def _wish(self, held: HeldLease, amount: int, wish: int) -> None:
        """Ask ahead of need."""
        message = MoneyAsk(self._n + 1, [held.want(amount, wish)], ahead=True)
        asking = self._begin(message, (held,))
        asking.wishing, held.wishing = (held,), True
        if not self._send(asking.message):
            self._end(asking.message.n)

    def _begin(self, message: MoneyAsk, leases: Sequence[HeldLease]) -> _Asking:
        self._n = message.n
        pairs = zip(leases, message.wants, strict=True)
        wishing = tuple(held for held, want in pairs if want.wish_nano > want.least_nano)
        for held in wishing:
            held.wishing = True
        asking = self._asks[message.n] = _Asking(message, tuple(leases), wishing)
        return asking

    def _end(self, n: int) -> _Asking | None:
        asking = self._asks.pop(n, None)
        if asking is not None:
            for held in asking.wishing:
                held.wishing = False
        return asking

    def _granted(self, message: MoneyGrant) -> None:
        if message.gone:
            self.gone = True
            log.error("this worker was taken for dead, so it spends no more")
        asking = self._end(message.n)
        leases = [self._credited(totals) for totals in message.leases]
        for held in leases:
            held.tight = message.tight
        if asking is not None and asking.waiter is not None and not asking.waiter.done():
            error = _refusal(asking, message)
            if error is None:
                self._reserve(leases, asking.hold, asking.amount, self._clock())
                asking.waiter.set_result(None)
            else:
                asking.waiter.set_exception(error)
        if message.tight:
            for held in leases:
                self._give_back(held)
            self.report()

    def _credited(self, totals: PotTotals) -> HeldLease:
        held = self._held.get(totals.pot)
        if held is None:  # its call went away and it was forgotten; it goes back soon
            held = self._lease(Pot(totals.pot, 0))
        held.credit(totals)
        return held

    def _give_back(self, held: HeldLease) -> bool:
        given = held.give_back()
        if given:
            self._changed[held.pot.id] = held
        return given


def _refusal(ask: _Asking, message: MoneyGrant) -> FederationError | None:
    if message.gone or message.failed:
        return _unavailable()
    short = message.short
    if short is None:
        return None
    (_, budget), left = pot_budget(short.pot), short.left_nano
    ends = (held.pot.end_ms for held in ask.held if held.pot.id == short.pot)
    end_ms = next(ends, None)
    amount = f"{nano_to_usd(abs(left)):f} USD"
    stands = f"is overdrawn by {amount}" if left < 0 else f"has {amount} left"
    return BudgetExceeded(
        f"Budget {budget!r} {stands}, and this call may cost {nano_to_usd(ask.amount):f} USD. "
        f"{_ways_out(left, end_ms)}.",
        budget=budget,
        left_nano=max(0, left),
        resets_ms=end_ms,
    )


def _ways_out(left_nano: int, end_ms: int | None) -> str:
    """What may be done about a budget that is too small, as a sentence."""
    ways = ["ask for less output"] if left_nano > 0 else []
    ways.append("have the budget raised")
    if end_ms is not None:
        ways.append(f"wait until {told(end_ms)}")
    *others, last = ways
    comma = "," if len(others) > 1 else ""
    said = f"{', '.join(others)}{comma} or {last}" if others else last
    return said[0].upper() + said[1:]


def _unavailable() -> Unavailable:
    return Unavailable(
        "The budgets cannot be asked just now; try again in a moment.",
        code="budgets_unavailable",
        retry_after_s=2.0,
    )
