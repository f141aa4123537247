"""Routes of violations, and of what is done about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from federation.api.access import Asker, ControlPlane
from federation.api.models import Strict
from federation.api.pseudonyms import with_people
from federation.api.tenancy_lists import Cursor, Limit, OfTenant, Pages
from federation.api.tenancy_once import OnceRoute
from federation.control.permissions import reach
from federation.domain.violations import Kind, Remedy, Severity, State, Violation
from federation.storage.violations import ViolationFilter

router = APIRouter(tags=["violations"], route_class=OnceRoute)


class ViolationView(BaseModel):
    """All sightings of a kind since somebody last resolved it."""

    object: Literal["violation"] = "violation"
    id: str
    kind: Kind
    severity: Severity
    state: State
    count: int = Field(description="How often it was seen.")
    first_ms: int
    last_ms: int
    due_ms: int = Field(description="When it should be resolved.")
    call: str = Field(description="The call in which it was first seen.")
    last_call: str
    policy: str
    rule: str
    control: str = Field(description="Of a framework, as the rule names it.")
    tenant: str
    key: str
    escalated: bool
    changed_ms: int
    changed_by: str
    note: str


class RemedyView(BaseModel):
    """Something done, or proposed, because of a violation."""

    object: Literal["remedy"] = "remedy"
    id: str
    violation: str
    action: str
    subject: str
    state: str = Field(
        description="proposed, done, undone or rejected; deciding or undoing for a moment."
    )
    proposed_by: str
    proposed_ms: int
    decided_by: str
    decided_ms: int


class WholeViolationView(ViolationView):
    """A violation with what belongs to it."""

    calls: list[str] = Field(description="The newest calls in which it was seen.")
    remedies: list[RemedyView]


class ViolationList(BaseModel):
    """A page of violations, those seen last first."""

    object: Literal["list"] = "list"
    data: list[ViolationView]
    next: str | None


class NoteBody(Strict):
    """What somebody says to a violation. It is kept in the store, and is no part of the records."""

    note: str = Field(default="", max_length=2000)


class RemedyBody(Strict):
    """What is to be done."""

    action: str = Field(
        description="disable_key, revoke_key, disable_provider, enforce_policy or open_approval."
    )
    subject: str = Field(default="", max_length=200, description="Left out: the violation's own.")


@router.get("/v1/violations")
async def list_violations(
    control: ControlPlane,
    asker: Asker,
    limit: Limit = 100,
    cursor: Cursor = None,
    tenant: OfTenant = None,
    state: State | None = None,
    kind: Kind | None = None,
    policy: Annotated[str | None, Query(max_length=200)] = None,
) -> ViolationList:
    """Violations that you can see."""
    more = (state and state.value, kind and kind.value, policy)
    pages = Pages(control, asker, "violations", tenant, *more)
    wanted = ViolationFilter(
        reach(asker, tenant),
        limit,
        pages.after(cursor),
        state,
        kind,
        policy,
    )
    await control.ledger.catch_up()
    found = await control.oversight.violations.page(asker, wanted)
    end = (found[-1].last_ms, found[-1].id) if len(found) == limit else None
    view = ViolationList(data=[_view(each) for each in found], next=pages.next(end))
    return await with_people(control, asker, view)


@router.get("/v1/violations/{violation}")
async def get_violation(control: ControlPlane, asker: Asker, violation: str) -> WholeViolationView:
    """One violation, its calls and its remedies."""
    whole = await control.oversight.violations.get(asker, violation)
    more: dict[str, Any] = {
        "calls": list(whole.calls),
        "remedies": [_remedy(each) for each in whole.remedies],
    }
    view = WholeViolationView.model_validate(asdict(whole.violation) | more)
    return await with_people(control, asker, view)


@router.post("/v1/violations/{violation}/acknowledge")
async def acknowledge_violation(
    control: ControlPlane, asker: Asker, violation: str, body: NoteBody | None = None
) -> ViolationView:
    """Say that somebody looks after it."""
    note = body.note if body is not None else ""
    seen = await control.oversight.violations.acknowledge(asker, violation, note)
    return await with_people(control, asker, _view(seen))


@router.post("/v1/violations/{violation}/resolve")
async def resolve_violation(
    control: ControlPlane, asker: Asker, violation: str, body: NoteBody
) -> ViolationView:
    """Close it, with a word about what was done."""
    seen = await control.oversight.violations.resolve(asker, violation, body.note)
    return await with_people(control, asker, _view(seen))


@router.post("/v1/violations/{violation}/remedies", status_code=201)
async def propose_remedy(
    control: ControlPlane, asker: Asker, violation: str, body: RemedyBody
) -> RemedyView:
    """Do something about it, or propose it where another person has to approve."""
    desk = control.oversight.remedies
    made = await desk.propose(asker, violation, body.action, body.subject)
    return await with_people(control, asker, _remedy(made))


@router.post("/v1/remedies/{remedy}/approve")
async def approve_remedy(control: ControlPlane, asker: Asker, remedy: str) -> RemedyView:
    """Do what another person has proposed."""
    made = await control.oversight.remedies.decide(asker, remedy, approve=True)
    return await with_people(control, asker, _remedy(made))


@router.post("/v1/remedies/{remedy}/reject")
async def reject_remedy(control: ControlPlane, asker: Asker, remedy: str) -> RemedyView:
    """Let it not be done."""
    made = await control.oversight.remedies.decide(asker, remedy, approve=False)
    return await with_people(control, asker, _remedy(made))


@router.post("/v1/remedies/{remedy}/undo")
async def undo_remedy(control: ControlPlane, asker: Asker, remedy: str) -> RemedyView:
    """Put back what was before."""
    made = await control.oversight.remedies.undo(asker, remedy)
    return await with_people(control, asker, _remedy(made))


def _view(violation: Violation) -> ViolationView:
    return ViolationView.model_validate(asdict(violation))


def _remedy(remedy: Remedy) -> RemedyView:
    said = {name: value for name, value in asdict(remedy).items() if name != "before"}
    return RemedyView.model_validate(said)
