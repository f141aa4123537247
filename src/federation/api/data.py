"""Routes of kept contents: read them, hold them, erase them, and the keys that seal them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from federation.api.access import Asker, ControlPlane
from federation.api.models import Strict
from federation.api.pseudonyms import with_people
from federation.api.tenancy_lists import Cursor, Limit, MadeIn, OfTenant, OfUser, Pages, named
from federation.api.tenancy_once import OnceRoute
from federation.control.control import Control
from federation.control.custody_parts import Rotation
from federation.control.data_desk import DataDesk
from federation.domain.budgets import told
from federation.errors import Unavailable
from federation.storage.sealing_entries import ErasureEntry, HoldEntry, PayloadEntry

router = APIRouter(prefix="/v1/admin/data", tags=["data"], route_class=OnceRoute)

Tenant = Annotated[str | None, Field(max_length=128, description="Left out: your own.")]
User = Annotated[str, Field(min_length=1, max_length=256)]
_USER = "The user's id as calls carry it; `key:<id>` for calls of a key that is no user's."


class PayloadView(BaseModel):
    """A content that is kept, unopened."""

    object: Literal["payload"] = "payload"
    call: str
    tenant: str
    subject: str = Field(description="Whose it is, as a pseudonym.")
    at: str
    expires_at: str
    size: int


class PayloadList(BaseModel):
    """Contents, newest first. `next` continues the list as `cursor`."""

    object: Literal["list"] = "list"
    data: list[PayloadView]
    next: str | None


class ContentView(PayloadView):
    """A content that was opened. Bodies that are no text are in base64."""

    operation: str
    user: str
    request: str
    answer: str
    encoding: Literal["text", "base64"]
    cut: bool = Field(description="Only a part of it was kept.")
    hashed: bool = Field(description="What is kept are hashes: `sha256:` and 64 digits.")
    proven: bool | None = Field(
        description="It is what the call's record commits to; null: there is no record of it."
    )


class HoldBody(Strict):
    """A legal hold to be set."""

    tenant: Tenant = None
    user: Annotated[str | None, Field(max_length=256, description=f"{_USER} Left out: all.")] = None
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class HoldView(BaseModel):
    """A legal hold in force."""

    object: Literal["hold"] = "hold"
    id: str
    tenant: str
    subject: str = Field(description="Whose contents, as a pseudonym; empty: all of the tenant's.")
    reason: str
    by: str
    created_at: str
    erased: list[str] = Field(
        default=[],
        description="Told where it is set: the person's erasures that came first. What they "
        "reached is gone; what comes is held.",
    )


class HoldList(BaseModel):
    """The holds in force, oldest first."""

    object: Literal["list"] = "list"
    data: list[HoldView]


class ErasureBody(Strict):
    """Whose contents are to be erased."""

    tenant: Tenant = None
    user: User = Field(description=_USER)


class ErasureView(BaseModel):
    """An erasure: done, or waiting for holds."""

    object: Literal["erasure"] = "erasure"
    id: str
    tenant: str
    subject: str
    state: Literal["done", "waiting"]
    asked_at: str
    done_at: str | None
    keys: int = Field(description="How many keys were destroyed.")
    holds: list[str] = Field(default=[], description="The holds that it waits for.")
    keys_missing: bool = Field(
        default=False,
        description="Told where it is asked for: of a few of the tenant's contents and names, "
        "one is sealed with a key that is not in the store of keys. What is this person's and "
        "sealed so is not erased.",
    )


class ErasureList(BaseModel):
    """Erasures, oldest first."""

    object: Literal["list"] = "list"
    data: list[ErasureView]


class RotationBody(Strict):
    """Which keys are brought under a newer one."""

    tenant: Tenant = None
    root: bool = Field(default=False, description="The root key, above those of all tenants.")
    begin: bool = Field(default=True, description="false: go on with one that was broken off.")
    most: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Keys that are rewrapped now; left out: all."
    )


class RotationView(BaseModel):
    """How the keys stand."""

    object: Literal["rotation"] = "rotation"
    newest: str = Field(description="The key that wraps from now on; empty: there is none yet.")
    done: int = Field(description="Keys that were rewrapped now.")
    left: int = Field(description="Keys that are still under older ones.")
    keys: dict[str, int] = Field(description="How many keys each one wraps.")


@router.get("/payloads")
async def list_payloads(
    control: ControlPlane,
    asker: Asker,
    limit: Limit = 100,
    cursor: Cursor = None,
    tenant: OfTenant = None,
    user: OfUser = None,
) -> PayloadList:
    """What is kept of calls, unopened."""
    pages = Pages(control, asker, "payloads", tenant, user)
    after = pages.after(cursor)
    before = None if after is None else (int(after[0]), str(after[1]))
    found = await _desk(control).page(asker, tenant, user, limit + 1, before)
    page = found[:limit]
    end = (page[-1].at_ms, page[-1].call) if len(found) > limit else None
    return PayloadList(data=[_payload(each) for each in page], next=pages.next(end))


@router.get("/payloads/{call}")
async def read_payload(control: ControlPlane, asker: Asker, call: str) -> ContentView:
    """What was said and answered in a call. That you read it is put on record."""
    opened = await _desk(control).read(asker, call)
    said = opened.payload
    try:
        request, answer, encoding = said.request.decode(), said.answer.decode(), "text"
    except UnicodeDecodeError:
        encoding = "base64"
        request, answer = (base64.b64encode(each).decode() for each in (said.request, said.answer))
    return ContentView(
        **_payload(opened.entry).model_dump(),
        operation=said.operation,
        user=said.subject,
        request=request,
        answer=answer,
        encoding="text" if encoding == "text" else "base64",
        cut=said.cut,
        hashed=said.hashed,
        proven=opened.proven,
    )


@router.get("/holds")
async def list_holds(control: ControlPlane, asker: Asker, tenant: OfTenant = None) -> HoldList:
    """The legal holds in force."""
    found = await _desk(control).holds(asker, tenant)
    return await with_people(control, asker, HoldList(data=[_hold(each) for each in found]))


@router.post("/holds", status_code=201)
async def set_hold(
    control: ControlPlane, asker: Asker, body: HoldBody, tenant: MadeIn = None
) -> HoldView:
    """Keep what is kept of a person, or of everyone, until the hold is released: neither its
    time nor an erasure makes it go."""
    place = named(tenant, body.tenant)
    await _known(control, asker, place)
    made, erased = await _desk(control).hold(asker, place, body.user, body.reason)
    return await with_people(control, asker, _hold(made, erased))


@router.delete("/holds/{hold}", status_code=204)
async def release_hold(control: ControlPlane, asker: Asker, hold: str) -> None:
    """End a hold. Erasures that waited for it alone are done now."""
    await _desk(control).release(asker, hold)


@router.get("/erasures")
async def list_erasures(
    control: ControlPlane, asker: Asker, tenant: OfTenant = None
) -> ErasureList:
    """Erasures that were asked for, and what became of them."""
    found = await _desk(control).erasures(asker, tenant)
    return ErasureList(data=[_erasure(each, []) for each in found])


@router.post("/erasures", status_code=201)
async def erase(
    control: ControlPlane, asker: Asker, body: ErasureBody, tenant: MadeIn = None
) -> ErasureView:
    """Make all that is kept of a person unreadable, by the destruction of the keys that sealed
    it. A legal hold comes first: then the erasure waits."""
    place = named(tenant, body.tenant)
    await _known(control, asker, place)
    desk = _desk(control)
    done, holds = await desk.erase(asker, place, body.user)
    made = _erasure(done, holds)
    made.keys_missing = await desk.sealed_elsewhere(asker, place)
    return made


@router.get("/keys")
async def show_keys(
    control: ControlPlane,
    asker: Asker,
    tenant: OfTenant = None,
    root: Annotated[bool, Query(description="The root key's.")] = False,
) -> RotationView:
    """How many keys each key wraps: a rotation is over when all are under the newest."""
    return _rotation(await _desk(control).keys(asker, tenant, root=root))


@router.post("/keys/rotate")
async def rotate_keys(
    control: ControlPlane, asker: Asker, body: RotationBody, tenant: MadeIn = None
) -> RotationView:
    """Make a newer key and bring others under it. What is sealed stays readable throughout."""
    place = named(tenant, body.tenant)
    stands = await _desk(control).rotate(
        asker, place, root=body.root, begin=body.begin, most=body.most
    )
    return _rotation(stands)


def _desk(control: Control) -> DataDesk:
    if control.data is None:
        raise Unavailable("This gateway keeps no contents.")
    return control.data


async def _known(control: Control, asker: Asker, tenant: str | None) -> None:
    """Raise `NotFound` for a tenant that there is not: a slip of the pen would hold nothing."""
    if tenant is not None:
        await control.tenancy.tenants.get(asker, tenant)


def _payload(entry: PayloadEntry) -> PayloadView:
    return PayloadView(
        call=entry.call,
        tenant=entry.tenant,
        subject=entry.subject,
        at=told(entry.at_ms),
        expires_at=told(entry.expires_ms),
        size=entry.size,
    )


def _hold(hold: HoldEntry, erased: Sequence[str] = ()) -> HoldView:
    return HoldView(
        id=hold.id,
        tenant=hold.tenant,
        subject=hold.subject,
        reason=hold.reason,
        by=hold.by,
        created_at=told(hold.created_ms),
        erased=list(erased),
    )


def _erasure(wish: ErasureEntry, holds: list[HoldEntry]) -> ErasureView:
    return ErasureView(
        id=wish.id,
        tenant=wish.tenant,
        subject=wish.subject,
        state="waiting" if wish.done_ms is None else "done",
        asked_at=told(wish.asked_ms),
        done_at=None if wish.done_ms is None else told(wish.done_ms),
        keys=wish.keys,
        holds=[hold.id for hold in holds],
    )


def _rotation(stands: Rotation) -> RotationView:
    return RotationView(
        newest=stands.newest, done=stands.done, left=stands.left, keys=stands.by_parent
    )
