"""What one person proposes and another approves: versions of policies, and approvals that
policies ask for.

The trap: two keys are not two people. `person` is good enough to tell whose proposal this is;
who may approve it asks `control.four_eyes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from federation.domain.policies import Policy


class Stage(str, Enum):
    """How far it is."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    """And in force, for a policy until another version is."""
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    """Another version of the policy took its place."""


class Change(str, Enum):
    """What is to become of a policy."""

    SET = "set"
    """It says this from now on."""
    ENFORCE = "enforce"
    """The one of this name in the files decides, whatever mode it is written with."""
    FILE = "file"
    """A file says this, or holds it no more, where files have to be approved."""
    RETIRE = "retire"
    """Nothing that was proposed before holds any more; what files say does."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Who proposed something, who decided about it, and when."""

    id: str
    name: str
    stage: Stage
    proposed_by: str
    """The id of the key, or of who has signed in."""
    proposer: str
    """The person whose key it is, by pseudonym; see `control.askers`."""
    proposed_ms: int
    reason: str = ""
    decided_by: str = ""
    decided_ms: int = 0
    decision: str = ""
    """What whoever decided said."""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of what is proposed about a policy, instead of in a file."""

    proposal: Proposal
    version: int
    """Counts up for each name, from 1."""
    change: Change
    policy: Policy | None = None
    """What is to hold, under `Change.SET` and `Change.FILE`."""
    body: str = ""
    """The same as it was written."""

    @property
    def digest(self) -> str:
        """Of what it says; empty where it holds no rules of its own."""
        return "" if self.policy is None else self.policy.digest


@dataclass(frozen=True, slots=True)
class Approval:
    """A permission that policies ask for by its name, for one tenant (empty: all) and, where
    one is named, one key alone, until a time."""

    proposal: Proposal
    until_ms: int
    tenant: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """An approval in force, as workers need it."""

    name: str
    until_ms: int
    tenant: str = ""
    key: str = ""

    def covers(self, tenant: str, key: str, at_ms: int) -> bool:
        """Whether it holds for a call of this key now."""
        return at_ms < self.until_ms and self.tenant in ("", tenant) and self.key in ("", key)
