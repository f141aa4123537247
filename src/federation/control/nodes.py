"""Nodes: hosts of our own that are registered at run time and become providers' rows.

    loading -> ready -> draining -> removed

A node is ready once it has answered a probe. Draining takes no new calls, and those that run
on it end as they would; so do they when it is removed. The trap is a name: a row of a file or
of the catalogue that is called like a node goes before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from federation.config.node_rows import node_provider
from federation.config.settings import Loaded
from federation.control.changes import note
from federation.control.configuration import Configuration
from federation.control.nodes_ports import NodeStore
from federation.control.probes import Probe, Prober
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.domain.catalogue import Provider
from federation.errors import ConfigError, InvalidRequest, NotFound, Unavailable
from federation.storage.nodes_entries import NodeEntry

log = logging.getLogger(__name__)


class State(str, Enum):
    """The life of a node."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Wish:
    """A node that somebody registers."""

    id: str
    base_url: str
    dialect: str
    region: str
    models: tuple[str, ...]
    abilities: tuple[str, ...] = ()
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A node after a change, and what came of asking it where it was asked."""

    node: NodeEntry
    probe: Probe | None = None


def provider_of(node: NodeEntry) -> Provider:
    """A node as a provider's row. Raises `ConfigError` for what is no row."""
    row = node_provider(
        node.id,
        node.base_url,
        node.dialect,
        node.region,
        node.models,
        node.abilities,
        node.concurrency,
    )
    return replace(row, enabled=node.state == State.READY.value)


def with_nodes(loaded: Loaded, nodes: Iterable[NodeEntry]) -> Loaded:
    """What was read, with every node that is not removed as a row of its own."""
    rows: dict[str, Provider] = {}
    for node in nodes:
        if node.state == State.REMOVED.value or node.id in loaded.providers:
            continue
        try:
            rows[node.id] = provider_of(node)
        except ConfigError:  # kept by a version that took more
            log.error("a node is no row any more", extra={"node": node.id})  # noqa: TRY400
    if not rows:
        return loaded
    return replace(
        loaded, providers=loaded.providers | rows, configured=loaded.configured | rows.keys()
    )


class NodeDesk:
    """Registers nodes and moves them through their lives; every change is kept and in force
    on all workers before it is answered."""

    def __init__(
        self,
        configuration: Configuration,
        store: NodeStore,
        prober: Prober,
        errands: Errands,
        clock: Callable[[], float],
    ) -> None:
        self._configuration = configuration
        self._store = store
        self._prober = prober
        self._errands = errands
        self._clock = clock
        self._turn = asyncio.Lock()
        self._known: list[NodeEntry] = []
        self.publish: Callable[[], Awaitable[None]] = _nobody

    async def everybody(self) -> list[NodeEntry]:
        """Every node but those that are removed, by id."""
        nodes = await self._errands.run(self._store.list)
        self._known = [node for node in nodes if node.state != State.REMOVED.value]
        return self._known

    async def known(self) -> list[NodeEntry]:
        """The same, as it was last seen where the store cannot be reached."""
        try:
            return await self.everybody()
        except Unavailable:
            return self._known

    async def register(self, wish: Wish, by: VirtualKey) -> Registered:
        """Register a node, or register it anew; it is ready at once where it answers.

        Raises `InvalidRequest` for what cannot be a row, for an address that the gateway never
        connects to, and (409) for a name that is taken.
        """
        if wish.id in self._configuration.reading.loaded.providers:
            message = f"There is a provider '{wish.id}' already: give the node another id."
            raise InvalidRequest(message, status=409, code="name_taken", param="id")
        node = self._entry(wish, by)
        row = _checked(node)
        probe = await self._prober.ask(row, None)
        if probe.barred:
            message = f"'base_url' cannot be used: {probe.message}."
            raise InvalidRequest(message, param="base_url")
        if probe.ok:
            node = replace(node, state=State.READY.value)
        await self._keep(node)
        return Registered(node, probe)

    async def drain(self, node: str, by: VirtualKey) -> Registered:
        """Send it no new calls. Raises `NotFound`."""
        return Registered(await self._move(node, State.DRAINING, by.id))

    async def remove(self, node: str, by: VirtualKey) -> Registered:
        """Forget it. Raises `NotFound`."""
        return Registered(await self._move(node, State.REMOVED, by.id))

    async def settle(self) -> None:
        """Ask those that load whether they are ready. Never raises for what a node does."""
        for node in await self.everybody():
            if node.state != State.LOADING.value:
                continue
            try:
                row = provider_of(node)
            except ConfigError:  # of a version that took more; `with_nodes` tells of it
                continue
            probe = await self._prober.ask(row, None)
            if probe.ok:
                with contextlib.suppress(NotFound):  # it was removed while it was asked
                    await self._move(node.id, State.READY, node.changed_by, only=State.LOADING)

    def _entry(self, wish: Wish, by: VirtualKey) -> NodeEntry:
        return NodeEntry(
            id=wish.id,
            base_url=wish.base_url,
            dialect=wish.dialect,
            region=wish.region,
            models=wish.models,
            abilities=wish.abilities,
            concurrency=wish.concurrency,
            state=State.LOADING.value,
            changed_ms=int(self._clock() * 1000),
            changed_by=by.id,
        )

    async def _move(
        self, name: str, state: State, by: str, *, only: State | None = None
    ) -> NodeEntry:
        async with self._turn:
            node = next((each for each in await self.everybody() if each.id == name), None)
            if node is None:
                raise NotFound(f"There is no node '{name}'.", param="node")
            if only is not None and node.state != only.value:
                return node
            now_ms = int(self._clock() * 1000)
            moved = replace(node, state=state.value, changed_ms=now_ms, changed_by=by)
            await self._save(node, moved)
        return moved

    async def _keep(self, node: NodeEntry) -> None:
        async with self._turn:
            before = next((each for each in await self.everybody() if each.id == node.id), None)
            await self._save(before, node)

    async def _save(self, before: NodeEntry | None, node: NodeEntry) -> None:
        await self._errands.run(self._store.save, node)
        note(before, None if node.state == State.REMOVED.value else node)
        if await self._errands.run(self._configuration.recompile):
            await self.publish()


def _checked(node: NodeEntry) -> Provider:
    """The node's row. Raises `InvalidRequest` naming the field at fault."""
    try:
        return provider_of(node)
    except ConfigError as error:
        wrong = error.problems[0]
        raise InvalidRequest(f"'{wrong.where}' {wrong.message}.", param=wrong.where) from None


async def _nobody() -> None:
    """Where nobody is connected yet."""
