"""What the launcher needs to know before anything else is loaded: where to listen, for whom.

Apart from the other settings for what they import: the launcher reads this in every start,
and its children wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where and how the gateway listens."""

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    open: bool = False
    """No key is asked for; only on a loopback address."""
    drain_s: float = 30.0
    """How long running calls may take to finish after SIGTERM."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose `X-Forwarded-For` is believed when failures are counted."""


@dataclass(frozen=True, slots=True)
class Access:
    """Keys that came with the environment instead of `federation key create`."""

    keys: tuple[str, ...] = field(default=(), repr=False)
    """Secrets from ALLOWED_API_KEYS, to be taken in as developer keys of the default tenant."""
