"""What control needs of a store for limits, each Protocol as small as its caller.

As with `control.ports`: all of it blocks and raises `errors.Unavailable` where the store cannot
be reached, and tests/contract holds each implementation to what is promised here.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from federation.control.owned_ports import OwnedStore
from federation.domain.limits import Limit, Meter
from federation.pricing.meters import Answer, State, Turn

LimitStore: TypeAlias = OwnedStore[Limit]
"""The limits that people have set. Each belongs to one tenant, or to `limits.EVERY`."""


class MeterStore(Protocol):
    """What is counted, shared by every control process on the same store."""

    def turn(self, turn: Turn) -> tuple[Answer, ...]:
        """Play a turn, an answer for each ask; each ask is met whole or not at all.

        Notes and asks are not idempotent, holds are.
        """
        ...

    def state(self, meter: Meter) -> State:
        """What a meter has counted, as it was last played; a new one where there is none."""
        ...

    def holders(self) -> dict[str, tuple[str, int]]:
        """Who holds slots and a number that grows with each `beat`, as `Reaper` takes it."""
        ...

    def beat(self, holder: str) -> None:
        """This holder is alive; only one that has slots is kept."""
        ...

    def drop(self, holder: str) -> None:
        """A holder is dead: its slots are free. Idempotent."""
        ...

    def sweep(self, now_ms: int) -> int:
        """Forget meters that are as new ones; how many."""
        ...


__all__ = ["LimitStore", "MeterStore"]
