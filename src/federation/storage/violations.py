"""Violations, their sightings and what was done about them, in the relational store.

The trap: a sighting may be told twice (control died between two steps). It counts once, by its
call and group; and what is heard of it (`moved`) is heard before the commit, so that nothing
is kept of which no evidence was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from federation.domain.violations import Kind, Remedy, Severity, Sighting, State, Violation
from federation.storage.engine import reading, writing
from federation.storage.revisions import VIOLATIONS, alone
from federation.storage.tables_oversight import remedies, violation_sightings, violations
from federation.storage.tenancy_entries import Place


@dataclass(frozen=True, slots=True)
class ViolationFilter:
    """Which to list, newest first. `tenant` None is every tenant; `before` is where the page
    before ended."""

    tenant: str | None
    limit: int = 50
    before: Place | None = None
    state: State | None = None
    kind: Kind | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class ViolationSums:
    """Counts of a period."""

    calls: int
    """Calls in which something was seen."""
    raised: int
    """Violations first seen in it."""
    resolved: int
    """Those among them that are resolved."""
    overdue: int
    """Those, whenever seen, that are past their day and not resolved."""


Moved = Callable[[Violation, Sighting, str], None]
"""Hears of a violation as it is now, the sighting, and what that did: opened | seen | escalated."""


class SqlViolations:
    """Violations in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def see(
        self,
        seen: Sequence[Sighting],
        first: Callable[[Sighting], Violation],
        again: Callable[[Violation, Sighting], Violation],
        moved: Moved,
    ) -> None:
        """Take sightings in, all or none; one that is known changes nothing.

        `first` makes a violation of the first of a kind, `again` adds another to an open one.
        """
        with writing(self._engine) as connection:
            alone(connection, VIOLATIONS)
            for sighting in seen:
                _see(connection, sighting, first, again, moved)

    def find(self, violation: str, tenant: str | None) -> Violation | None:
        """One, or None; also where it is another tenant's (None: any tenant)."""
        query = select(violations).where(violations.c.id == violation)
        if tenant is not None:
            query = query.where(violations.c.tenant == tenant)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _violation(row)

    def page(self, wanted: ViolationFilter) -> list[Violation]:
        """Violations by when they were last seen, newest first."""
        c = violations.c
        query = select(violations).order_by(c.last_ms.desc(), c.id.desc()).limit(wanted.limit)
        for column, value in (
            (c.tenant, wanted.tenant),
            (c.state, wanted.state and wanted.state.value),
            (c.kind, wanted.kind and wanted.kind.value),
            (c.policy, wanted.policy),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.before is not None:
            at, last = wanted.before
            query = query.where(or_(c.last_ms < at, and_(c.last_ms == at, c.id < last)))
        with reading(self._engine) as connection:
            return [_violation(row) for row in connection.execute(query)]

    def calls(self, violation: str, limit: int) -> list[str]:
        """The newest calls in which it was seen."""
        s = violation_sightings.c
        query = select(s.call).where(s.violation == violation).order_by(s.at_ms.desc(), s.call)
        with reading(self._engine) as connection:
            return list(connection.scalars(query.limit(limit)))

    def change(
        self,
        violation: str,
        tenant: str | None,
        edit: Callable[[Violation], Violation],
        changed: Callable[[Violation], None],
    ) -> Violation | None:
        """Put what `edit` makes of it in its place; None where there is none.

        `changed` hears of it before the commit; what either raises leaves all as it was.
        """
        with writing(self._engine) as connection:
            query = select(violations).where(violations.c.id == violation).with_for_update()
            if tenant is not None:
                query = query.where(violations.c.tenant == tenant)
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            after = edit(_violation(row))
            _put(connection, after)
            changed(after)
        return after

    def sums(self, start_ms: int, end_ms: int, tenant: str | None, now_ms: int) -> ViolationSums:
        """Counts of a period."""
        s, v = violation_sightings.c, violations.c
        calls = select(func.count(s.call.distinct())).where(s.at_ms >= start_ms, s.at_ms < end_ms)
        raised = select(func.count()).where(v.first_ms >= start_ms, v.first_ms < end_ms)
        overdue = select(func.count()).where(v.due_ms < now_ms, v.state != State.RESOLVED.value)
        if tenant is not None:
            calls = calls.where(s.tenant == tenant)
            raised, overdue = raised.where(v.tenant == tenant), overdue.where(v.tenant == tenant)
        resolved = raised.where(v.state == State.RESOLVED.value)
        with reading(self._engine) as connection:
            counted = [
                connection.scalar(query) or 0 for query in (calls, raised, resolved, overdue)
            ]
        return ViolationSums(*counted)

    def add_remedy(self, remedy: Remedy, per_day: int | None = None, since_ms: int = 0) -> bool:
        """Keep a remedy. False, and nothing kept, where there is one of its id, or where who
        proposes it has proposed `per_day` since then."""
        with writing(self._engine) as connection:
            alone(connection, VIOLATIONS)
            known = select(remedies.c.id).where(remedies.c.id == remedy.id)
            if connection.scalar(known) is not None:
                return False
            if per_day is not None:
                proposed = connection.scalar(_proposed(remedy.proposed_by, since_ms)) or 0
                if proposed >= per_day:
                    return False
            connection.execute(insert(remedies), asdict(remedy))
        return True

    def drop_remedy(self, remedy: Remedy) -> None:
        """Forget a remedy that is as it is given here."""
        with writing(self._engine) as connection:
            connection.execute(delete(remedies).where(*_as_it_is(remedy)))

    def find_remedy(self, remedy: str) -> Remedy | None:
        """One, or None."""
        with reading(self._engine) as connection:
            row = connection.execute(select(remedies).where(remedies.c.id == remedy)).one_or_none()
        return None if row is None else Remedy(*row)

    def change_remedy(self, remedy: Remedy, was: Remedy) -> bool:
        """Replace a remedy that is as `was`; False where somebody has changed it since. Of
        replicas that try at the same time, one succeeds."""
        with writing(self._engine) as connection:
            found = connection.execute(
                update(remedies).where(*_as_it_is(was)).values(**asdict(remedy))
            )
        return found.rowcount == 1

    def remedies(self, violation: str) -> list[Remedy]:
        """What was done or proposed because of one, the oldest first."""
        c = remedies.c
        query = select(remedies).where(c.violation == violation).order_by(c.proposed_ms, c.id)
        with reading(self._engine) as connection:
            return [Remedy(*row) for row in connection.execute(query)]

    def remedied(self, by: str, since_ms: int) -> int:
        """How many remedies somebody proposed since then."""
        with reading(self._engine) as connection:
            return connection.scalar(_proposed(by, since_ms)) or 0


def _proposed(by: str, since_ms: int) -> Select[int]:
    c = remedies.c
    return select(func.count()).where(c.proposed_by == by, c.proposed_ms >= since_ms)


def _as_it_is(remedy: Remedy) -> tuple[ColumnElement[bool], ...]:
    """That a row is still this one: its state, and who put it into that when."""
    c = remedies.c
    return (
        c.id == remedy.id,
        c.state == remedy.state,
        c.decided_by == remedy.decided_by,
        c.decided_ms == remedy.decided_ms,
    )


def _see(
    connection: Connection,
    sighting: Sighting,
    first: Callable[[Sighting], Violation],
    again: Callable[[Violation, Sighting], Violation],
    moved: Moved,
) -> None:
    group, s = sighting.group, violation_sightings.c
    known = select(s.call).where(s.call == sighting.call, s.group == group)
    if connection.scalar(known) is not None:
        return
    row = connection.execute(
        select(violations).where(violations.c.open_group == group)
    ).one_or_none()
    if row is None:
        after, what = first(sighting), "opened"
        connection.execute(insert(violations), _row(after) | {"open_group": group})
    else:
        before = _violation(row)
        after = again(before, sighting)
        what = "escalated" if after.escalated and not before.escalated else "seen"
        _put(connection, after)
    connection.execute(
        insert(violation_sightings),
        {
            "call": sighting.call,
            "group": group,
            "violation": after.id,
            "at_ms": sighting.at_ms,
            "tenant": sighting.tenant,
        },
    )
    moved(after, sighting, what)


def _put(connection: Connection, after: Violation) -> None:
    row = _row(after)
    if after.state is State.RESOLVED:
        row["open_group"] = None
    connection.execute(update(violations).where(violations.c.id == after.id).values(**row))


def _row(violation: Violation) -> dict[str, Any]:
    row = asdict(violation)
    return row | {name: row[name].value for name in ("kind", "severity", "state")}


def _violation(row: Row[Any]) -> Violation:
    said = {name: value for name, value in row._asdict().items() if name != "open_group"}
    made = Violation(**said)
    return replace(
        made, kind=Kind(made.kind), severity=Severity(made.severity), state=State(made.state)
    )
