"""A violation: something that policies forbid, or that records should show and do not.

One object stands for all that is of a kind (the same rule, tenant and key) as long as it is
open; each time that it is seen is kept apart, by the call in which it was. The trap: a refusal
is a policy that worked. It is on this list because somebody tried, not because data went astray.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What was seen."""

    REFUSED = "refused"
    """A policy in force left nobody to a call."""
    REPORTED = "reported"
    """A policy in report mode would have kept somebody out, or changed or refused what was said."""
    BLOCKED = "blocked"
    """A content check stopped a call."""
    DETECTOR = "detector"
    """A content check could not say anything; of a policy in report mode, where one is named."""
    LOST = "lost"
    """A call's worker died: how it ended is unknown."""
    GAP = "gap"
    """Evidence is missing, or cannot be written."""
    CERTIFICATION = "certification"
    """A certification that a policy demands was last looked at too long ago."""


class Severity(str, Enum):
    """How soon somebody should look, the least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class State(str, Enum):
    """How far somebody has dealt with it."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One time that something was seen."""

    kind: Kind
    at_ms: int
    policy: str = ""
    """Its name, without version; empty where the rule is no policy's."""
    rule: str = ""
    tenant: str = ""
    key: str = ""
    call: str = ""
    """The call in which it was seen; else some other name that is always the same for it, so
    that it counts once however often it is told."""

    @property
    def group(self) -> str:
        """Equal for what is of a kind."""
        return f"{self.kind.value}\x1f{self.policy}\x1f{self.rule}\x1f{self.tenant}\x1f{self.key}"


@dataclass(frozen=True, slots=True)
class Violation:
    """All sightings of a kind since somebody last resolved it."""

    id: str
    kind: Kind
    severity: Severity
    state: State
    count: int
    first_ms: int
    last_ms: int
    due_ms: int
    """When it should be resolved."""
    call: str
    """Of the first sighting."""
    last_call: str
    policy: str = ""
    rule: str = ""
    control: str = ""
    """Of a framework, as the rule names it."""
    tenant: str = ""
    key: str = ""
    escalated: bool = False
    """It was seen so often that its severity was raised."""
    changed_ms: int = 0
    changed_by: str = ""
    note: str = ""

    @property
    def reported(self) -> bool:
        """Nobody but a policy in report mode says so."""
        return self.kind is Kind.REPORTED or (self.kind is Kind.DETECTOR and bool(self.policy))


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something done, or proposed, because of a violation."""

    id: str
    violation: str
    action: str
    subject: str
    state: str
    """proposed | deciding | done | undoing | undone | rejected; somebody is at it while it is
    deciding or undoing"""
    proposed_by: str
    proposed_ms: int
    decided_by: str = ""
    decided_ms: int = 0
    before: str = ""
    """What to put back, as JSON; empty where it cannot be undone."""
