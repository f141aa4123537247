"""Violations: heard of from records, kept, dealt with by people, each step on record.

The trap: this listens to ingest, in its thread, before the store keeps the lines. What it cannot
keep, ingest must not keep either, so it raises; and all that it hears may come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from federation.control.notebook import Notebook
from federation.control.permissions import tenant_seen
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.domain.violations import Kind, Remedy, Sighting, State, Violation
from federation.errors import EvidenceUnwritable, InvalidRequest, NotFound, Unavailable
from federation.evidence.records import CallLost, ViolationMoved
from federation.governance.violations import (
    ESCALATES_AT,
    due_ms,
    raised,
    severity_of,
    sightings,
)
from federation.storage.entries import CallEntry
from federation.storage.journal_reader import Ended, Entry
from federation.storage.secrets import new_id
from federation.storage.violations import SqlViolations, ViolationFilter

SHOWN_CALLS = 100
Controls = Callable[[], Mapping[tuple[str, str], str]]
"""By policy and rule, the control of a framework that the rule names."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A violation with what belongs to it."""

    violation: Violation
    calls: tuple[str, ...]
    """The newest calls in which it was seen."""
    remedies: tuple[Remedy, ...]


class ViolationDesk:
    """What is seen (`hear`, `lost`, `see`: they block) and what people say to it."""

    def __init__(
        self, store: SqlViolations, notebook: Notebook, controls: Controls, errands: Errands
    ) -> None:
        self._store = store
        self._notes = notebook
        self._controls = controls
        self._errands = errands

    def hear(self, lines: Sequence[Entry]) -> None:
        """Look for violations in lines of workers. Raises `Unavailable`."""
        seen: list[Sighting] = []
        for line in lines:
            record = line.record
            if type(record) is Ended and (record.refusals or record.watched or record.findings):
                seen += sightings(
                    record.call,
                    record.at_ms,
                    record.tenant,
                    record.key,
                    {} if record.deployment else record.refusals,
                    record.watched,
                    record.findings,
                )
        if seen:
            self.see(seen)

    def lost(self, writer: str, calls: Sequence[CallEntry]) -> None:
        """Put on record the calls that a dead worker left. Raises `Unavailable`."""
        now_ms = self._notes.now_ms()
        records = [each.record for each in calls]
        self._note(
            *(
                CallLost(
                    now_ms,
                    record.call,
                    record.tenant,
                    record.key,
                    record.requested,
                    record.deployment,
                    record.at_ms,
                    writer,
                )
                for record in records
            )
        )
        self.see(
            [
                Sighting(Kind.LOST, now_ms, "", "worker", each.tenant, each.key, each.call)
                for each in records
            ]
        )

    def see(self, seen: Sequence[Sighting]) -> None:
        """Take in what was seen; again, it changes nothing. Raises `Unavailable`."""
        controls = self._controls()

        def first(sighting: Sighting) -> Violation:
            return _first(sighting, controls.get((sighting.policy, sighting.rule), ""))

        def moved(after: Violation, sighting: Sighting, what: str) -> None:
            self._note(_record(after, what, sighting.at_ms, sighting.call))

        self._store.see(seen, first, _again, moved)

    async def page(self, asker: VirtualKey, wanted: ViolationFilter) -> list[Violation]:
        """Violations that the asker can see, newest first."""
        wanted = replace(wanted, tenant=tenant_seen(asker) or wanted.tenant)
        return await self._errands.run(self._store.page, wanted)

    async def get(self, asker: VirtualKey, violation: str) -> Whole:
        """One with its calls and remedies. Raises `NotFound`."""
        return await self._errands.run(self._get, violation, tenant_seen(asker))

    async def acknowledge(self, asker: VirtualKey, violation: str, note: str) -> Violation:
        """Say that somebody looks after it. Raises `NotFound`; `InvalidRequest` where it is
        resolved."""
        return await self._move(asker, violation, State.ACKNOWLEDGED, note)

    async def resolve(self, asker: VirtualKey, violation: str, note: str) -> Violation:
        """Close it; what is seen of the kind from now on is another. Raises as `acknowledge`
        does, and where no word is said of what was done."""
        if not note.strip():
            message = "Say in 'note' what was done, or why nothing has to be."
            raise InvalidRequest(message, param="note")
        return await self._move(asker, violation, State.RESOLVED, note)

    def tenant_of(self, asker: VirtualKey) -> str | None:
        """The tenant whose violations an asker can see; None is every tenant."""
        return tenant_seen(asker)

    def _get(self, violation: str, tenant: str | None) -> Whole:
        found = self._store.find(violation, tenant)
        if found is None:
            raise no_violation(violation)
        calls = self._store.calls(violation, SHOWN_CALLS)
        return Whole(found, tuple(calls), tuple(self._store.remedies(violation)))

    async def _move(self, asker: VirtualKey, violation: str, state: State, note: str) -> Violation:
        now_ms = self._notes.now_ms()

        def edit(before: Violation) -> Violation:
            if before.state is State.RESOLVED:
                message = "This violation is resolved: what is seen anew is another one."
                raise InvalidRequest(message, status=409, code="violation_resolved")
            said = note.strip() or before.note
            return replace(before, state=state, changed_ms=now_ms, changed_by=asker.id, note=said)

        def changed(after: Violation) -> None:
            self._note(_record(after, state.value, now_ms, "", asker.id))

        found = await self._errands.run(
            self._store.change, violation, tenant_seen(asker), edit, changed
        )
        if found is None:
            raise no_violation(violation)
        return found

    def _note(self, *records: ViolationMoved | CallLost) -> None:
        try:
            self._notes.write(*records)
        except EvidenceUnwritable as error:
            raise Unavailable(error.message, code=error.code) from error


def no_violation(violation: str) -> NotFound:
    """What is said of one that is not there, or not for who asks."""
    return NotFound(f"There is no violation '{violation}'.", param="violation")


def _first(sighting: Sighting, control: str) -> Violation:
    severity = severity_of(sighting.kind, sighting.rule)
    return Violation(
        id=new_id("vio"),
        kind=sighting.kind,
        severity=severity,
        state=State.OPEN,
        count=1,
        first_ms=sighting.at_ms,
        last_ms=sighting.at_ms,
        due_ms=due_ms(severity, sighting.at_ms),
        call=sighting.call,
        last_call=sighting.call,
        policy=sighting.policy,
        rule=sighting.rule,
        control=control,
        tenant=sighting.tenant,
        key=sighting.key,
        changed_ms=sighting.at_ms,
    )


def _again(before: Violation, sighting: Sighting) -> Violation:
    count = before.count + 1
    after = replace(
        before,
        count=count,
        last_ms=max(before.last_ms, sighting.at_ms),
        last_call=sighting.call,
    )
    if before.escalated or count < ESCALATES_AT:
        return after
    severity = raised(before.severity)
    due = min(before.due_ms, due_ms(severity, sighting.at_ms))
    return replace(after, severity=severity, escalated=True, due_ms=due)


def _record(after: Violation, event: str, at_ms: int, call: str, by: str = "") -> ViolationMoved:
    """What people write stays in the store: a record cannot be erased."""
    return ViolationMoved(
        at_ms=at_ms,
        id=after.id,
        event=event,
        kind=after.kind.value,
        severity=after.severity.value,
        state=after.state.value,
        policy=after.policy,
        rule=after.rule,
        control=after.control,
        tenant=after.tenant,
        key=after.key,
        call=call,
        by=by,
    )
