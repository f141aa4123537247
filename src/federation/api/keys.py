"""Routes of virtual keys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from federation.api.access import Asker, ControlPlane
from federation.api.models import (
    KeyBody,
    KeyEdit,
    KeyList,
    KeyView,
    NewKeyView,
    RotateBody,
    RotatedKeyView,
)
from federation.api.tenancy_lists import (
    Cursor,
    IfMatch,
    Limit,
    MadeIn,
    OfTeam,
    OfTenant,
    OfUser,
    Pages,
    named,
    tagged,
)
from federation.api.tenancy_once import OnceRoute
from federation.control.permissions import KeyWish
from federation.domain.access import VirtualKey

router = APIRouter(tags=["keys"], route_class=OnceRoute)


@router.get("/v1/keys")
async def list_keys(
    control: ControlPlane,
    asker: Asker,
    limit: Limit = 100,
    cursor: Cursor = None,
    tenant: OfTenant = None,
    team: OfTeam = None,
    user: OfUser = None,
) -> KeyList:
    """The keys that you can see, revoked ones too. Those that no store holds come first."""
    pages = Pages(control, asker, "keys", tenant, team, user)
    place = pages.after(cursor)
    found, end = await control.keys.page(asker, tenant, place, limit, team, user)
    views = [KeyView.model_validate(view_fields(key)) for key in found]
    return KeyList(data=views, next=pages.next(end))


@router.post("/v1/keys", status_code=201)
async def create_key(
    control: ControlPlane,
    asker: Asker,
    body: KeyBody,
    response: Response,
    tenant: MadeIn = None,
) -> NewKeyView:
    """Make a key. Its secret is in this answer and nowhere else."""
    wish = KeyWish(
        name=body.name,
        role=body.role,
        tenant=named(tenant, body.tenant) or asker.tenant,
        expires_ms=_end(control.clock(), body.expires_in_s),
        models=tuple(body.models),
        providers=tuple(body.providers),
        team=body.team,
        user=body.user,
        scopes=tuple(each.value for each in body.scopes),
    )
    key, secret = await control.keys.mint(asker, wish)
    tagged(response, key)
    return NewKeyView.model_validate({**view_fields(key), "secret": secret})


@router.get("/v1/keys/{key}")
async def get_key(control: ControlPlane, asker: Asker, key: str, response: Response) -> KeyView:
    """One key."""
    found = await control.keys.get(asker, key)
    tagged(response, found)
    return KeyView.model_validate(view_fields(found))


@router.patch("/v1/keys/{key}")
async def change_key(
    control: ControlPlane,
    asker: Asker,
    key: str,
    body: KeyEdit,
    response: Response,
    if_match: IfMatch = None,
) -> KeyView:
    """Change a key; its secret stays. It can reach no further than the key that asks."""
    changes: dict[str, Any] = {}
    for name in body.model_fields_set:
        value = getattr(body, name)
        if name == "scopes":
            changes[name] = tuple(each.value for each in body.scopes)
        elif name == "expires_in_s":
            changes["expires_ms"] = _end(control.clock(), value)
        else:
            changes[name] = tuple(value) if isinstance(value, list) else value
    changed = await control.keys.change(asker, key, changes, if_match)
    tagged(response, changed)
    return KeyView.model_validate(view_fields(changed))


@router.post("/v1/keys/{key}/rotate")
async def rotate_key(
    control: ControlPlane,
    asker: Asker,
    key: str,
    response: Response,
    body: RotateBody | None = None,
    if_match: IfMatch = None,
) -> RotatedKeyView:
    """Give a key a new secret, which is in this answer and nowhere else.

    The old one works on for a while; one from before that ends now, and so does every session
    that was opened with the key.
    """
    overlap_ms = (body or RotateBody()).overlap_s * 1000
    rotated, secret, until_ms = await control.keys.rotate(asker, key, overlap_ms, if_match)
    await control.sign_in.end_key(rotated.id)
    tagged(response, rotated)
    told = {"secret": secret, "old_secret_until_ms": until_ms}
    return RotatedKeyView.model_validate({**view_fields(rotated), **told})


@router.delete("/v1/keys/{key}")
async def revoke_key(control: ControlPlane, asker: Asker, key: str) -> KeyView:
    """End a key and its former secret; every worker refuses them within a second."""
    return KeyView.model_validate(view_fields(await control.keys.revoke(asker, key)))


def _end(now_s: float, after_s: int | None) -> int | None:
    return None if after_s is None else int(now_s * 1000) + after_s * 1000


def view_fields(key: VirtualKey) -> dict[str, object]:
    """The fields of a `KeyView`."""
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "role": key.role,
        "created_ms": key.created_ms,
        "expires_ms": key.expires_ms,
        "revoked_ms": key.revoked_ms,
        "models": list(key.models),
        "providers": list(key.providers),
        "hint": key.hint,
        "team": key.team,
        "user": key.user,
        "scopes": list(key.scopes),
    }
