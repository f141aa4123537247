"""What control needs of a store, each Protocol as small as its caller.

All of it blocks, and is called in a thread (`control.threads`). Every method raises
`errors.Unavailable` where the store cannot be reached; what one promises beyond that is
held against each implementation by tests/contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from federation.domain.access import VirtualKey
from federation.storage.entries import (
    CallEntry,
    CallFilter,
    ConfigVersion,
    Override,
    Position,
    ResponseEntry,
    Sum,
)
from federation.storage.journal_reader import Entry
from federation.storage.sealing_entries import Holds


class CallStore(Protocol):
    """The ledger's index: calls, attempts, and how far the journals were taken in."""

    def positions(self) -> dict[str, Position]:
        """How far each writer's journal has been taken in."""
        ...

    def take(
        self, writer: str, lines: Sequence[Entry], position: Position, after: Position | None = None
    ) -> None:
        """Take in a writer's lines up to a position, all or nothing; idempotent by call.

        Raises `Unavailable` where the store is not `after` the last lines: a database that was
        restored, or whose standby took over, is an older copy of itself.
        """
        ...

    def running(self, writer: str) -> list[CallEntry]:
        """Calls that a writer has begun and not ended, in the order of their beginning."""
        ...

    def close_writer(self, writer: str, position: Position | None) -> int:
        """Mark calls that a dead writer left running as lost; how many there were.

        Without a position its journal may still be taken in where it lies: a call whose end it
        holds is lost no more then.
        """
        ...

    def find(self, call: str, tenant: str | None) -> CallEntry | None:
        """One call; None where there is none, or it is another tenant's (None: any tenant)."""
        ...

    def page(self, wanted: CallFilter) -> list[CallEntry]:
        """Calls, newest first, at most `limit`."""
        ...

    def sums(self, since_ms: int, tenant: str | None) -> list[Sum]:
        """Totals of calls started since then, by deployment and outcome, in that order."""
        ...


class KeyStore(Protocol):
    """Virtual keys and the tenants that they belong to."""

    def add(self, key: VirtualKey, by: str = "") -> None:
        """Keep a new key of an existing tenant, and who made it; empty is nobody whom we know."""
        ...

    def find(self, key: str, tenant: str | None) -> VirtualKey | None:
        """One key; None where there is none, or it is another tenant's (None: any tenant)."""
        ...

    def list(self, tenant: str | None) -> list[VirtualKey]:
        """A tenant's keys (None: everyone's), revoked ones too, oldest first."""
        ...

    def revoke(self, key: str, at_ms: int) -> None:
        """End a key. Idempotent: the first revocation's time stays."""
        ...

    def has_tenant(self, tenant: str) -> bool:
        """Whether there is a tenant of this id."""
        ...

    def ensure_tenant(self, tenant: str, at_ms: int) -> None:
        """Make a tenant where there is none of this id."""
        ...


class OverrideStore(Protocol):
    """What operators decided about providers at run time."""

    def list(self) -> list[Override]:
        """Every override, by provider."""
        ...

    def save(self, override: Override) -> None:
        """Keep an override in the place of any for the same provider."""
        ...

    def swap(self, provider: str, after: Override | None, was: Override | None) -> bool:
        """Keep `after` (None: no override) for a provider whose override is `was`; False, and
        nothing kept, where it is another by now."""
        ...


class VersionStore(Protocol):
    """Every configuration that was ever in force."""

    def latest(self) -> ConfigVersion | None:
        """The newest version, or None in a new store."""
        ...

    def add(self, digest: str, at_ms: int, body: bytes) -> ConfigVersion:
        """Keep a configuration under the next version. `body` holds no secret."""
        ...

    def body(self, version: int) -> bytes | None:
        """A version's content as it was given, or None."""
        ...


class ResponseStore(Protocol):
    """Responses that clients had kept, sealed. Each belongs to one tenant.

    An entry whose day has come counts as absent, whether it was swept or not. One that has
    a `writer` runs; only such a one ever changes.
    """

    def add(self, entry: ResponseEntry, items: Sequence[str]) -> bool:
        """Keep a response with the names of its items; False where its id is taken."""
        ...

    def finish(self, entry: ResponseEntry, items: Sequence[str]) -> bool:
        """Replace what a running response says; False where none runs. Its day stays."""
        ...

    def mark(self, tenant: str, response: str, status: str, *, over: bool) -> bool:
        """Change the status of a running response; False where none runs."""
        ...

    def find(self, tenant: str, response: str, now_ms: int) -> ResponseEntry | None:
        """One response; None where there is none, or it is another tenant's, or expired."""
        ...

    def chain(
        self, tenant: str, response: str, now_ms: int, most: int, most_bytes: int
    ) -> list[ResponseEntry]:
        """A response and what it continues, newest first, up to `most` of them or to the
        first that brings them over `most_bytes`."""
        ...

    def owners(self, tenant: str, items: Sequence[str], now_ms: int) -> list[ResponseEntry]:
        """The responses that hold these items, each once."""
        ...

    def remove(self, tenant: str, response: str, now_ms: int, holds: Holds = tuple) -> bool:
        """Delete a response, or where a hold covers it have it count as expired from now on;
        False where there is none, or it is another tenant's, or expired. No hold is set between
        the question and what is done."""
        ...

    def running(self, writer: str | None = None) -> list[tuple[str, str]]:
        """Writer and id of every response that runs (None: of every writer), in that order."""
        ...

    def abandon(self, writer: str, status: str) -> int:
        """Give every response that a writer left running this status; how many there were."""
        ...

    def expire(self, now_ms: int, most: int, holds: Holds = tuple) -> int:
        """Delete up to `most` expired responses that no hold covers; how many there were."""
        ...
