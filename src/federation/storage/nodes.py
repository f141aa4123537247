"""Hosts that were registered at run time, and providers that calls may spill to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import Engine, select

from federation.storage.engine import reading, replacing, writing
from federation.storage.nodes_entries import NodeEntry, OverflowEntry
from federation.storage.tables import nodes, overflow_providers

_LISTS = ("models", "abilities")


class SqlNodes:
    """Implements `control.nodes_ports.NodeStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self) -> list[NodeEntry]:
        """Every node, removed ones too, by id."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(nodes).order_by(nodes.c.id)).mappings()
            return [_node(dict(row)) for row in rows]

    def save(self, node: NodeEntry) -> None:
        """Keep a node in the place of any of the same id."""
        row = asdict(node)
        row |= {name: msgspec.json.encode(row[name]).decode() for name in _LISTS}
        with writing(self._engine) as connection:
            connection.execute(replacing(nodes), row)


class SqlOverflow:
    """Implements `control.nodes_ports.OverflowStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self) -> list[OverflowEntry]:
        """Every decision, the oldest first."""
        table = overflow_providers
        query = select(table).order_by(table.c.changed_ms, table.c.provider)
        with reading(self._engine) as connection:
            return [OverflowEntry(*row) for row in connection.execute(query)]

    def save(self, entry: OverflowEntry) -> None:
        """Keep a decision in the place of any about the same provider."""
        with writing(self._engine) as connection:
            connection.execute(replacing(overflow_providers), asdict(entry))


def _node(row: dict[str, Any]) -> NodeEntry:
    lists = {name: tuple(msgspec.json.decode(row[name])) for name in _LISTS}
    return NodeEntry(**row | lists)
