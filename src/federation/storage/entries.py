"""What the stores take and give: plain frozen values, never a row of the database.

Safe to import without SQLAlchemy.
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.errors import Unavailable
from federation.schema.records import Record

RUNNING = "running"
LOST = "lost"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a writer's journal has been taken in. `closed`: nothing will follow."""

    segment: int = 1
    offset: int = 0
    seq: int = 0
    closed: bool = False


def must_stand(found: Position, after: Position | None) -> None:
    """Raise `Unavailable` where a store is not where it was left, if that is said. It was restored,
    or an older copy of it took over: what it lacks is in the journals."""
    if after and (found.segment, found.offset, found.seq) != (
        after.segment,
        after.offset,
        after.seq,
    ):
        words = "The store is an older copy of itself; what it lacks is taken in again."
        raise Unavailable(words, code="store_unavailable", retry_after_s=5.0)


@dataclass(frozen=True, slots=True)
class CallEntry:
    """One call as the ledger knows it.

    `outcome` is a `CallEnded` outcome, or `running`, or `lost`: its worker died before the
    end, so what it cost is unknown. In these two cases the record is a `CallStarted`.
    """

    n: int
    """Its place in the store; grows with time."""
    outcome: str
    record: Record


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls to list. `tenant` None is every tenant; `before` is an entry's `n`; those that
    began from `since_ms` on and before `until_ms`."""

    tenant: str | None
    limit: int = 50
    before: int | None = None
    outcome: str | None = None
    key: tuple[str, ...] | None = None
    """Any of these."""
    deployment: str | None = None
    requested: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    client_id: str | None = None
    """The id that the client gave its request: of calls that have ended."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Totals of the calls that one deployment answered in one way."""

    deployment: str
    outcome: str
    calls: int
    input: int
    output: int
    cost_nano: int
    unpriced: int
    """Calls among them whose cost is unknown."""
    duration_ms: float
    """Summed."""


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's runtime decision about a provider."""

    provider: str
    enabled: bool
    changed_ms: int
    changed_by: str


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """A configuration that was in force from `at_ms` on."""

    version: int
    digest: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class ResponseEntry:
    """A stored response; what it says is sealed.

    `writer` is the worker that still works on it, empty once it is over. `size` is that of
    the content before it was sealed.
    """

    id: str
    tenant: str
    previous: str
    status: str
    writer: str
    created_ms: int
    expires_ms: int
    size: int
    sealed: bytes
    subject: str = ""
    """Whose it is, as a pseudonym."""
