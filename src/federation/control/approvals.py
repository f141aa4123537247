"""Policies and approvals by four eyes: one person proposes, another approves, and it is in force.

The trap: a policy that was approved must never be in the way of a start. It is kept as it was
read on that day, not as words to be read again, so that a model that has gone since cannot make
it unreadable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from federation.config.policies import read_text
from federation.config.policies_names import Names
from federation.config.settings import Loaded
from federation.control import file_policies
from federation.control.configuration import Configuration
from federation.control.file_policies import FilePolicies
from federation.control.four_eyes import FEDERATION, FourEyes, check_somebody
from federation.control.notebook import Notebook
from federation.control.policies_checked import check_policies
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.domain.approvals import (
    Approval,
    Change,
    Granted,
    PolicyVersion,
    Proposal,
    Stage,
)
from federation.domain.policies import Approval as ApprovalRule
from federation.domain.policies import Mode, Policy
from federation.errors import (
    ConfigError,
    EvidenceUnwritable,
    Forbidden,
    InvalidRequest,
    NotFound,
    Problem,
    Unavailable,
)
from federation.evidence.records import PolicyMoved
from federation.governance import diff as compared
from federation.storage.approvals import SqlApprovals, SqlPolicyVersions
from federation.storage.secrets import new_id

MOST_DAYS: Final = 366
_DAY_MS: Final = 86_400_000
_TRIES: Final = 5


def with_versions(loaded: Loaded, versions: list[PolicyVersion], now: list[Approval]) -> Loaded:
    """What was approved, over what the files say: policies beside theirs, and some of theirs in
    force that were written as reports. Nothing that a file demands is ever taken away, but where
    files have to be approved: then what was approved of them stands for them."""
    written = file_policies.in_force(loaded, versions)
    enforced = {each.proposal.name for each in versions if each.change is Change.ENFORCE}
    policies = tuple(
        replace(policy, mode=Mode.ENFORCE) if policy.name in enforced else policy
        for policy in written
    )
    added = tuple(
        each.policy
        for each in versions
        if each.policy is not None and each.change is not Change.FILE
    )
    granted = tuple(
        Granted(each.proposal.name, each.until_ms, each.tenant, each.key) for each in now
    )
    return replace(loaded, policies=policies + added, approvals=granted)


class ApprovalDesk:
    """Proposals of one gateway. `publish` puts a new snapshot in force."""

    def __init__(
        self,
        configuration: Configuration,
        versions: SqlPolicyVersions,
        approvals: SqlApprovals,
        eyes: FourEyes,
        notebook: Notebook,
        errands: Errands,
    ) -> None:
        self.publish: Callable[[], Awaitable[None]] = _nobody
        self._configuration = configuration
        self._versions = versions
        self._approvals = approvals
        self._eyes = eyes
        self._notes = notebook
        self._errands = errands
        self._files = FilePolicies(
            versions, lambda: new_id("prop"), notebook.now_ms, self._note_version
        )
        self._turn = asyncio.Lock()

    def settle(self) -> None:
        """Propose what files of policies say and nobody approved, where that is demanded. Blocks.
        Raises `Unavailable` where it cannot be put on record."""
        self._files.settle(self._configuration.reading.loaded)

    async def propose(self, asker: VirtualKey, text: str, reason: str) -> PolicyVersion:
        """Propose what a policy is to say, in YAML as in a file. Raises `InvalidRequest`."""
        policy = self._read(text)
        return await self.propose_change(asker, policy.name, Change.SET, reason, policy, text)

    async def propose_change(
        self,
        asker: VirtualKey | None,
        name: str,
        change: Change,
        reason: str,
        policy: Policy | None = None,
        text: str = "",
    ) -> PolicyVersion:
        """Propose a change of a policy; without an asker it is a rule's. Raises
        `InvalidRequest` where there is nothing to change."""
        if change is not Change.SET:
            await self.check_change(name, change)
        proposal = await self._proposal(asker, name, reason)

        def make(version: int) -> PolicyVersion:
            numbered = None if policy is None else replace(policy, version=version)
            return PolicyVersion(proposal, version, change, numbered, text)

        for _ in range(_TRIES):
            made = await self._errands.run(self._versions.propose, name, make, self._note_version)
            if made is not None:
                return made
        raise Unavailable("Others propose versions of this policy just now. Try again.")

    async def check_change(self, name: str, change: Change) -> None:
        """Raise `InvalidRequest` where there is nothing to change about a policy, or nothing that
        somebody could propose."""
        self._check_change(name, change, await self.history(name))

    async def ask(
        self,
        asker: VirtualKey | None,
        name: str,
        days: int,
        reason: str,
        tenant: str = "",
        key: str = "",
    ) -> Approval:
        """Propose an approval that policies ask for by this name, for so many days from now."""
        self.check_wish(name, days)
        proposal = await self._proposal(asker, name, reason)
        made = Approval(proposal, proposal.proposed_ms + days * _DAY_MS, tenant, key)
        moved = _moved(proposal, "approval")
        await self._errands.run(self._approvals.add, made, lambda: self._note(moved))
        return made

    def check_wish(self, name: str, days: int) -> None:
        """Raise `InvalidRequest` for an approval that nobody asks for, or that is too long."""
        wanted = {
            each for policy in self._configuration.snapshot.policies for each in _asks(policy)
        }
        if name not in wanted:
            known = ", ".join(sorted(wanted)) or "none"
            message = f"No policy asks for an approval '{name}'. They ask for: {known}."
            raise InvalidRequest(message, param="name")
        if not 1 <= days <= MOST_DAYS:
            raise InvalidRequest(f"It can hold for 1 to {MOST_DAYS} days.", param="days")

    async def history(self, name: str | None = None) -> list[PolicyVersion]:
        """Every version that was proposed, by name and number."""
        return await self._errands.run(self._versions.list, name, None)

    async def approvals(self, stage: Stage | None = None) -> list[Approval]:
        """Approvals, the oldest first."""
        return await self._errands.run(self._approvals.list, stage)

    async def version(self, proposal: str) -> PolicyVersion:
        """One version. Raises `NotFound`."""
        found = await self._errands.run(self._versions.find, proposal)
        if found is None:
            raise _none(proposal)
        return found

    def changes(self, version: PolicyVersion) -> list[compared.Change]:
        """What the policies in force would say otherwise, were this one approved."""
        before = self._configuration.snapshot.policies
        name = version.proposal.name.removeprefix(file_policies.PREFIX)
        match version.change:
            case Change.SET | Change.FILE:
                kept = tuple(each for each in before if each.name != name)
                after = kept if version.policy is None else (*kept, version.policy)
            case Change.ENFORCE:
                after = tuple(
                    replace(each, mode=Mode.ENFORCE) if each.name == name else each
                    for each in before
                )
            case Change.RETIRE:
                files = self._configuration.reading.loaded.policies
                written = () if name != version.proposal.name else {each.name for each in files}
                after = tuple(each for each in before if each.name != name or name in written)
        return compared.changes(before, after)

    async def decide(
        self, asker: VirtualKey, proposal: str, stage: Stage, words: str
    ) -> PolicyVersion | Approval:
        """Approve, reject or withdraw a proposal; what is approved is in force on return.

        Raises `NotFound`, `Forbidden` where who approves is who proposed it, and
        `InvalidRequest` where it is decided already.
        """
        async with self._turn:
            version = await self._errands.run(self._versions.find, proposal)
            if version is not None:
                decided: PolicyVersion | Approval = await self._decide_version(
                    asker, version, stage, words
                )
            else:
                approval = await self._errands.run(self._approvals.find, proposal)
                if approval is None:
                    raise _none(proposal)
                decided = await self._decide_approval(asker, approval, stage, words)
            if await self._errands.run(self._configuration.recompile):
                await self.publish()
        return decided

    async def _decide_version(
        self, asker: VirtualKey, version: PolicyVersion, stage: Stage, words: str
    ) -> PolicyVersion:
        by = version.proposal.proposed_by
        decided = await self._decided(asker, version.proposal, by, stage, words)
        after = replace(version, proposal=decided)
        if not await self._errands.run(
            self._versions.decide, after, lambda: self._note_version(after)
        ):
            raise _over(version.proposal)
        return after

    async def _decide_approval(
        self, asker: VirtualKey, approval: Approval, stage: Stage, words: str
    ) -> Approval:
        was = approval.proposal.stage
        if was is Stage.APPROVED and stage is Stage.WITHDRAWN:
            decided = self._stamped(asker, approval.proposal, stage, words)
        else:
            decided = await self._decided(asker, approval.proposal, _opener(approval), stage, words)
        after = replace(approval, proposal=decided)
        moved = _moved(after.proposal, "approval")
        if not await self._errands.run(
            self._approvals.decide, after, was, lambda: self._note(moved)
        ):
            raise _over(approval.proposal)
        return after

    async def _decided(
        self, asker: VirtualKey, before: Proposal, by: str, stage: Stage, words: str
    ) -> Proposal:
        """A proposal as it is decided, where that may be; `by` must be another person for it to
        be approved."""
        if before.stage is not Stage.PROPOSED:
            raise _over(before)
        check_somebody(asker)
        if stage is Stage.APPROVED:
            await self._eyes.check(asker, by)
        if stage is Stage.WITHDRAWN and not await self._eyes.is_own(asker, before.proposer):
            raise Forbidden("Only who proposed it can withdraw it; you can reject it.")
        return self._stamped(asker, before, stage, words)

    def _stamped(self, asker: VirtualKey, before: Proposal, stage: Stage, words: str) -> Proposal:
        return replace(
            before,
            stage=stage,
            decided_by=asker.id,
            decided_ms=self._notes.now_ms(),
            decision=words.strip(),
        )

    async def _proposal(self, asker: VirtualKey | None, name: str, reason: str) -> Proposal:
        if asker is not None:
            check_somebody(asker)
        return Proposal(
            id=new_id("prop"),
            name=name,
            stage=Stage.PROPOSED,
            proposed_by=FEDERATION if asker is None else asker.id,
            proposer=FEDERATION if asker is None else await self._eyes.person(asker),
            proposed_ms=self._notes.now_ms(),
            reason=reason.strip(),
        )

    def _read(self, text: str) -> Policy:
        """The one policy of a text. Raises `InvalidRequest` with line and reason."""
        loaded = self._configuration.reading.loaded
        problems: list[Problem] = []
        found = read_text(text, Names(loaded.providers, loaded.routes), problems)
        if not problems and not found:
            raise InvalidRequest("The text holds no policy.", param="policy")
        if not problems and len(found) != 1:
            raise InvalidRequest("Propose one policy at a time.", param="policy")
        if not problems:
            try:
                check_policies(found)
            except ConfigError as error:
                problems += error.problems
        if problems:
            said = "; ".join(map(_said, problems[:5]))
            raise InvalidRequest(f"This is no policy: {said}.", param="policy")
        if any(each.name == found[0].name for each in loaded.policies):
            message = (
                f"The policy '{found[0].name}' stands in a file: change it there, or propose one "
                "under another name, which binds beside it."
            )
            raise InvalidRequest(message, status=409, code="policy_in_file", param="policy")
        return found[0]

    def _check_change(self, name: str, change: Change, known: list[PolicyVersion]) -> None:
        if change is Change.FILE:
            message = "A file's policy is proposed by the gateway, when the file changes."
            raise InvalidRequest(message, param="change")
        if change is Change.ENFORCE:
            written = self._configuration.snapshot.policies
            if not any(each.name == name and each.mode is Mode.REPORT for each in written):
                message = f"There is no policy '{name}' in report mode."
                raise InvalidRequest(message, param="name")
        elif not any(each.proposal.stage is Stage.APPROVED for each in known):
            message = f"Nothing about a policy '{name}' was approved that could be retired."
            raise InvalidRequest(message, param="name")

    def _note_version(self, made: PolicyVersion) -> None:
        before = ""
        if made.proposal.stage is Stage.APPROVED:
            name = made.proposal.name.removeprefix(file_policies.PREFIX)
            bound = self._configuration.snapshot.policies
            before = next((each.digest for each in bound if each.name == name), "")
        self._note(_moved(made.proposal, "policy", made.version, made.digest, before))

    def _note(self, record: PolicyMoved) -> None:
        try:
            self._notes.write(record)
        except EvidenceUnwritable as error:
            raise Unavailable(error.message, code=error.code) from error


async def _nobody() -> None:
    """Where nobody is connected yet."""


def _asks(policy: Policy) -> set[str]:
    return {rule.name for rule in policy.rules if isinstance(rule, ApprovalRule)}


def _said(problem: Problem) -> str:
    if problem.line is None:
        return problem.message
    return f"line {problem.line}: {problem.message}"


def _none(proposal: str) -> NotFound:
    return NotFound(f"There is no proposal '{proposal}'.", param="proposal")


def _over(proposal: Proposal) -> InvalidRequest:
    message = f"This proposal is {proposal.stage.value} already."
    return InvalidRequest(message, status=409, code="already_decided")


def _opener(approval: Approval) -> str:
    """Who brought an approval about. What a rule asks for it asks for whose calls were refused:
    those would else be two of the four eyes, by having made them."""
    by = approval.proposal.proposed_by
    return approval.key if by == FEDERATION and approval.key else by


def _moved(
    proposal: Proposal, subject: str, version: int = 0, digest: str = "", before: str = ""
) -> PolicyMoved:
    """What people write stays in the store: a record cannot be erased."""
    return PolicyMoved(
        at_ms=proposal.decided_ms or proposal.proposed_ms,
        subject=subject,
        name=proposal.name,
        version=version,
        id=proposal.id,
        state=proposal.stage.value,
        by=proposal.decided_by or proposal.proposed_by,
        proposed_by=proposal.proposed_by,
        digest=digest,
        before=before,
    )
