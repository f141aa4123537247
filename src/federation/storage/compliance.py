"""What a compliance report counts: the calls of a period, and what is kept of their content."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import Column, Engine, func, select

from federation.storage.analytics_moment import at_once
from federation.storage.engine import reading
from federation.storage.tables import calls, responses, tenants
from federation.storage.tables_oversight import violations
from federation.storage.tables_payloads import payloads


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One request to one deployment."""

    deployment: str


class Counted(msgspec.Struct, frozen=True, gc=False):
    """The part of a call's record that a report counts."""

    call: str
    deployment: str = ""
    attempts: tuple[Asked, ...] = ()
    policies: tuple[str, ...] = ()
    refusals: dict[str, int] = {}
    watched: dict[str, int] = {}
    findings: dict[str, int] = {}
    simulated: bool = False
    input: str = ""
    """A salted hash of what was said."""
    unproven: dict[str, str] = {}

    @property
    def deployments(self) -> set[str]:
        """Whom the call was sent to; of a lost call, whom it was about to be."""
        asked = {each.deployment for each in self.attempts}
        return asked or ({self.deployment} if self.deployment else set())


class _Line(msgspec.Struct, frozen=True, gc=False):
    record: Counted


_read = msgspec.json.Decoder(_Line).decode


class SqlRecords:
    """Calls and kept content in a database. Reads only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def knows(self, tenant: str) -> bool:
        """Whether there is such a tenant, or was one: of one that was deleted there are calls."""
        with reading(self._engine) as connection:
            return any(
                connection.execute(query.limit(1)).first() is not None
                for query in (
                    select(tenants.c.id).where(tenants.c.id == tenant),
                    select(calls.c.n).where(calls.c.tenant == tenant),
                )
            )

    def calls(
        self, start_ms: int, end_ms: int, tenant: str | None
    ) -> Iterator[tuple[str, Counted]]:
        """Outcome and record of each call that began then, in the order the store knows."""
        query = (
            select(calls.c.outcome, calls.c.line)
            .where(calls.c.started_ms >= start_ms, calls.c.started_ms < end_ms)
            .order_by(calls.c.n)
        )
        if tenant is not None:
            query = query.where(calls.c.tenant == tenant)
        # PostgreSQL sends rows in pieces within a transaction only.
        query = query.execution_options(yield_per=1000)
        with at_once(self._engine) as moment, moment.execute(query) as rows:
            for outcome, line in rows:
                yield outcome, _read(line).record

    def kept(self, start_ms: int, end_ms: int, tenant: str | None) -> int:
        """Answers that are kept for clients, of that time."""
        return self._count(responses.c.tenant, responses.c.created_ms, start_ms, end_ms, tenant)

    def contents(self, start_ms: int, end_ms: int, tenant: str | None) -> int:
        """Contents of calls that are kept, of that time."""
        return self._count(payloads.c.tenant, payloads.c.at_ms, start_ms, end_ms, tenant)

    def _count(
        self,
        owner: Column[str],
        at_ms: Column[int],
        start_ms: int,
        end_ms: int,
        tenant: str | None,
    ) -> int:
        query = select(func.count()).where(at_ms >= start_ms, at_ms < end_ms)
        if tenant is not None:
            query = query.where(owner == tenant)
        with reading(self._engine) as connection:
            return connection.scalar(query) or 0

    def open_violations(self, tenant: str | None) -> dict[str, int]:
        """How many are not resolved, by rule."""
        c = violations.c
        query = select(c.rule, func.count()).where(c.state != "resolved").group_by(c.rule)
        if tenant is not None:
            query = query.where(c.tenant == tenant)
        with reading(self._engine) as connection:
            return {row.rule: row[1] for row in connection.execute(query)}
