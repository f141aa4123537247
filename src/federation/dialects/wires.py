"""What every dialect's wire holds of a deployment, prepared before a call.

The traps: a wire holds a secret, so it is never printed whole; and a field that a host calls by
another name is dropped, renamed and set under that name (see `row_changes`).
"""

from __future__ import annotations

import msgspec

from federation.dialects.faces import HeaderPairs
from federation.schema.http import Origin


class HostWire(msgspec.Struct, frozen=True, kw_only=True):
    """Where a deployment is, and how its errors are to be read."""

    deployment: str
    origin: Origin
    throttles: frozenset[int]
    """Statuses that mean "slow down", like 429."""
    unpaid: frozenset[int]
    """Statuses that mean "out of funds", like 402."""
    loading: frozenset[int] = frozenset()
    """Statuses that mean that the model is being loaded."""
    secrets: tuple[bytes, ...] = ()
    """What must never reach a client; error bodies are searched for it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.deployment!r})"


class FieldWire(HostWire, frozen=True, kw_only=True):
    """The same, with what a row changes of a body's top-level fields; a `row_changes.Row`."""

    whole: HeaderPairs
    """Headers of a request for a whole answer."""
    streamed: HeaderPairs
    """Headers of a request for a stream."""
    drop: frozenset[str]
    accepts: frozenset[str] | None
    rename: dict[str, str]
    default: dict[str, bytes]
    set: dict[str, bytes]
