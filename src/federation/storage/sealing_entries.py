"""Sealing keys, holds and erasures as their store has them. Safe to import without SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

TENANT: Final = "tenant"
NAMES: Final = "names"
DATA: Final = "data"
SPOOL: Final = "spool"
"""Kinds of keys: a tenant's, which wraps its others; the one that its pseudonyms are made with;
one person's of a month; and the one that workers seal with on the way to control."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key as it is kept: wrapped by another one, or destroyed."""

    id: str
    kind: str
    tenant: str
    subject: str
    """A pseudonym; empty for keys that are no person's."""
    period: str
    """A month as 2026-11; empty for keys that are of none."""
    parent: str
    """What wrapped it: a tenant's key, or a version of the root."""
    wrapped: bytes = field(repr=False)
    """Empty once it is destroyed."""
    created_ms: int
    until_ms: int = 0
    """Nothing that it sealed is wanted after this; 0 for keys that only wrap."""
    uses: int = 0
    """How many contents may have been sealed with it so far: an upper bound."""
    destroyed_ms: int | None = None
    why: str = ""
    """Why it was destroyed."""


@dataclass(frozen=True, slots=True)
class HoldEntry:
    """A legal hold on a person's data, or on a tenant's (`subject` empty)."""

    id: str
    tenant: str
    subject: str
    reason: str
    by: str
    """The key that set it."""
    created_ms: int
    released_ms: int | None = None

    def covers(self, tenant: str, subject: str) -> bool:
        """Whether this person's data must be kept."""
        return self.tenant == tenant and self.subject in ("", subject)


Holds = Callable[[], Collection[HoldEntry]]
"""Asks for the holds in force."""


@dataclass(frozen=True, slots=True)
class ErasureEntry:
    """A wish that a person's data be unreadable, and what became of it."""

    id: str
    tenant: str
    subject: str
    by: str
    asked_ms: int
    done_ms: int | None = None
    """None while a hold is in the way."""
    keys: int = 0
    """How many were destroyed."""


@dataclass(frozen=True, slots=True)
class PayloadEntry:
    """What was said and answered in one call, sealed."""

    call: str
    tenant: str
    subject: str
    """A pseudonym."""
    at_ms: int
    expires_ms: int
    size: int
    """Of the content before it was sealed."""
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PayloadFilter:
    """Which payloads to list; None is any. `before` is the place to go on from."""

    tenant: str | None
    subjects: tuple[str, ...] | None = None
    limit: int = 50
    before: tuple[int, str] | None = None
