"""A worker's part of allowances that all workers share, in windows of time.

Control grants slices; a worker spends them without asking. When a slice runs low the next
is asked for ahead of need, so only the first calls of a window wait for control, and these
for a moment. A worker that was never granted anything may not spend: what is not leased is
not allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from federation.schema.link import LeaseAsk, LeaseGrant

SLICE = 8
ASK_AGAIN_S = 0.25
WAIT_S = 0.25
"""How long a call may wait for a slice; an answer from control takes about a millisecond."""


@dataclass(slots=True)
class _Slice:
    left: int = 0
    expires_s: float = 0.0
    asked_s: float = -1.0
    dry: bool = False
    """Control has nothing more to grant until the slice expires."""
    waiter: asyncio.Future[None] | None = None
    """What calls wait on that need the next grant."""


class LeaseBook:
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
            held.left = 0
            held.dry = False
        enough = held.left >= amount
        if enough:
            held.left -= amount
        if (not enough or held.left < SLICE // 2) and now - held.asked_s >= ASK_AGAIN_S:
            held.asked_s = now
            self._ask(LeaseAsk(name, max(SLICE, amount)))
        return enough

    async def more(self, name: str, amount: int = 1) -> bool:
        """After `take` said False: wait for the slice that it asked for, and spend from it.

        False at once where control has granted all that there is, and after `WAIT_S` where
        it does not answer.
        """
        held = self._slices[name]
        loop = asyncio.get_running_loop()
        end = loop.time() + WAIT_S
        while not held.dry:
            waiter = held.waiter
            if waiter is None or waiter.done():
                waiter = held.waiter = loop.create_future()
            left = end - loop.time()
            if left <= 0.0 or not (await asyncio.wait((waiter,), timeout=left))[0]:
                return False
            if self.take(name, amount):
                return True
        return False

    def granted(self, grant: LeaseGrant) -> None:
        """Take in a slice. Slices of the same window add up."""
        held = self._slices.setdefault(grant.name, _Slice())
        expires = grant.expires_ms / 1000.0
        if expires != held.expires_s:
            held.left = 0
        held.left += grant.amount
        held.expires_s = expires
        held.dry = grant.amount == 0
        if not held.dry:
            held.asked_s = -1.0
        if held.waiter is not None and not held.waiter.done():
            held.waiter.set_result(None)
