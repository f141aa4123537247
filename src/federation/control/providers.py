"""Switching providers on and off at run time, and asking whether they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from federation.control.changes import note
from federation.control.configuration import Configuration
from federation.control.ports import OverrideStore
from federation.control.probes import Probe, Prober
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.errors import InvalidRequest
from federation.storage.entries import Override


@dataclass(frozen=True, slots=True)
class Switched:
    """A provider after a change, and the configuration version that it made."""

    provider: str
    enabled: bool
    version: int
    probe: Probe | None


class ProviderDesk:
    """Runtime changes of providers: validated, probed, kept, and put in force as a version."""

    def __init__(
        self,
        configuration: Configuration,
        overrides: OverrideStore,
        prober: Prober,
        errands: Errands,
        clock: Callable[[], float],
    ) -> None:
        self._configuration = configuration
        self._overrides = overrides
        self._prober = prober
        self._errands = errands
        self._clock = clock
        self._turn = asyncio.Lock()
        self.publish: Callable[[], Awaitable[None]] = _nobody

    async def test(self, provider: str) -> Probe:
        """Ask a provider whether it answers. Raises `NotFound`."""
        row = self._configuration.provider(provider)
        secret = self._configuration.reading.secrets.get(row.id)
        return await self._prober.ask(row, secret)

    async def enable(self, provider: str, by: VirtualKey, *, force: bool) -> Switched:
        """Switch a provider on, after it answered a probe or in any case if forced.

        Raises `NotFound`, and `InvalidRequest` (409) where the probe failed.
        """
        probe = None
        if not force:
            probe = await self.test(provider)
            if not probe.ok:
                message = f"'{provider}' stays as it was. {probe.message} Use force to insist."
                raise InvalidRequest(message, status=409, code="probe_failed")
        return await self._switch(provider, by, enabled=True, probe=probe)

    async def disable(self, provider: str, by: VirtualKey) -> Switched:
        """Switch a provider off; calls under way finish. Raises `NotFound`."""
        return await self._switch(provider, by, enabled=False, probe=None)

    async def decided(self, provider: str) -> Override | None:
        """What was decided about a provider at run time; None where its file counts."""
        kept = await self._errands.run(self._overrides.list)
        return next((each for each in kept if each.provider == provider), None)

    async def swap(self, provider: str, after: Override | None, was: Override | None) -> bool:
        """Put `after` in force where the decision is still `was`; False where it is another by
        now. Raises `NotFound` where something is decided about a provider that is not there."""
        if after is not None:
            self._configuration.provider(provider)
        async with self._turn:
            if not await self._errands.run(self._overrides.swap, provider, after, was):
                return False
            note(was, after)
            if await self._errands.run(self._configuration.recompile):
                await self.publish()
        return True

    async def _switch(
        self, provider: str, by: VirtualKey, *, enabled: bool, probe: Probe | None
    ) -> Switched:
        row = self._configuration.provider(provider)
        override = Override(row.id, enabled, int(self._clock() * 1000), by.id)
        async with self._turn:
            before = await self.decided(row.id)
            await self._errands.run(self._overrides.save, override)
            note(before, override)
            if await self._errands.run(self._configuration.recompile):
                await self.publish()
            version = self._configuration.snapshot.version
        return Switched(row.id, enabled, version, probe)


async def _nobody() -> None:
    """Where nobody is connected yet."""
