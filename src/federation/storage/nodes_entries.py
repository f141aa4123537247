"""What the stores of nodes and of overflow providers take and give.

Safe to import without SQLAlchemy.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A host of our own that was registered at run time."""

    id: str
    base_url: str
    dialect: str
    region: str
    models: tuple[str, ...]
    abilities: tuple[str, ...]
    concurrency: int | None
    state: str
    changed_ms: int
    changed_by: str


@dataclass(frozen=True, slots=True)
class OverflowEntry:
    """Whether calls may spill to a provider, by an operator's decision at run time."""

    provider: str
    enabled: bool
    changed_ms: int
    changed_by: str
