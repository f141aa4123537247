"""Where calls may spill to when the hosts of our own are busy: what a file says, and what an
operator decided since.

A decision at run time goes before the file, whichever way it goes, and outlives a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from federation.config.settings import Loaded
from federation.control.changes import note
from federation.control.configuration import Configuration
from federation.control.nodes_ports import OverflowStore
from federation.control.probes import Probe
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.domain.catalogue import Provider
from federation.errors import InvalidRequest
from federation.storage.nodes_entries import OverflowEntry


@dataclass(frozen=True, slots=True)
class Spilling:
    """The list after a change, and what came of asking the provider where it was asked."""

    provider: str
    enabled: bool
    providers: tuple[str, ...]
    version: int
    probe: Probe | None


def with_overflow(loaded: Loaded, decided: Iterable[OverflowEntry]) -> Loaded:
    """What was read, with the list as it was decided since. A provider whose row is gone is
    left out, and comes back with it."""
    rules = loaded.settings.overflow
    said = {entry.provider: entry.enabled for entry in decided}
    names = [name for name in rules.providers if said.get(name, True)]
    names += [name for name, on in said.items() if on and name not in names]
    known = tuple(name for name in names if name in loaded.providers)
    if known == rules.providers:
        return loaded
    settings = replace(loaded.settings, overflow=replace(rules, providers=known))
    return replace(loaded, settings=settings)


class OverflowDesk:
    """Changes the list at run time: probed, kept, and put in force as a version."""

    def __init__(
        self,
        configuration: Configuration,
        store: OverflowStore,
        probe: Callable[[str], Awaitable[Probe]],
        errands: Errands,
        clock: Callable[[], float],
    ) -> None:
        self._configuration = configuration
        self._store = store
        self._probe = probe
        self._errands = errands
        self._clock = clock
        self._turn = asyncio.Lock()
        self.publish: Callable[[], Awaitable[None]] = _nobody

    async def add(self, provider: str, by: VirtualKey) -> Spilling:
        """Let calls spill to a provider, once it answered a probe.

        Raises `NotFound`, and `InvalidRequest` (409) where it is a host of our own, switched
        off, or does not answer.
        """
        row = self._configuration.provider(provider)
        if row.local:
            message = f"'{provider}' is a host of your own: calls spill from those, not to them."
            raise InvalidRequest(message, status=409, code="local_provider", param="provider")
        if not self._enabled(row):
            message = f"'{provider}' is switched off: switch it on first."
            raise InvalidRequest(message, status=409, code="provider_disabled", param="provider")
        probe = await self._probe(provider)
        if not probe.ok:
            message = f"Calls do not spill to '{provider}'. {probe.message}"
            raise InvalidRequest(message, status=409, code="probe_failed", param="provider")
        return await self._decide(row, by, enabled=True, probe=probe)

    async def remove(self, provider: str, by: VirtualKey) -> Spilling:
        """Let no further calls spill to a provider. Raises `NotFound`."""
        row = self._configuration.provider(provider)
        return await self._decide(row, by, enabled=False, probe=None)

    async def _decide(
        self, row: Provider, by: VirtualKey, *, enabled: bool, probe: Probe | None
    ) -> Spilling:
        entry = OverflowEntry(row.id, enabled, int(self._clock() * 1000), by.id)
        async with self._turn:
            kept = await self._errands.run(self._store.list)
            await self._errands.run(self._store.save, entry)
            note(next((each for each in kept if each.provider == row.id), None), entry)
            if await self._errands.run(self._configuration.recompile):
                await self.publish()
            snapshot = self._configuration.snapshot
        providers = snapshot.settings.overflow.providers
        return Spilling(row.id, enabled, providers, snapshot.version, probe)

    def _enabled(self, row: Provider) -> bool:
        """As operators decided since: the snapshot knows."""
        deployments = self._configuration.snapshot.deployments
        mine = [each.enabled for each in deployments if each.provider.id == row.id]
        return all(mine) if mine else row.enabled


async def _nobody() -> None:
    """Where nobody is connected yet."""
