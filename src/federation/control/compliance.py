"""Compliance reports: the records of a period, held against the controls of a framework.

Blocks: it reads every call of the period, and every record of the log where that is to be
verified. The trap: the store is an index. A report that was not held against the signed log
says that it was not, and counts that as a gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from federation.config.policies_packs import pack, pack_names
from federation.control.evidence_checking import check_log
from federation.control.threads import Errands
from federation.domain.catalogue import Provider
from federation.domain.policies import Policy
from federation.domain.snapshot import Snapshot
from federation.errors import InvalidRequest, NotFound, Unavailable
from federation.governance.compliance import Kept, Period, Proof, Report, Tally, controls
from federation.governance.violations import score
from federation.storage.compliance import SqlRecords
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


def make_report(
    sources: Sources,
    ground: Ground,
    framework: str,
    start_ms: int,
    end_ms: int,
    tenant: str | None,
    now_ms: int,
    *,
    verify: bool,
) -> Report:
    """The report of a period, for one tenant or all (None).

    Raises `InvalidRequest` for a framework that is not shipped or a period that has no length,
    `Unavailable` where the store cannot be read.
    """
    if framework not in pack_names():
        message = f"The framework should be one of {', '.join(pack_names())}."
        raise InvalidRequest(message, param="framework")
    if start_ms >= end_ms:
        raise InvalidRequest("The period should end after it begins.", param="to")
    records = sources.records
    policies = tuple(each for each in ground[0] if _reaches(each, tenant))
    tally = Tally()
    for outcome, found in records.calls(start_ms, end_ms, tenant):
        tally.take(
            found.call,
            outcome,
            found.policies,
            found.deployments,
            found.refusals,
            found.watched,
            found.findings,
            simulated=found.simulated,
        )
    period = Period(
        start_ms,
        end_ms,
        tenant or "",
        tally,
        policies,
        ground[1],
        _proof(sources) if verify else Proof(verified=False),
        Kept(records.kept(start_ms, end_ms, tenant)),
        records.open_violations(tenant),
        now_ms,
    )
    sums = sources.violations.sums(start_ms, end_ms, tenant, now_ms)
    shipped = pack(framework)
    worth = score(tally.calls, sums.calls, tally.governed, sums.raised, sums.resolved)
    return Report(framework, shipped.title, period, worth, controls(shipped.rules, period))


def _reaches(policy: Policy, tenant: str | None) -> bool:
    """Whether a policy may bind calls of a tenant at all."""
    named = {each.lower() for each in policy.attach.tenants}
    return tenant is None or not named or tenant.lower() in named


def _proof(sources: Sources) -> Proof:
    try:
        report = check_log(sources.data, sources.index)
    except (NotFound, Unavailable) as error:
        return Proof(verified=False, findings=(error.message,))
    return Proof(
        report.good,
        report.records,
        report.checkpoints,
        report.root,
        report.first_ms,
        report.last_ms,
        tuple(f"[{each.kind}] {each.message}" for each in report.findings),
        report.behind,
    )


class ComplianceDesk:
    """Reports of one gateway, one at a time, in a thread of their own."""

    def __init__(self, sources: Sources, snapshot: Callable[[], Snapshot]) -> None:
        self._sources = sources
        self._snapshot = snapshot
        self._thread = Errands("compliance")

    async def report(
        self, framework: str, start_ms: int, end_ms: int, tenant: str | None, *, verify: bool
    ) -> Report:
        """See `make_report`."""
        ground = ground_of(self._snapshot())

        def make() -> Report:
            now_ms = int(time.time() * 1000)
            return make_report(
                self._sources,
                ground,
                framework,
                start_ms,
                end_ms,
                tenant,
                now_ms,
                verify=verify,
            )

        return await self._thread.run(make)

    def close(self) -> None:
        """End the thread."""
        self._thread.close()
