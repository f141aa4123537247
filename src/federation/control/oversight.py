"""Oversight: what control puts on record, what it finds amiss, and what people decide about it.

One object for the desks behind `/v1/violations`, `/v1/policies` and `/v1/compliance`. The trap:
nothing here may hold calls up. What cannot be put on record at once (a full disk) is tried again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from federation.control.approvals import ApprovalDesk
from federation.control.compliance import ComplianceDesk
from federation.control.configuration import Configuration
from federation.control.ingest import Ingest
from federation.control.notebook import Notebook
from federation.control.remedies import RemedyDesk
from federation.control.threads import Errands
from federation.control.violations import ViolationDesk
from federation.domain.policies import Certified
from federation.domain.snapshot import Snapshot
from federation.domain.violations import Kind, Sighting
from federation.errors import EvidenceUnwritable, FederationError
from federation.evidence.records import InForce

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
STALE_DAYS: Final = 365
"""A certification that was looked at longer ago is a violation of policies that demand it."""


class Oversight:
    """`watch` an ingest, tell it what is `published`, and let it `follow`."""

    def __init__(
        self,
        configuration: Configuration,
        notebook: Notebook,
        violations: ViolationDesk,
        remedies: RemedyDesk,
        approvals: ApprovalDesk,
        compliance: ComplianceDesk,
        errands: Errands,
    ) -> None:
        self.violations = violations
        self.remedies = remedies
        self.approvals = approvals
        self.compliance = compliance
        self.notebook = notebook
        self.evidence_kept: Callable[[], bool] = lambda: True
        """Whether the evidence log was kept when it was last tried."""
        self._configuration = configuration
        self._errands = errands
        self._unnoted: list[InForce] = []
        self._noted: tuple[str, tuple[str, ...]] | None = None
        self._still_since_ms = 0
        self._quiet = True
        self._told: set[tuple[str, str]] = set()

    def watch(self, ingest: Ingest) -> None:
        """Hear of what journals say."""
        ingest.on_lines = self.violations.hear
        ingest.on_lost = self.violations.lost
        ingest.on_gap = self._gap

    def published(self, snapshot: Snapshot) -> None:
        """A snapshot is in force: put on record which, where it is another one."""
        labels = tuple(sorted(policy.label for policy in snapshot.policies))
        if self._noted == (snapshot.digest, labels):
            return
        self._noted = snapshot.digest, labels
        now_ms = self.notebook.now_ms()
        self._unnoted.append(InForce(now_ms, snapshot.version, snapshot.digest, labels))
        self._note()

    async def follow(self) -> None:
        """Look again and again until cancelled. Raises only what is a bug."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except (FederationError, OSError) as error:
                if self._quiet:
                    log.error("oversight has to wait", extra={"reason": str(error)})  # noqa: TRY400
                self._quiet = False
            else:
                self._quiet = True

    async def look(self) -> None:
        """One look: records that are due, certifications, the evidence log, remedies by rule."""
        self._note()
        await self._errands.run(self.approvals.settle)
        every = (*self._stale(), *self._standstill())
        seen = [each for each in every if (each.policy, each.call) not in self._told]
        if seen:
            await self._errands.run(self.violations.see, seen)
            self._told |= {(each.policy, each.call) for each in seen}
        await self.remedies.look(self._configuration.reading.loaded.remedying)

    def close(self) -> None:
        """Give up the notebook; the notary seals what is in it."""
        self.notebook.close()

    def _note(self) -> None:
        try:
            while self._unnoted:
                self.notebook.write(self._unnoted[0])
                del self._unnoted[0]
        except EvidenceUnwritable as error:
            log.error("a configuration is not on record yet", extra={"reason": error.message})  # noqa: TRY400

    def _gap(self, writer: str, after: int, found: int) -> None:
        now_ms = self.notebook.now_ms()
        self.violations.see(
            [Sighting(Kind.GAP, now_ms, "", "journal", call=f"{writer}:{after + 1}-{found - 1}")]
        )

    def _standstill(self) -> Sequence[Sighting]:
        if self.evidence_kept():
            self._still_since_ms = 0
            return ()
        now_ms = self.notebook.now_ms()
        self._still_since_ms = self._still_since_ms or now_ms
        name = f"log-{self._still_since_ms}"
        return (Sighting(Kind.GAP, self._still_since_ms, "", "evidence_log", call=name),)

    def _stale(self) -> Iterator[Sighting]:
        """Certifications that policies demand and nobody has looked at for long."""
        snapshot = self._configuration.snapshot
        demanding = [
            policy.name
            for policy in snapshot.policies
            if any(isinstance(rule, Certified) for rule in policy.rules)
        ]
        if not demanding:
            return
        now_ms = self.notebook.now_ms()
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        rows = {item.provider.id: item.provider for item in snapshot.deployments if item.usable}
        for provider in rows.values():
            if not provider.certifications or provider.local or provider.simulated:
                continue
            if not is_stale(provider.as_of, today.isoformat()):
                continue
            for policy in demanding:
                name = f"{provider.id}@{provider.as_of}"
                yield Sighting(Kind.CERTIFICATION, now_ms, policy, "certifications", call=name)


def is_stale(as_of: str, today: str) -> bool:
    """Whether a fact of that ISO date (a day or a month) is too old today; of none, it is."""
    try:
        whole = as_of if len(as_of) > 7 else f"{as_of}-01"
        age = datetime.fromisoformat(today) - datetime.fromisoformat(whole)
    except ValueError:
        return True
    return age.days > STALE_DAYS
