"""The limits that providers set us (requests and tokens a minute), as one worker keeps to them.

All workers share such a limit. Control grants slices of it, which a worker spends without asking.
When a slice runs low the next is asked for ahead of need, so only the first calls of a window
wait for control, and these for a moment. What is not leased is not allowed. The trap: what a
worker holds and cannot spend is lost to all until the window ends, so a call that needs much asks
for just that, and what one limit gave is put back where another says no.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from federation.ports import Leases
from federation.schema.link import LeaseAsk, LeaseGrant

SLICE = 8
ASK_AGAIN_S = 0.25
WAIT_S = 0.25
"""How long a call may wait for a slice; an answer from control takes about a millisecond."""


@dataclass(slots=True)
class _Slice:
    left: int = 0
    expires_s: float = 0.0
    begun_s: float = 0.0
    """When the first grant of this window came."""
    asked_s: float = -1.0
    asked: int = 0
    """What is asked for and not answered: the least that is of use. 0 is nothing."""
    refused: int = 0
    """Control has not so much left until the slice expires. 0 where it never said so."""
    waiter: asyncio.Future[None] | None = None
    """What calls wait on that need the next grant."""


class ProviderLeases:
    """Implements `ports.Leases` over grants that arrive from control."""

    def __init__(self, ask: Callable[[LeaseAsk], None], wall: Callable[[], float]) -> None:
        self._ask = ask
        self._wall = wall
        self._slices: dict[str, _Slice] = {}

    def take(self, name: str, amount: int = 1) -> bool:
        """Spend from the held slice; asks for the next where it runs low."""
        now = self._wall()
        held = self._slices.get(name)
        if held is None:
            held = self._slices[name] = _Slice()
        if held.expires_s <= now:
            held.left = held.refused = 0
        missing = amount - held.left
        if missing > 0:
            self._want(name, held, missing, now)
            return False
        held.left -= amount
        if held.left < SLICE // 2 and amount <= SLICE:
            self._want(name, held, 1, now)
        return True

    def _want(self, name: str, held: _Slice, least: int, now: float) -> None:
        """Ask for more, unless it has just been asked for, or just been refused."""
        waits = held.asked or 0 < held.refused <= least
        if waits and 0 <= now - held.asked_s < ASK_AGAIN_S:
            return
        held.asked_s, held.asked = now, least
        self._ask(LeaseAsk(name, max(SLICE, least), least))

    async def more(self, name: str, amount: int = 1) -> bool:
        """After `take` said False: wait for the slice that it asked for, and spend from it.

        False at once where control has not so much left, and after `WAIT_S` where it does not
        answer.
        """
        held = self._slices[name]
        loop = asyncio.get_running_loop()
        end = loop.time() + WAIT_S
        while not 0 < held.refused <= amount - held.left:
            waiter = held.waiter
            if waiter is None or waiter.done():
                waiter = held.waiter = loop.create_future()
            # With no time left, too: what stood still may be this worker, and the answer be here.
            left = max(end - loop.time(), 0.0)
            if not (await asyncio.wait((waiter,), timeout=left))[0]:
                return False
            if self.take(name, amount):
                return True
        return False

    def granted(self, grant: LeaseGrant) -> None:
        """Take in a slice. Slices of the same window add up."""
        held = self._slices.setdefault(grant.name, _Slice())
        expires = grant.expires_ms / 1000.0
        if expires != held.expires_s:
            held.left = held.refused = 0
            held.begun_s = self._wall()
        held.left += grant.amount
        held.expires_s = expires
        asked, held.asked = max(1, held.asked), 0
        if grant.amount == 0:
            held.refused = min(held.refused or asked, asked)
        elif grant.amount >= held.refused:
            held.refused = 0
        if held.waiter is not None and not held.waiter.done():
            held.waiter.set_result(None)

    def put_back(self, name: str, amount: int, taken_s: float) -> None:
        """Have what was taken at that time not spent after all. Of a window that is over it is
        worth nothing."""
        held = self._slices[name]
        if taken_s >= held.begun_s:
            held.left += amount


Wanted = Sequence[tuple[str, int]]
"""How much of which allowances one call needs."""


def take_all(leases: Leases, wanted: Wanted, wall: Callable[[], float]) -> bool:
    """Spend all of these from what is held, or nothing."""
    taken: list[tuple[str, int, float]] = []
    for name, amount in wanted:
        if not leases.take(name, amount):
            _put_back(leases, taken)
            return False
        taken.append((name, amount, wall()))
    return True


async def wait_for_all(leases: Leases, wanted: Wanted, wall: Callable[[], float]) -> bool:
    """The same; waits a moment for what is not held. Spends nothing where it is canceled."""
    taken: list[tuple[str, int, float]] = []
    allowed = False
    try:
        for name, amount in wanted:
            if not (leases.take(name, amount) or await leases.more(name, amount)):
                return False
            taken.append((name, amount, wall()))
        allowed = True
    finally:
        if not allowed:
            _put_back(leases, taken)
    return True


def _put_back(leases: Leases, taken: list[tuple[str, int, float]]) -> None:
    for name, amount, taken_s in taken:
        leases.put_back(name, amount, taken_s)
