"""Policies in files, where a gateway demands that somebody approves them.

What is in force is what was approved last; a file that says something else waits as a proposal of
the gateway, with what it would change. The first start with the demand takes the files as they
are: whoever sets it up is the operator. The traps: the demand is kept in the store, or whoever may
change a policy's file could take it out of the next one; and it is looked at where policies are
put together, so that no start and no reload has a moment in which an unapproved file binds.
Replicas may have files that differ: each withdraws what its own files said before and say no more,
never what another's say, or the two would propose and withdraw for ever and nobody could approve.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol

from federation.config.settings import Loaded
from federation.domain.approvals import Change, PolicyVersion, Proposal, Stage
from federation.domain.policies import Policy

log = logging.getLogger(__name__)

PREFIX: Final = "file:"
"""Before the name of a policy in a file. No policy's own name holds a colon."""
DEMAND: Final = "file:*"
"""The name of the demand itself. To end it, somebody proposes to retire this, and another
approves."""
GATEWAY: Final = "federation"
_ADOPTED: Final = "as it stood when approval was first demanded"
_OVERTAKEN: Final = "the file says something else by now"


class Versions(Protocol):
    """The store of versions, as far as files are about it."""

    def propose(
        self,
        name: str,
        make: Callable[[int], PolicyVersion],
        heard: Callable[[PolicyVersion], None],
    ) -> PolicyVersion | None:
        """Keep what `make` makes of the next number, if `heard` takes it; None where another took
        it meanwhile."""
        ...

    def list(self, name: str | None, stage: Stage | None) -> list[PolicyVersion]:
        """By name and version."""
        ...

    def decide(self, after: PolicyVersion, heard: Callable[[], None]) -> bool:
        """Put a decision in the place of a proposal; False where it is none any more."""
        ...


def in_force(loaded: Loaded, approved: Iterable[PolicyVersion]) -> tuple[Policy, ...]:
    """The policies of files that bind: all of them, or where approval is demanded those that were
    approved, as they were approved."""
    kept = {each.proposal.name: each for each in approved}
    if not _demanded(loaded, kept.get(DEMAND)):
        return loaded.policies
    written = {policy.digest: policy for policy in loaded.policies}
    return tuple(
        written.get(each.digest, each.policy)
        for each in kept.values()
        if each.change is Change.FILE and each.policy is not None
    )


def _demanded(loaded: Loaded, demand: PolicyVersion | None) -> bool:
    if demand is None:  # never begun: see `FilePolicies.settle`
        return False
    return loaded.approve_files or demand.change is Change.FILE


class FilePolicies:
    """Brings files and what was approved of them together. Blocks; one thread at a time."""

    def __init__(
        self,
        versions: Versions,
        make_id: Callable[[], str],
        now_ms: Callable[[], int],
        note: Callable[[PolicyVersion], None],
    ) -> None:
        """`note` puts a step on record, and raises what keeps it from being taken."""
        self._versions = versions
        self._make_id = make_id
        self._now_ms = now_ms
        self._note = note
        self._begun: bool | None = None
        self._said: dict[str, str] | None = None
        """The digests in the files, by name, as they were settled last; None after the start."""

    def settle(self, loaded: Loaded) -> None:
        """Propose what files say and nobody approved, and withdraw what they say no more. Takes
        all of them as approved where the demand is new. Idempotent."""
        if self._begun is None:
            self._begun = bool(self._versions.list(DEMAND, None))
        if not self._begun:
            if loaded.approve_files:
                self._adopt(loaded.policies)
                self._begun = True
            return
        approved = {each.proposal.name: each for each in self._of_files(Stage.APPROVED)}
        if not _demanded(loaded, approved.get(DEMAND)):
            return
        waiting: dict[str, list[PolicyVersion]] = {}
        for version in self._of_files(Stage.PROPOSED):
            waiting.setdefault(version.proposal.name, []).append(version)
        written = {PREFIX + policy.name: policy for policy in loaded.policies}
        for name in {**approved, **waiting, **written}:
            if name != DEMAND:
                self._bring(name, written.get(name), approved.get(name), waiting.get(name, []))
        self._said = {name: policy.digest for name, policy in written.items()}

    def _of_files(self, stage: Stage) -> list[PolicyVersion]:
        found = self._versions.list(None, stage)
        return [each for each in found if each.proposal.name.startswith(PREFIX)]

    def _adopt(self, policies: Sequence[Policy]) -> None:
        """The demand last: a start that is broken off begins anew."""
        for name, policy in [*((PREFIX + each.name, each) for each in policies), (DEMAND, None)]:
            made = self._propose(name, policy)
            if made is not None:
                self._decide(made, Stage.APPROVED, _ADOPTED)

    def _bring(
        self,
        name: str,
        policy: Policy | None,
        approved: PolicyVersion | None,
        waiting: Sequence[PolicyVersion],
    ) -> None:
        said = "" if policy is None else policy.digest
        same = said == ("" if approved is None else approved.digest)
        ours = [each for each in waiting if each.digest == said]
        # Of several replicas that propose the same, the newest stands: all of them agree on that.
        kept = None if same or not ours else ours[-1]
        for version in waiting:
            if version is not kept and (version.digest == said or self._was_ours(version, said)):
                self._decide(version, Stage.WITHDRAWN, _OVERTAKEN)
        if same or kept is not None or self._refused(name, said):
            return
        made = self._propose(name, policy)
        if made is not None:
            log.warning(
                "a policy's file waits for approval; what was approved before is in force",
                extra={"policy": name.removeprefix(PREFIX), "proposal": made.proposal.id},
            )

    def _was_ours(self, version: PolicyVersion, said: str) -> bool:
        """Whether the files here said this when they were settled last, and say no more. After
        the start whatever waits may be of the process before: who still says it proposes again."""
        if self._said is None:
            return version.digest != said
        before = self._said.get(version.proposal.name, "")
        return version.digest == before != said

    def _refused(self, name: str, said: str) -> bool:
        """Whether somebody rejected this, and the file has said nothing else since."""
        if self._said is not None and self._said.get(name, "") != said:
            return False
        known = [each for each in self._versions.list(name, None) if each.digest == said]
        return bool(known) and known[-1].proposal.stage is Stage.REJECTED

    def _propose(self, name: str, policy: Policy | None) -> PolicyVersion | None:
        proposal = Proposal(
            id=self._make_id(),
            name=name,
            stage=Stage.PROPOSED,
            proposed_by=GATEWAY,
            proposer=GATEWAY,
            proposed_ms=self._now_ms(),
            reason="the file says this" if policy is not None else "",
        )

        def make(version: int) -> PolicyVersion:
            return PolicyVersion(proposal, version, Change.FILE, policy)

        return self._versions.propose(name, make, self._note)

    def _decide(self, version: PolicyVersion, stage: Stage, words: str) -> None:
        decided = replace(
            version.proposal,
            stage=stage,
            decided_by=GATEWAY,
            decided_ms=self._now_ms(),
            decision=words,
        )
        after = replace(version, proposal=decided)
        self._versions.decide(after, lambda: self._note(after))
