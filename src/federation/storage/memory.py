"""The same stores in memory: for tests, and for a gateway that runs inside a program.

The trap: they keep the promises of the database stores, not their speed; each look at calls
walks through all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from federation.schema.records import Line
from federation.storage.entries import (
    LOST,
    RUNNING,
    CallEntry,
    CallFilter,
    ConfigVersion,
    Override,
    Position,
    ResponseEntry,
    Sum,
    must_stand,
)
from federation.storage.journal_reader import Began, Ended, Entry
from federation.storage.rollups_facts import started
from federation.storage.sealing_entries import Holds

_line = msgspec.json.Decoder(Line).decode


@dataclass(frozen=True, slots=True)
class _Call:
    n: int
    writer: str
    outcome: str
    index: Began | Ended
    json: bytes

    @property
    def entry(self) -> CallEntry:
        return CallEntry(self.n, self.outcome, _line(self.json).record)


class MemoryCalls:
    """Calls and ingest positions in memory; implements `control.ports.CallStore`."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}
        self._positions: dict[str, Position] = {}

    def every(self) -> list[_Call]:
        """Every call that was heard of, in that order."""
        return list(self._calls.values())

    def positions(self) -> dict[str, Position]:
        """How far each writer's journal has been taken in."""
        return dict(self._positions)

    def take(
        self, writer: str, lines: Sequence[Entry], position: Position, after: Position | None = None
    ) -> None:
        """Take in a writer's lines up to a position, all or nothing; `after` the last ones."""
        must_stand(self._positions.get(writer, Position()), after)
        for line in lines:
            record = line.record
            known = self._calls.get(record.call)
            if known is None:
                n = len(self._calls) + 1
            elif isinstance(record, Ended) and isinstance(known.index, Began):
                n = known.n
            else:
                continue
            outcome = RUNNING if isinstance(record, Began) else record.outcome
            self._calls[record.call] = _Call(n, writer, outcome, record, line.json)
        self._positions[writer] = position

    def running(self, writer: str) -> list[CallEntry]:
        """Calls that a writer has begun and not ended, in the order of their beginning."""
        return [call.entry for call in self._left(writer)]

    def _left(self, writer: str) -> list[_Call]:
        every = self._calls.values()
        return [call for call in every if call.writer == writer and call.outcome == RUNNING]

    def close_writer(self, writer: str, position: Position | None) -> int:
        """Mark calls that a dead writer left running as lost; how many there were."""
        lost = self._left(writer)
        for call in lost:
            self._calls[call.index.call] = replace(call, outcome=LOST)
        if position is not None:
            self._positions[writer] = position
        return len(lost)

    def find(self, call: str, tenant: str | None) -> CallEntry | None:
        """One call; None where there is none, or it is another tenant's (None: any tenant)."""
        found = self._calls.get(call)
        if found is None or (tenant is not None and found.index.tenant != tenant):
            return None
        return found.entry

    def page(self, wanted: CallFilter) -> list[CallEntry]:
        """Calls, newest first, at most `limit`."""
        chosen = [call for call in self._calls.values() if _matches(call, wanted)]
        chosen.sort(key=lambda call: -call.n)
        return [call.entry for call in chosen[: wanted.limit]]

    def sums(self, since_ms: int, tenant: str | None) -> list[Sum]:
        """Totals of calls started since then, by deployment and outcome."""
        groups: dict[tuple[str, str], list[_Call]] = {}
        for call in self._calls.values():
            record = call.index
            if started(record) < since_ms or (tenant is not None and record.tenant != tenant):
                continue
            groups.setdefault((record.deployment, call.outcome), []).append(call)
        return [_sum(*key, groups[key]) for key in sorted(groups)]


def _matches(call: _Call, wanted: CallFilter) -> bool:
    record = call.index
    pairs = (
        (wanted.tenant, record.tenant),
        (wanted.outcome, call.outcome),
        (wanted.deployment, record.deployment),
        (wanted.requested, record.requested),
        (wanted.client_id, getattr(record, "client_id", "")),
    )
    before = wanted.before is None or call.n < wanted.before
    own = wanted.key is None or record.key in wanted.key
    until_ms = float("inf") if wanted.until_ms is None else wanted.until_ms
    within = (wanted.since_ms or 0) <= started(record) < until_ms
    return own and before and within and all(want is None or want == have for want, have in pairs)


def _sum(deployment: str, outcome: str, calls: list[_Call]) -> Sum:
    ended = [call.index for call in calls if isinstance(call.index, Ended)]
    costs = [record.cost_nano for record in ended if record.cost_nano is not None]
    return Sum(
        deployment,
        outcome,
        calls=len(calls),
        input=sum(record.usage.input for record in ended),
        output=sum(record.usage.output for record in ended),
        cost_nano=sum(costs),
        unpriced=len(calls) - len(costs),
        duration_ms=sum(record.duration_ms for record in ended),
    )


class MemoryOverrides:
    """Overrides in memory; implements `control.ports.OverrideStore`."""

    def __init__(self) -> None:
        self._overrides: dict[str, Override] = {}

    def list(self) -> list[Override]:
        """Every override, by provider."""
        return [self._overrides[name] for name in sorted(self._overrides)]

    def save(self, override: Override) -> None:
        """Keep an override in the place of any for the same provider."""
        self._overrides[override.provider] = override

    def swap(self, provider: str, after: Override | None, was: Override | None) -> bool:
        """Keep `after` (None: no override) where it is `was`."""
        if self._overrides.get(provider) != was:
            return False
        self._overrides.pop(provider, None)
        if after is not None:
            self.save(after)
        return True


class MemoryVersions:
    """Configuration versions in memory; implements `control.ports.VersionStore`."""

    def __init__(self) -> None:
        self._versions: list[tuple[ConfigVersion, bytes]] = []

    def latest(self) -> ConfigVersion | None:
        """The newest version, or None in a new store."""
        return self._versions[-1][0] if self._versions else None

    def add(self, digest: str, at_ms: int, body: bytes) -> ConfigVersion:
        """Keep a configuration under the next version."""
        version = ConfigVersion(len(self._versions) + 1, digest, at_ms)
        self._versions.append((version, body))
        return version

    def body(self, version: int) -> bytes | None:
        """A version's content as it was given, or None."""
        if not 0 < version <= len(self._versions):
            return None
        return self._versions[version - 1][1]


class MemoryResponses:
    """Stored responses in memory; implements `control.ports.ResponseStore`."""

    def __init__(self) -> None:
        self._entries: dict[str, ResponseEntry] = {}
        self._items: dict[tuple[str, str], str] = {}

    def add(self, entry: ResponseEntry, items: Sequence[str]) -> bool:
        """Keep a response with the names of its items; False where its id is taken."""
        if entry.id in self._entries:
            return False
        self._keep(entry, items)
        return True

    def finish(self, entry: ResponseEntry, items: Sequence[str]) -> bool:
        """Replace what a running response says; False where none runs. Its day stays."""
        found = self._running(entry.tenant, entry.id)
        if found is None:
            return False
        self._keep(replace(entry, created_ms=found.created_ms, expires_ms=found.expires_ms), items)
        return True

    def mark(self, tenant: str, response: str, status: str, *, over: bool) -> bool:
        """Change the status of a running response; False where none runs."""
        found = self._running(tenant, response)
        if found is None:
            return False
        writer = "" if over else found.writer
        self._entries[response] = replace(found, status=status, writer=writer)
        return True

    def find(self, tenant: str, response: str, now_ms: int) -> ResponseEntry | None:
        """One response; None where there is none, or it is another tenant's, or expired."""
        found = self._entries.get(response)
        if found is None or found.tenant != tenant or found.expires_ms <= now_ms:
            return None
        return found

    def chain(
        self, tenant: str, response: str, now_ms: int, most: int, most_bytes: int
    ) -> list[ResponseEntry]:
        """A response and what it continues, newest first, up to either limit."""
        found: list[ResponseEntry] = []
        size = 0
        entry = self.find(tenant, response, now_ms)
        while entry is not None:
            found.append(entry)
            size += entry.size
            if len(found) >= most or size > most_bytes:
                break
            entry = self.find(tenant, entry.previous, now_ms)
        return found

    def owners(self, tenant: str, items: Sequence[str], now_ms: int) -> list[ResponseEntry]:
        """The responses that hold these items, each once."""
        ids = {self._items.get((tenant, item), "") for item in items}
        found = [self.find(tenant, each, now_ms) for each in sorted(ids)]
        return [entry for entry in found if entry is not None]

    def remove(self, tenant: str, response: str, now_ms: int, holds: Holds = tuple) -> bool:
        """Delete a response, or where a hold covers it have it count as expired from now on;
        False where there is none, or it is another tenant's, or expired."""
        found = self.find(tenant, response, now_ms)
        if found is None:
            return False
        if any(hold.covers(found.tenant, found.subject) for hold in holds()):
            self._entries[response] = replace(found, expires_ms=now_ms)
        else:
            self._forget(response)
        return True

    def running(self, writer: str | None = None) -> list[tuple[str, str]]:
        """Writer and id of every response that runs (None: of every writer), in that order."""
        entries = self._entries.values()
        return sorted(
            (entry.writer, entry.id)
            for entry in entries
            if entry.writer and writer in (None, entry.writer)
        )

    def abandon(self, writer: str, status: str) -> int:
        """Give every response that a writer left running this status; how many there were."""
        left = [each for _, each in self.running(writer)]
        for each in left:
            self._entries[each] = replace(self._entries[each], status=status, writer="")
        return len(left)

    def expire(self, now_ms: int, most: int, holds: Holds = tuple) -> int:
        """Delete up to `most` expired responses that no hold covers; how many there were."""
        held = holds()
        old = [
            entry.id
            for entry in self._entries.values()
            if entry.expires_ms <= now_ms
            and not any(hold.covers(entry.tenant, entry.subject) for hold in held)
        ]
        for each in old[:most]:
            self._forget(each)
        return len(old[:most])

    def _running(self, tenant: str, response: str) -> ResponseEntry | None:
        found = self._entries.get(response)
        if found is None or found.tenant != tenant or not found.writer:
            return None
        return found

    def _keep(self, entry: ResponseEntry, items: Sequence[str]) -> None:
        self._entries[entry.id] = entry
        self._items.update({(entry.tenant, item): entry.id for item in items})

    def _forget(self, response: str) -> None:
        del self._entries[response]
        self._items = {name: owner for name, owner in self._items.items() if owner != response}
