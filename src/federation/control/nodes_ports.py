"""What control needs of a store of nodes and of overflow providers.

As in `control.ports`: it blocks, and raises `errors.Unavailable` where it cannot be reached.
"""

from __future__ import annotations

from typing import Protocol

from federation.storage.nodes_entries import NodeEntry, OverflowEntry


class NodeStore(Protocol):
    """Hosts of our own that were registered at run time."""

    def list(self) -> list[NodeEntry]:
        """Every node, removed ones too, by id."""
        ...

    def save(self, node: NodeEntry) -> None:
        """Keep a node in the place of any of the same id."""
        ...


class OverflowStore(Protocol):
    """Decisions of whether calls may spill to a provider."""

    def list(self) -> list[OverflowEntry]:
        """Every decision, the oldest first."""
        ...

    def save(self, entry: OverflowEntry) -> None:
        """Keep a decision in the place of any about the same provider."""
        ...
