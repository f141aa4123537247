"""Routes of policies: those in force, versions that were proposed, and approvals."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from federation.api.access import Asker, ControlPlane
from federation.api.models import Strict
from federation.api.pseudonyms import with_people
from federation.api.tenancy_once import OnceRoute
from federation.domain.approvals import Approval, Change, PolicyVersion, Proposal, Stage
from federation.domain.hands import person_of

router = APIRouter(tags=["policies"], route_class=OnceRoute)

TEXT_LIMIT = 256 * 1024
_STAGES = {"approve": Stage.APPROVED, "reject": Stage.REJECTED, "withdraw": Stage.WITHDRAWN}


class PolicyView(BaseModel):
    """A policy in force."""

    object: Literal["policy"] = "policy"
    name: str
    version: int
    digest: str
    mode: str
    packs: list[str]
    rules: int
    source: str = Field(description="`file`, or `proposal` where it was approved here.")


class PolicyList(BaseModel):
    """The policies in force."""

    object: Literal["list"] = "list"
    data: list[PolicyView]


class ChangeView(BaseModel):
    """A policy that would say something else."""

    policy: str
    what: str = Field(description="added, removed or changed.")
    details: list[str]


class ProposedView(BaseModel):
    """What every proposal has."""

    id: str
    name: str
    stage: Stage
    proposed_by: str
    proposed_ms: int
    reason: str
    decided_by: str
    decided_ms: int
    decision: str


class VersionView(ProposedView):
    """A version of a policy."""

    object: Literal["policy_version"] = "policy_version"
    version: int
    change: Change
    digest: str
    body: str = Field(description="As it was written.")


class WholeVersionView(VersionView):
    """A version, and what it would change, or has changed, against what is in force."""

    changes: list[ChangeView]


class VersionList(BaseModel):
    """Versions by name and number."""

    object: Literal["list"] = "list"
    data: list[VersionView]


class ApprovalView(ProposedView):
    """An approval that policies ask for by its name."""

    object: Literal["approval"] = "approval"
    tenant: str = Field(description="Empty: all.")
    key: str = Field(description="Empty: all of the tenant.")
    until_ms: int


class ApprovalList(BaseModel):
    """Approvals, the oldest first."""

    object: Literal["list"] = "list"
    data: list[ApprovalView]


class ProposalBody(Strict):
    """A policy in YAML as a file would hold it; or the name of one, and what is to become of it."""

    policy: str = Field(default="", max_length=TEXT_LIMIT)
    name: str = Field(default="", max_length=200)
    change: Change = Change.SET
    reason: str = Field(default="", max_length=2000)


class ApprovalBody(Strict):
    """What is asked for."""

    name: str = Field(max_length=200)
    tenant: str = Field(default="", max_length=200)
    key: str = Field(default="", max_length=200)
    days: int = Field(default=7, ge=1, le=366)
    reason: str = Field(default="", max_length=2000)


class DecisionBody(Strict):
    """A word to a decision."""

    words: str = Field(default="", max_length=2000)


@router.get("/v1/policies")
async def list_policies(control: ControlPlane) -> PolicyList:
    """The policies in force."""
    configuration = control.configuration
    written = {policy.name for policy in configuration.reading.loaded.policies}
    return PolicyList(
        data=[
            PolicyView(
                name=policy.name,
                version=policy.version,
                digest=policy.digest,
                mode=policy.mode.value,
                packs=list(policy.packs),
                rules=len(policy.rules),
                source="file" if policy.name in written else "proposal",
            )
            for policy in configuration.snapshot.policies
        ]
    )


@router.get("/v1/policies/proposals")
async def list_proposals(
    control: ControlPlane,
    asker: Asker,
    name: Annotated[str | None, Query(max_length=200)] = None,
) -> VersionList:
    """Every version that was ever proposed."""
    found = await control.oversight.approvals.history(name)
    view = VersionList(data=[VersionView.model_validate(_version(each)) for each in found])
    return await with_people(control, asker, view)


@router.post("/v1/policies/proposals", status_code=201)
async def propose_policy(
    control: ControlPlane, asker: Asker, body: ProposalBody
) -> WholeVersionView:
    """Propose a version of a policy; another person has to approve it."""
    desk = control.oversight.approvals
    if body.change is Change.SET:
        made = await desk.propose(asker, body.policy, body.reason)
    else:
        made = await desk.propose_change(asker, body.name, body.change, body.reason)
    return await with_people(control, asker, _whole(control, made))


@router.get("/v1/policies/proposals/{proposal}")
async def get_proposal(control: ControlPlane, asker: Asker, proposal: str) -> WholeVersionView:
    """One version, and what it changes."""
    version = await control.oversight.approvals.version(proposal)
    return await with_people(control, asker, _whole(control, version))


@router.post("/v1/policies/proposals/{proposal}/{decision}")
async def decide_proposal(
    control: ControlPlane,
    asker: Asker,
    proposal: str,
    decision: Literal["approve", "reject", "withdraw"],
    body: DecisionBody | None = None,
) -> VersionView | ApprovalView:
    """Approve, reject or withdraw a version of a policy or an approval."""
    words = body.words if body is not None else ""
    made = await control.oversight.approvals.decide(asker, proposal, _STAGES[decision], words)
    if isinstance(made, Approval):
        return await with_people(control, asker, ApprovalView.model_validate(_approval(made)))
    return await with_people(control, asker, VersionView.model_validate(_version(made)))


@router.get("/v1/policies/approvals")
async def list_approvals(
    control: ControlPlane, asker: Asker, stage: Stage | None = None
) -> ApprovalList:
    """Approvals that were ever asked for."""
    found = await control.oversight.approvals.approvals(stage)
    view = ApprovalList(data=[ApprovalView.model_validate(_approval(each)) for each in found])
    return await with_people(control, asker, view)


@router.post("/v1/policies/approvals", status_code=201)
async def ask_for_approval(control: ControlPlane, asker: Asker, body: ApprovalBody) -> ApprovalView:
    """Ask for an approval; another person has to give it."""
    control.oversight.approvals.check_wish(body.name, body.days)
    person = person_of(body.key)
    for tenant in {body.tenant, "" if person is None else person[0]} - {""}:
        # One that is not there would be given keys for its people's names.
        await control.tenancy.tenants.get(asker, tenant)
    key = await asyncio.to_thread(control.askers.kept, body.key)
    made = await control.oversight.approvals.ask(
        asker, body.name, body.days, body.reason, body.tenant, key
    )
    return await with_people(control, asker, ApprovalView.model_validate(_approval(made)))


def _whole(control: ControlPlane, version: PolicyVersion) -> WholeVersionView:
    changes = [
        {**asdict(each), "details": [line for one in each.details for line in one.lines]}
        for each in control.oversight.approvals.changes(version)
    ]
    return WholeVersionView.model_validate(_version(version) | {"changes": changes})


def _version(version: PolicyVersion) -> dict[str, Any]:
    own = {
        "version": version.version,
        "change": version.change,
        "digest": version.digest,
        "body": version.body,
    }
    return _proposed(version.proposal) | own


def _approval(approval: Approval) -> dict[str, Any]:
    own = {"tenant": approval.tenant, "key": approval.key, "until_ms": approval.until_ms}
    return _proposed(approval.proposal) | own


def _proposed(proposal: Proposal) -> dict[str, Any]:
    return {name: value for name, value in asdict(proposal).items() if name != "proposer"}
