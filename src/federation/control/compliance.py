"""Compliance reports: the records of a period, held against the controls of a framework.

Blocks: it reads every call of the period, and every record of the log where that is to be
verified. The trap: the store is an index. A report that was not held against the signed log
says that it was not, and counts that as a gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from federation.config.policies_packs import pack, pack_names
from federation.control.evidence_checking import check_log
from federation.control.permissions import no_tenant
from federation.control.threads import Errands
from federation.domain.catalogue import Provider
from federation.domain.policies import Policy
from federation.domain.snapshot import Snapshot
from federation.errors import InvalidRequest, NotFound, Unavailable
from federation.governance.compliance import (
    Kept,
    Period,
    Proof,
    Report,
    Tally,
    controls,
    proving,
)
from federation.governance.violations import score
from federation.storage.compliance import SqlRecords
from federation.storage.entries import LOST, RUNNING
from federation.storage.evidence_index import SqlEvidence
from federation.storage.violations import SqlViolations


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a report's numbers come from."""

    data: Path
    records: SqlRecords
    violations: SqlViolations
    index: SqlEvidence


Ground = tuple[tuple[Policy, ...], dict[str, Provider]]
"""Policies in force, and providers by id."""


def ground_of(snapshot: Snapshot) -> Ground:
    """What reports need of a snapshot."""
    return snapshot.policies, {item.provider.id: item.provider for item in snapshot.deployments}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which report is asked for."""

    framework: str
    start_ms: int
    end_ms: int
    tenant: str | None = None
    """None: all tenants."""
    verify: bool = True
    """Hold the records against the signed log; it reads all of it."""
    whole: bool = True
    """Whoever reads it may know of every tenant: what the log says of others, and how much."""


def make_report(sources: Sources, ground: Ground, wish: Wish, now_ms: int) -> Report:
    """The report of a period.

    Raises `InvalidRequest` for a framework that is not shipped or a period that has no length,
    `NotFound` for a tenant that there never was, `Unavailable` where the store cannot be read.
    """
    start_ms, end_ms, tenant = wish.start_ms, wish.end_ms, wish.tenant
    if wish.framework not in pack_names():
        message = f"The framework should be one of {', '.join(pack_names())}."
        raise InvalidRequest(message, param="framework")
    if start_ms >= end_ms:
        raise InvalidRequest("The period should end after it begins.", param="to")
    records = sources.records
    if tenant is not None and not records.knows(tenant):
        raise no_tenant(tenant)
    policies = tuple(each for each in ground[0] if _reaches(each, tenant))
    tally = _tally(records, wish)
    period = Period(
        start_ms,
        end_ms,
        tenant or "",
        tally,
        policies,
        ground[1],
        _proof(sources, whole=wish.whole) if wish.verify else Proof(verified=False),
        Kept(records.kept(start_ms, end_ms, tenant), records.contents(start_ms, end_ms, tenant)),
        records.open_violations(tenant),
        now_ms,
    )
    sums = sources.violations.sums(start_ms, end_ms, tenant, now_ms)
    shipped = pack(wish.framework)
    worth = score(tally.calls, sums.calls, tally.governed, sums.raised, sums.resolved)
    return Report(wish.framework, shipped.title, period, worth, controls(shipped.rules, period))


def _tally(records: SqlRecords, wish: Wish) -> Tally:
    tally = Tally()
    for outcome, found in records.calls(wish.start_ms, wish.end_ms, wish.tenant):
        tally.take(
            found.call,
            outcome,
            found.policies,
            found.deployments,
            found.refusals,
            found.watched,
            found.findings,
            simulated=found.simulated,
            hashed="" if outcome in (RUNNING, LOST) else proving(found.input, found.unproven),
        )
    return tally


def _reaches(policy: Policy, tenant: str | None) -> bool:
    """Whether a policy may bind calls of a tenant at all."""
    named = {each.lower() for each in policy.attach.tenants}
    return tenant is None or not named or tenant.lower() in named


def _proof(sources: Sources, *, whole: bool) -> Proof:
    """What the log says. Who may not know of every tenant is told whether it holds, and no more:
    findings name others' calls, and counts tell of their business."""
    try:
        report = check_log(sources.data, sources.index)
    except (NotFound, Unavailable) as error:
        return Proof(verified=False, findings=(error.message,))
    proof = Proof(
        report.good,
        report.records,
        report.checkpoints,
        report.root,
        report.first_ms,
        report.last_ms,
        tuple(f"[{each.kind}] {each.message}" for each in report.findings),
        report.behind,
    )
    if whole:
        return proof
    elsewhere = ("The log does not hold; whoever runs this gateway can say where.",)
    findings = () if report.good else elsewhere
    return replace(proof, records=None, checkpoints=0, root="", findings=findings)


class ComplianceDesk:
    """Reports of one gateway, one at a time, in a thread of their own."""

    def __init__(self, sources: Sources, snapshot: Callable[[], Snapshot]) -> None:
        self._sources = sources
        self._snapshot = snapshot
        self._thread = Errands("compliance")

    async def report(self, wish: Wish) -> Report:
        """See `make_report`."""
        ground = ground_of(self._snapshot())

        def make() -> Report:
            return make_report(self._sources, ground, wish, int(time.time() * 1000))

        return await self._thread.run(make)

    def close(self) -> None:
        """End the thread."""
        self._thread.close()
