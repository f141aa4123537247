"""Nodes and overflow providers in memory, for tests and for trying things out."""

from __future__ import annotations

from federation.storage.nodes_entries import NodeEntry, OverflowEntry


class MemoryNodes:
    """Implements `control.nodes_ports.NodeStore`."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeEntry] = {}

    def list(self) -> list[NodeEntry]:
        """Every node, removed ones too, by id."""
        return [self._nodes[name] for name in sorted(self._nodes)]

    def save(self, node: NodeEntry) -> None:
        """Keep a node in the place of any of the same id."""
        self._nodes[node.id] = node


class MemoryOverflow:
    """Implements `control.nodes_ports.OverflowStore`."""

    def __init__(self) -> None:
        self._entries: dict[str, OverflowEntry] = {}

    def list(self) -> list[OverflowEntry]:
        """Every decision, the oldest first."""
        return sorted(self._entries.values(), key=lambda each: (each.changed_ms, each.provider))

    def save(self, entry: OverflowEntry) -> None:
        """Keep a decision in the place of any about the same provider."""
        self._entries[entry.provider] = entry
