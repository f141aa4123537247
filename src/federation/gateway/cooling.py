"""Cooldowns after a failure: of one deployment, or of all that are asked with its credential."""

from __future__ import annotations

from federation.domain.catalogue import Deployment
from federation.gateway.world import Situation, World
from federation.resilience.recovery import Action


def cool(world: World, situation: Situation, failed: Deployment, action: Action) -> None:
    """Let rest whom the recovery table says should."""
    if action.cool_s <= 0.0:
        return
    now = world.clock()
    resting = [failed]
    if action.wide:
        provider = failed.provider.id
        resting = [each for each in situation.snapshot.deployments if each.provider.id == provider]
    for deployment in resting:
        world.health.cool(deployment.id, now + action.cool_s, now)


def well(world: World, situation: Situation, indexes: list[int]) -> list[int]:
    """Those of them that do not rest."""
    if world.situation is not situation:
        return indexes  # the board follows a newer snapshot, whose indexes are others
    down, now = world.health.columns.down_until, world.clock()
    return [index for index in indexes if down[index] <= now]
