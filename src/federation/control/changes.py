"""What a request has changed, for its record: told by the desks that change, gathered by whoever
puts the request on record.

The trap: a desk does not know whether anybody gathers, and rules change things without a request:
then nothing is kept. What is gathered are the objects themselves, names and all; a record gets
keyed hashes of them (`versions`), for it is for ever and whoever reads it could try out guesses.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, TypeVar

import msgspec

from federation.domain.access import VirtualKey
from federation.domain.budgets import Budget
from federation.domain.limits import Limit
from federation.domain.tenancy import Team, Tenant, User
from federation.evidence.records import Changed
from federation.storage.entries import Override
from federation.storage.nodes_entries import NodeEntry, OverflowEntry

T = TypeVar("T")

MOST: Final = 50
"""Changes that one record names; of more it says how many there were."""
_CONTEXT: Final = b"federation/version/1\n"
_KINDS: Final[dict[type, str]] = {
    VirtualKey: "key",
    Tenant: "tenant",
    Team: "team",
    User: "user",
    Budget: "budget",
    Limit: "limit",
    Override: "provider",
    OverflowEntry: "overflow_provider",
    NodeEntry: "node",
}
_SAID: Final = {"hash": "secret"}
_STAMPS: Final = ("changed_ms", "changed_by")


@dataclass(frozen=True, slots=True)
class Change:
    """An object before and after; None where it was not there yet, or is there no more."""

    before: Any
    after: Any


_gathered: ContextVar[list[Change] | None] = ContextVar("gathered", default=None)


def gather() -> list[Change]:
    """What is noted from now on in this task, and in what it starts."""
    found: list[Change] = []
    _gathered.set(found)
    return found


def note(before: object, after: object) -> None:
    """Say that this has become that. Nothing where both are the same."""
    found = _gathered.get()
    if found is not None and before != after:
        found.append(Change(before, after))


class Noting(Generic[T]):
    """An edit that a store makes within its own transaction; `note` once that is through."""

    def __init__(self, edit: Callable[[T], T]) -> None:
        self._edit = edit
        self._made: Change | None = None

    def __call__(self, before: T) -> T:
        """Edit."""
        after = self._edit(before)
        self._made = Change(before, after)
        return after

    def note(self) -> None:
        """Say what the last edit has done."""
        if self._made is not None:
            note(self._made.before, self._made.after)


def versions(
    key: bytes, changes: Sequence[Change], called: Callable[[User], str]
) -> tuple[Changed, ...]:
    """Changes as a record names them, the first `MOST`. `called` is what stands for a user."""
    return tuple(_changed(key, each, called) for each in changes[:MOST])


def _changed(key: bytes, change: Change, called: Callable[[User], str]) -> Changed:
    thing = change.before if change.after is None else change.after
    kind = _KINDS[type(thing)]
    name = called(thing) if isinstance(thing, User) else getattr(thing, "id", None)
    return Changed(
        kind=kind,
        id=name or thing.provider,
        tenant=getattr(thing, "tenant", ""),
        before=_version(key, kind, change.before),
        after=_version(key, kind, change.after),
        fields=_fields(change),
    )


def _version(key: bytes, kind: str, thing: object) -> str:
    if thing is None:
        return ""
    whole = _CONTEXT + kind.encode() + b"\n" + msgspec.json.encode(thing)
    return hmac.digest(key, whole, "sha256").hex()[:32]


def _fields(change: Change) -> tuple[str, ...]:
    """The names of what differs, never a value."""
    if change.before is None or change.after is None:
        return ()
    return tuple(
        _SAID.get(each.name, each.name)
        for each in fields(change.after)
        if each.name not in _STAMPS
        and getattr(change.before, each.name) != getattr(change.after, each.name)
    )
