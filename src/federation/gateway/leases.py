"""A worker's part of allowances that all workers share, in windows of time.

Control grants slices; a worker spends them without asking. When a slice runs low the next
is asked for ahead of need, so a call never waits for control. A worker that was never
granted anything may not spend: what is not leased is not allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from federation.schema.link import LeaseAsk, LeaseGrant

SLICE = 8
ASK_AGAIN_S = 0.25


@dataclass(slots=True)
class _Slice:
    left: int = 0
    expires_s: float = 0.0
    asked_s: float = -1.0


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
        enough = held.left >= amount
        if enough:
            held.left -= amount
        if held.left < SLICE // 2 and now - held.asked_s >= ASK_AGAIN_S:
            held.asked_s = now
            self._ask(LeaseAsk(name, max(SLICE, amount)))
        return enough

    def granted(self, grant: LeaseGrant) -> None:
        """Take in a slice. Slices of the same window add up."""
        held = self._slices.setdefault(grant.name, _Slice())
        expires = grant.expires_ms / 1000.0
        if expires != held.expires_s:
            held.left = 0
        held.left += grant.amount
        held.expires_s = expires
        held.asked_s = -1.0
