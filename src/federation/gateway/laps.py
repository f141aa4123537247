"""The second lap: when every candidate has failed, those that may have recovered are asked again.

Who that is, and in which order, is decided by `resilience.recovery.SecondLap`.
"""

from __future__ import annotations

from federation.errors import UpstreamError
from federation.gateway.call import AnyCall
from federation.gateway.deadlines import left_s
from federation.gateway.world import Situation, World
from federation.resilience.recovery import SecondLap


class Laps:
    """The laps of one call; `several` says that it has more than one candidate."""

    __slots__ = ("_call", "_lap", "_paid", "_situation", "_world", "begun_s", "second")

    def __init__(self, world: World, situation: Situation, call: AnyCall, several: bool) -> None:
        self._world = world
        self._situation = situation
        self._call = call
        self._lap = SecondLap() if several else None
        self._paid = -1
        self.begun_s = call.started
        """When the attempt began whose failure `after` is told."""
        self.second = False
        """Whether the second lap has begun."""

    def after(self, index: int, error: UpstreamError, rest: list[int]) -> list[int]:
        """Who may be asked after this failure.

        The last candidate's own retry comes before the second lap. By then it is already
        listed for that lap, so the answer to its retry may take it out again.
        """
        lap = self._lap
        if lap is None:
            return rest
        now = self._world.clock()
        lap.note(index, error, now - self.begun_s)
        age_s, left = now - self._call.started, left_s(self._world, self._call)
        if self.second:
            return [who for who in rest if lap.fits(who, age_s, left)]
        if rest:
            return rest
        self.second = True
        return lap.order(age_s, left)

    def pay(self, index: int) -> int:
        """Note that the next attempt at this deployment is allowed already; returns `index`."""
        self._paid = index if self.second else -1
        return index

    def allow(self, index: int) -> bool:
        """Whether this deployment may be asked now. Not idempotent: a yes uses up an allowance."""
        paid, self._paid = self._paid == index, -1
        if paid or not self.second or self._lap is None:
            return True
        world, now = self._world, self._world.clock()
        deployment = self._situation.snapshot.deployments[index]
        left = left_s(world, self._call)
        return self._lap.fits(index, now - self._call.started, left) and world.health.may_return(
            deployment.id, now
        )
