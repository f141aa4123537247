"""What is done about violations: by people, or by rule within limits; most of it can be undone.

The trap: a remedy is itself a change that can hurt. What reaches further than one key, or
cannot be undone, waits until another person has approved it; a rule does only what can be
undone or what somebody has yet to approve, and so many a day. And replicas decide at the same
time: whoever acts has put the remedy into a state of its own before, by compare-and-set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from federation.config.settings import Remedying
from federation.control.approvals import ApprovalDesk
from federation.control.four_eyes import FEDERATION, FourEyes
from federation.control.notebook import Notebook
from federation.control.remedies_actions import UNDONE, RemedyActions
from federation.control.remedies_known import (
    ACTIONS,
    DECIDING,
    DISABLE_KEY,
    PASSED_ON,
    SECOND,
    UNDOING,
    broken_off,
    check_may,
    over,
    subject_of,
)
from federation.control.threads import Errands
from federation.control.violations import ViolationDesk
from federation.domain.access import VirtualKey
from federation.domain.approvals import Change
from federation.domain.policies import Approval as ApprovalRule
from federation.domain.policies import Policy
from federation.domain.violations import Remedy, State, Violation
from federation.errors import (
    EvidenceUnwritable,
    InvalidRequest,
    NotFound,
    Unavailable,
)
from federation.evidence.records import ViolationMoved
from federation.storage.secrets import new_id
from federation.storage.violations import SqlViolations, ViolationFilter

_STUCK_MS: Final = 120_000
"""Who took a remedy and has done nothing with it for so long is dead: another may take it."""
_DAY_MS: Final = 86_400_000
_APPROVAL_DAYS: Final = 7


class RemedyDesk:
    """Proposes remedies, decides on them, and has them done and undone."""

    def __init__(
        self,
        desk: ViolationDesk,
        store: SqlViolations,
        actions: RemedyActions,
        eyes: FourEyes,
        approvals: ApprovalDesk,
        policies: Callable[[], tuple[Policy, ...]],
        notebook: Notebook,
        errands: Errands,
    ) -> None:
        self._desk = desk
        self._store = store
        self._actions = actions
        self._eyes = eyes
        self._approvals = approvals
        self._policies = policies
        self._notes = notebook
        self._errands = errands
        self._per_day = 0
        """Of rules, as they were last looked at."""

    async def propose(
        self, asker: VirtualKey | None, violation: str, action: str, subject: str = ""
    ) -> Remedy:
        """Do something about a violation, or propose it where another person has to approve.

        Without an asker a rule does it. Raises `NotFound`, and `InvalidRequest` where the action
        makes no sense for this violation.
        """
        found = await self._violation(asker, violation)
        if action not in ACTIONS:
            message = f"The action should be one of {', '.join(ACTIONS)}."
            raise InvalidRequest(message, param="action")
        check_may(asker, action)
        if found.state is State.RESOLVED:
            message = "This violation is resolved already."
            raise InvalidRequest(message, status=409, code="violation_resolved")
        made = Remedy(
            _rule_id(violation, action) if asker is None else new_id("rem"),
            violation,
            action,
            subject or subject_of(found, action),
            "proposed",
            _who(asker),
            self._notes.now_ms(),
        )
        if action in SECOND:
            self._note(found, made)
            await self._errands.run(self._store.add_remedy, made)
            return made
        return await self._at_once(asker, found, made)

    async def decide(self, asker: VirtualKey, remedy: str, *, approve: bool) -> Remedy:
        """Do what was proposed, or reject it: then what somebody who died may have done of it is
        put back. Raises `NotFound`, `Forbidden` where who approves is who proposed it, and
        `InvalidRequest` where it is decided already, is being decided by somebody else, at
        whichever replica, or was broken off before it was passed on."""
        found, violation = await self._remedy(asker, remedy)
        check_may(asker, found.action)
        if not self._free(found, "proposed", DECIDING):
            raise over(found)
        if approve:
            await self._eyes.check(asker, found.proposed_by)
        if approve and found.action in PASSED_ON:
            await self._errands.run(self._store.drop_remedy, found)
            raise broken_off(found)
        if not approve:
            await self._actions.check_reject(found.action, found.subject)
        taken = await self._take(asker, found, DECIDING)
        if approve:
            return await self._carry_out(asker, violation, taken)
        return await self._reject(asker, violation, found, taken)

    async def undo(self, asker: VirtualKey, remedy: str) -> Remedy:
        """Put back what was before. Raises `NotFound`, and `InvalidRequest` where it cannot be,
        or somebody else is at it."""
        found, violation = await self._remedy(asker, remedy)
        check_may(asker, found.action)
        if found.action not in UNDONE or not self._free(found, "done", UNDOING):
            message = f"What is {found.state} under '{found.action}' cannot be undone here."
            raise InvalidRequest(message, status=409, code="not_undoable")
        taken = await self._take(asker, found, UNDOING)
        try:
            await self._actions.undo(asker, taken.action, taken.subject, taken.before)
            return await self._changed(asker, violation, taken, "undone")
        except BaseException:
            await self._errands.run(self._store.change_remedy, replace(taken, state="done"), taken)
            raise

    async def look(self, rules: Remedying) -> int:
        """Do what rules say about violations that escalated; how much was done. No key ends for
        what a policy in report mode says.

        What fails is tried again with the next look. A violation is dealt with once, whatever
        became of that.
        """
        done = 0
        if not rules.actions:
            return done
        wanted = ViolationFilter(None, 500, state=State.OPEN)
        self._per_day = rules.per_day
        for violation in await self._errands.run(self._store.page, wanted):
            if not violation.escalated or await self._dealt_with(violation):
                continue
            since_ms = self._notes.now_ms() - _DAY_MS
            if await self._errands.run(self._store.remedied, FEDERATION, since_ms) >= rules.per_day:
                break
            for action in rules.actions:
                if not (violation.reported and action == DISABLE_KEY):
                    done += await self._try(violation, action)
        return done

    async def _dealt_with(self, violation: Violation) -> bool:
        known = await self._errands.run(self._store.remedies, violation.id)
        return any(each.proposed_by == FEDERATION for each in known)

    async def _try(self, violation: Violation, action: str) -> bool:
        try:
            await self.propose(None, violation.id, action)
        except (InvalidRequest, NotFound):
            return False  # it does not fit this violation, its key is gone, or a replica was first
        return True

    async def _at_once(
        self, asker: VirtualKey | None, violation: Violation, made: Remedy
    ) -> Remedy:
        """Keep a remedy that nobody has to approve here as one that is being done, and do it.
        What cannot be passed on is not kept."""
        await self._check_fits(violation, made)
        before = await self._actions.before(_who(asker), made.action, made.subject)
        taken = replace(
            made,
            state=DECIDING,
            decided_by=_who(asker),
            decided_ms=made.proposed_ms,
            before=before,
        )
        per_day = self._per_day if asker is None else None
        since_ms = made.proposed_ms - _DAY_MS
        if not await self._errands.run(self._store.add_remedy, taken, per_day, since_ms):
            raise over(taken)
        try:
            if made.action in PASSED_ON:
                subject = await self._pass_on(asker, violation, made)
                made = replace(made, subject=subject, state="done")
            self._note(violation, made)
        except BaseException:
            await self._errands.run(self._store.drop_remedy, taken)
            raise
        if made.action not in PASSED_ON:
            return await self._carry_out(asker, violation, taken)
        await self._errands.run(self._store.change_remedy, made, taken)
        return made

    async def _carry_out(
        self, asker: VirtualKey | None, violation: Violation, taken: Remedy
    ) -> Remedy:
        try:
            await self._actions.do(asker, taken.action, taken.subject, taken.before)
            return await self._changed(asker, violation, taken, "done")
        except BaseException:
            # It may be done, and only its record failed: what was before is kept.
            back = replace(taken, state="proposed", decided_by="", decided_ms=0)
            await self._errands.run(self._store.change_remedy, back, taken)
            raise

    async def _reject(
        self, asker: VirtualKey, violation: Violation, found: Remedy, taken: Remedy
    ) -> Remedy:
        try:
            if found.before and taken.action in UNDONE:
                # Somebody was at it once, and may have done it before they failed.
                # What is gone, or was changed by somebody else since, is not put back.
                with suppress(NotFound, InvalidRequest):
                    await self._actions.undo(asker, taken.action, taken.subject, found.before)
            return await self._changed(asker, violation, taken, "rejected")
        except BaseException:
            back = replace(taken, state="proposed", decided_by="", decided_ms=0)
            await self._errands.run(self._store.change_remedy, back, taken)
            raise

    def _free(self, remedy: Remedy, state: str, taken: str) -> bool:
        """Whether it is in this state, or was taken in it by somebody who died since."""
        stuck = remedy.decided_ms + _STUCK_MS < self._notes.now_ms()
        return remedy.state == state or (remedy.state == taken and stuck)

    async def _take(self, asker: VirtualKey, found: Remedy, state: str) -> Remedy:
        """Have it for oneself, whoever else asks at any replica. Raises `InvalidRequest`."""
        before = found.before
        if state == DECIDING:
            before = await self._actions.before(asker.id, found.action, found.subject, before)
        taken = replace(
            found,
            state=state,
            decided_by=asker.id,
            decided_ms=self._notes.now_ms(),
            before=before,
        )
        if not await self._errands.run(self._store.change_remedy, taken, found):
            raise over(taken)
        return taken

    async def _changed(
        self, asker: VirtualKey | None, violation: Violation, taken: Remedy, state: str
    ) -> Remedy:
        after = replace(taken, state=state, decided_by=_who(asker), decided_ms=self._notes.now_ms())
        self._note(violation, after)
        if not await self._errands.run(self._store.change_remedy, after, taken):
            raise over(taken)
        return after

    async def _check_fits(self, violation: Violation, remedy: Remedy) -> None:
        """Raise `InvalidRequest` where it would be refused once it is passed on. Before anything
        is kept: a rule asks again with every look."""
        if remedy.action == "open_approval":
            self._approval_of(violation)
        elif remedy.action == "enforce_policy":
            await self._approvals.check_change(remedy.subject, Change.ENFORCE)

    async def _pass_on(self, asker: VirtualKey | None, violation: Violation, remedy: Remedy) -> str:
        """Propose what has its own way of being approved; the proposal's id."""
        reason = f"because of {violation.id}"
        if remedy.action == "enforce_policy":
            made = await self._approvals.propose_change(
                asker, remedy.subject, Change.ENFORCE, reason
            )
            return made.proposal.id
        asked = await self._approvals.ask(
            asker,
            self._approval_of(violation),
            _APPROVAL_DAYS,
            reason,
            violation.tenant,
            violation.key,
        )
        return asked.proposal.id

    def _approval_of(self, violation: Violation) -> str:
        """The name under which the violated policy asks for an approval."""
        names = [
            rule.name
            for policy in self._policies()
            if policy.name == violation.policy
            for rule in policy.rules
            if isinstance(rule, ApprovalRule)
        ]
        if violation.rule != "approval" or not names:
            raise InvalidRequest("No approval would have let this call pass.", param="action")
        return names[0]

    async def _violation(self, asker: VirtualKey | None, violation: str) -> Violation:
        if asker is not None:
            return (await self._desk.get(asker, violation)).violation
        found = await self._errands.run(self._store.find, violation, None)
        if found is None:
            raise NotFound(f"There is no violation '{violation}'.")
        return found

    async def _remedy(self, asker: VirtualKey, remedy: str) -> tuple[Remedy, Violation]:
        """A remedy and what it is for. One of another tenant is not there."""
        missing = NotFound(f"There is no remedy '{remedy}'.", param="remedy")
        found = await self._errands.run(self._store.find_remedy, remedy)
        if found is None:
            raise missing
        try:
            return found, await self._violation(asker, found.violation)
        except NotFound:
            raise missing from None

    def _note(self, violation: Violation, remedy: Remedy) -> None:
        record = ViolationMoved(
            at_ms=remedy.decided_ms or remedy.proposed_ms,
            id=violation.id,
            event=remedy.state,
            kind=violation.kind.value,
            severity=violation.severity.value,
            state=violation.state.value,
            policy=violation.policy,
            rule=violation.rule,
            tenant=violation.tenant,
            key=violation.key,
            by=remedy.decided_by or remedy.proposed_by,
            remedy=f"{remedy.id}: {remedy.action} {remedy.subject}",
        )
        try:
            self._notes.write(record)
        except EvidenceUnwritable as error:
            raise Unavailable(error.message, code=error.code) from error


def _who(asker: VirtualKey | None) -> str:
    return FEDERATION if asker is None else asker.id


def _rule_id(violation: str, action: str) -> str:
    """The same at every replica, so that only one of them makes it."""
    return "rem_" + hashlib.sha256(f"{violation}|{action}".encode()).hexdigest()[:24]
