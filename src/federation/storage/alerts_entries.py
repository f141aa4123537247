"""A message that is to be delivered, as the store keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told by way of a channel; `id` and channel together come once."""

    id: str
    channel: str
    body: str
    """JSON."""
    made_ms: int
    due_ms: int
    tries: int = 0
