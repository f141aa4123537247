"""Oversight over its stores: violations, remedies, versions of policies, compliance reports."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Engine

from federation.config.settings import Loaded
from federation.control.approvals import ApprovalDesk, with_versions
from federation.control.askers import Askers
from federation.control.compliance import ComplianceDesk, Sources
from federation.control.configuration import Configuration
from federation.control.four_eyes import FourEyes
from federation.control.ingest import Ingest
from federation.control.keys import KeyDesk
from federation.control.notebook import Notebook
from federation.control.oversight import Oversight
from federation.control.providers import ProviderDesk
from federation.control.remedies import RemedyDesk
from federation.control.remedies_actions import RemedyActions
from federation.control.tenancy_ports import IssuedKeys
from federation.control.threads import Errands
from federation.control.violations import ViolationDesk
from federation.domain.approvals import Stage
from federation.domain.policies import kind_of
from federation.errors import FederationError
from federation.storage.approvals import SqlApprovals, SqlPolicyVersions
from federation.storage.compliance import SqlRecords
from federation.storage.evidence_index import SqlEvidence
from federation.storage.violations import SqlViolations

log = logging.getLogger(__name__)


def approved(engine: Engine, clock: Callable[[], float]) -> Callable[[Loaded], Loaded]:
    """Puts what was approved over what was read from files."""
    versions, approvals = SqlPolicyVersions(engine), SqlApprovals(engine)

    def added(loaded: Loaded) -> Loaded:
        now_ms = int(clock() * 1000)
        return with_versions(
            loaded,
            versions.list(None, Stage.APPROVED),
            approvals.list(Stage.APPROVED, now_ms),
        )

    return added


def oversee(
    data: Path,
    engine: Engine,
    index: SqlEvidence,
    configuration: Configuration,
    keys: KeyDesk,
    issued: IssuedKeys,
    providers: ProviderDesk,
    ingest: Ingest,
    askers: Askers,
    errands: Errands,
    clock: Callable[[], float],
) -> Oversight:
    """The desks of oversight, listening to an ingest."""
    notebook = Notebook(data, clock, lambda: configuration.snapshot.settings.durability)
    store = SqlViolations(engine)

    def controls() -> Mapping[tuple[str, str], str]:
        return {
            (policy.name, kind_of(rule)): rule.control
            for policy in configuration.snapshot.policies
            for rule in policy.rules
            if rule.control
        }

    violations = ViolationDesk(store, notebook, controls, errands)
    eyes = FourEyes(issued, askers, lambda: configuration.reading.loaded.approvers, errands)
    versions = SqlPolicyVersions(engine)
    approvals = ApprovalDesk(configuration, versions, SqlApprovals(engine), eyes, notebook, errands)
    actions = RemedyActions(keys, issued, providers, violations.tenant_of, notebook.now_ms, errands)
    remedies = RemedyDesk(
        violations,
        store,
        actions,
        eyes,
        approvals,
        lambda: configuration.snapshot.policies,
        notebook,
        errands,
    )
    sources = Sources(data, SqlRecords(engine), store, index)
    compliance = ComplianceDesk(sources, lambda: configuration.snapshot)
    made = Oversight(configuration, notebook, violations, remedies, approvals, compliance, errands)
    made.watch(ingest)
    _settle(approvals)
    return made


def _settle(approvals: ApprovalDesk) -> None:
    """Before the first call: what the first start takes for approved is what it was started
    with. What cannot be put on record now is tried again while the gateway runs."""
    try:
        approvals.settle()
    except FederationError as error:
        log.error("files of policies wait", extra={"reason": error.message})  # noqa: TRY400
