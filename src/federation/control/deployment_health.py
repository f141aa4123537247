"""How the deployments are now, as control sees it: the workers' views of their health put
together, and probes of those that are not well.

The trap: a probe spends no token and so proves little. It lets an open circuit become
half-open before its time, and nothing else: calls close it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from federation.control.configuration import Configuration
from federation.control.link_server import LinkServer
from federation.control.nodes import NodeDesk
from federation.control.probes import Prober
from federation.domain.catalogue import Provider
from federation.errors import Unavailable
from federation.resilience.health import PROBED
from federation.schema.http import Timeouts
from federation.schema.link import Condition, Measure

log = logging.getLogger(__name__)

EVERY_S = 10.0
TIMEOUTS = Timeouts(connect_s=3.0, first_byte_s=5.0, idle_s=5.0, total_s=5.0)
_ABREAST = 8
_HEALTH = ("disabled", "unknown", "healthy", "degraded", "unhealthy")
_CIRCUIT = ("closed", "half_open", "open")
"""From what troubles least to what troubles most."""
_UNWELL = ("degraded", "unhealthy")


@dataclass(frozen=True, slots=True)
class DeploymentHealth:
    """The health of one deployment over all workers: the worst state, and the sums."""

    deployment: str
    health: str
    circuit: str
    in_flight: int
    queued: int
    tokens: int
    crowded: bool
    """So busy that calls spill, as one worker at least sees it."""


def together(views: list[Condition]) -> DeploymentHealth:
    """The health of one deployment, from one worker's view of it or more."""
    return DeploymentHealth(
        deployment=views[0].deployment,
        health=max((view.health for view in views), key=_HEALTH.index),
        circuit=max((view.circuit for view in views), key=_CIRCUIT.index),
        in_flight=sum(view.in_flight for view in views),
        queued=sum(view.queued for view in views),
        tokens=sum(view.tokens for view in views),
        crowded=any(view.crowded for view in views),
    )


class HealthDesk:
    """One for each gateway. Without a `link` to workers nothing is known of any deployment."""

    def __init__(
        self,
        configuration: Configuration,
        nodes: NodeDesk,
        prober: Prober,
        clock: Callable[[], float],
    ) -> None:
        self.nodes = nodes
        self.link: LinkServer | None = None
        self._configuration = configuration
        self._prober = prober
        self._clock = clock

    def deployments(self) -> dict[str, DeploymentHealth]:
        """The health of every deployment that any worker has reported on, by its id."""
        views: dict[str, list[Condition]] = {}
        for session in self.link.sessions if self.link is not None else ():
            for view in session.conditions:
                views.setdefault(view.deployment, []).append(view)
        return {name: together(seen) for name, seen in views.items()}

    def circuits(self) -> dict[str, int]:
        """By deployment that any worker has reported on: 0 closed, 1 half-open, 2 open."""
        return {name: _CIRCUIT.index(seen.circuit) for name, seen in self.deployments().items()}

    async def follow(self) -> None:
        """Probe until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.round()
            except Unavailable as error:
                log.warning("nodes have to wait", extra={"reason": str(error)})

    async def round(self) -> None:
        """Ask every provider of deployments that are not well, once each, and tell the workers
        which of them answered; then ask the nodes that are loading a model."""
        unwell = self._unwell()
        room = asyncio.Semaphore(_ABREAST)
        secrets = self._configuration.reading.secrets

        async def ask(provider: Provider) -> bool:
            async with room:
                return (await self._prober.ask(provider, secrets.get(provider.id), TIMEOUTS)).ok

        rows = list(unwell.values())
        answers = await asyncio.gather(*(ask(row) for row, _ in rows))
        now_ms = int(self._clock() * 1000)
        measures = [
            Measure(name, now_ms, True, 0.0, 0.0, 0, PROBED)
            for (_, names), answered in zip(rows, answers, strict=True)
            if answered
            for name in names
        ]
        if measures and self.link is not None:
            self.link.note(measures)
        await self.nodes.settle()

    def _unwell(self) -> dict[str, tuple[Provider, list[str]]]:
        """By provider, its row and its deployments that are not well."""
        health = self.deployments()
        unwell: dict[str, tuple[Provider, list[str]]] = {}
        for item in self._configuration.snapshot.deployments:
            seen = health.get(item.id)
            if seen is None or not item.enabled:
                continue
            if seen.health in _UNWELL or seen.circuit != _CIRCUIT[0]:
                unwell.setdefault(item.provider.id, (item.provider, []))[1].append(item.id)
        return unwell
