"""What the store keeps of who has signed in, and of the keys that sign tokens.

The trap: nothing here is a token, and nothing here is enough to make one. The salt of a session
goes with the master key, and a signing key is sealed under it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in; `n` is how many times the session was refreshed."""

    id: str
    tenant: str
    subject: str
    """`key:<id>` or `user:<tenant>/<id>`."""
    salt: bytes = field(repr=False)
    created_ms: int
    turned_ms: int
    """When it was refreshed last."""
    expires_ms: int
    scopes: tuple[str, ...] = ()
    n: int = 0
    ended_ms: int | None = None
    reason: str = ""
    """Why it ended before its time."""


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key that signs tokens. `n` counts up."""

    n: int
    id: str
    sealed: bytes = field(repr=False)
    from_s: int
