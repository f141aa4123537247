"""What the stores of tenancy take and give. Safe to import without SQLAlchemy."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

Place = tuple[int | str, ...]
"""Where a page ended: the values of the columns that its list is ordered by."""


class Removal(Enum):
    """What came of a removal."""

    DONE = "done"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Held:
    """What belongs to an object, by how many; while it is not empty, the object stays."""

    teams: int = 0
    users: int = 0
    keys: int = 0
    """Keys that are not revoked."""
    revoked: int = 0
    """Revoked keys, where those keep it too: the ledger names them, and they their tenant."""


@dataclass(frozen=True, slots=True)
class Retired:
    """A key's former secret, which works until its time."""

    hash: bytes = field(repr=False)
    key: str
    tenant: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a request that named itself; status 0 while it is being done."""

    tenant: str
    key: str
    """The id of the key that asked."""
    name: str
    """The hash of what the client called the request."""
    digest: str
    """Of method, path and body: a name stands for one request."""
    expires_ms: int
    status: int = 0
    sealed: bytes = field(default=b"", repr=False)
