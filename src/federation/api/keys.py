"""Routes of virtual keys."""

from __future__ import annotations

from fastapi import APIRouter

from federation.api.access import Asker, ControlPlane
from federation.api.models import KeyBody, KeyList, KeyView, NewKeyView
from federation.control.permissions import KeyWish
from federation.domain.access import VirtualKey

router = APIRouter(tags=["keys"])


@router.get("/v1/keys")
async def list_keys(control: ControlPlane, asker: Asker) -> KeyList:
    """The keys of your tenant, revoked ones too."""
    keys = await control.keys.list(asker)
    return KeyList(data=[KeyView.model_validate(_fields(key)) for key in keys])


@router.post("/v1/keys", status_code=201)
async def create_key(control: ControlPlane, asker: Asker, body: KeyBody) -> NewKeyView:
    """Make a key. Its secret is in this answer and nowhere else."""
    now_ms = int(control.clock() * 1000)
    expires_ms = None if body.expires_in_s is None else now_ms + body.expires_in_s * 1000
    wish = KeyWish(
        name=body.name,
        role=body.role,
        tenant=body.tenant or asker.tenant,
        expires_ms=expires_ms,
        models=tuple(body.models),
        providers=tuple(body.providers),
    )
    key, secret = await control.keys.mint(asker, wish)
    return NewKeyView.model_validate({**_fields(key), "secret": secret})


@router.delete("/v1/keys/{key}")
async def revoke_key(control: ControlPlane, asker: Asker, key: str) -> KeyView:
    """End a key; every worker refuses it within a second."""
    return KeyView.model_validate(_fields(await control.keys.revoke(asker, key)))


def _fields(key: VirtualKey) -> dict[str, object]:
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
    }
