"""What a check is, and what comes of it.

Evidence is for a report that is handed to others: numbers, statuses and words of ours, never
a credential and never the text of an answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from federation.control.certify.bench import Bench

Evidence = dict[str, object]


class Status(str, Enum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not asked for: the row or the dialect says that it cannot be, or something else failed."""
    WARNING = "warning"
    """It works, and somebody should look; or the row does not claim it, and it does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    status: Status
    reason: str = ""
    evidence: Evidence = field(default_factory=dict)


def passed(reason: str = "", /, **evidence: object) -> Finding:
    """It is as the row and the dialect say."""
    return Finding(Status.PASSED, reason, evidence)


def failed(reason: str, /, **evidence: object) -> Finding:
    """It is not."""
    return Finding(Status.FAILED, reason, evidence)


def skipped(reason: str, /, **evidence: object) -> Finding:
    """It was not asked for."""
    return Finding(Status.SKIPPED, reason, evidence)


def warned(reason: str, /, **evidence: object) -> Finding:
    """It works, but."""
    return Finding(Status.WARNING, reason, evidence)


class Says(Enum):
    """Whether a row claims what a check asks for."""

    YES = "yes"
    NO = "no"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a row says, and in which words."""

    says: Says
    reason: str = ""


CLAIMED: Final = Claim(Says.YES)


def always(bench: Bench) -> Claim:
    """Every row claims it."""
    return CLAIMED


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to prove. `needs` are checks that must not have failed before it."""

    id: str
    group: str
    proves: str
    run: Callable[[Bench], Awaitable[Finding]]
    needs: tuple[str, ...] = ("text_whole",)
    claim: Callable[[Bench], Claim] = always


@dataclass(frozen=True, slots=True)
class Result:
    """A check with its finding."""

    id: str
    group: str
    proves: str
    status: Status
    reason: str
    evidence: Evidence
    took_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found about one model of one provider."""

    provider: str
    model: str
    dialect: str
    address: str
    simulated: bool
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return all(result.status is not Status.FAILED for result in self.results)

    def count(self, status: Status) -> int:
        """How many checks ended so."""
        return sum(result.status is status for result in self.results)
