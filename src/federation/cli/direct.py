"""Changes without a running gateway: straight to the store in the data directory.

The trap: a gateway reads the store when it starts, and would not notice. So this is refused
where one runs on the same data directory, and the command says when it holds. Replicas on a
shared store notice by themselves.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import msgspec
from pydantic import ValidationError

from federation.api.models import KeyBody
from federation.bootstrap.probing import open_prober
from federation.bootstrap.secret_sources import SecretSources
from federation.cli import offline
from federation.cli.db_store import existing, stores
from federation.cli.failures import CommandFailed, Exit
from federation.cli.new_key import NewKey
from federation.cli.place import Place
from federation.control.changes import gather, note, versions
from federation.control.keys import KeyDesk
from federation.control.notebook import Notebook
from federation.control.permissions import KeyWish
from federation.control.threads import Errands
from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.errors import FederationError, InvalidRequest
from federation.evidence.records import Action
from federation.storage import secrets
from federation.storage.accounts import SqlKeys
from federation.storage.changes import SqlOverrides
from federation.storage.entries import Override
from federation.storage.masters import agreed_master
from federation.storage.tenancy import SqlTenancy
from federation.transport.client import Client

# Whoever can write the data directory is its administrator.
_OPERATOR = VirtualKey(
    id="operator",
    hash=b"",
    name="the command line",
    tenant=DEFAULT_TENANT,
    role=Role.ADMIN,
    created_ms=0,
)
_PAGE = 500


def _now_ms() -> int:
    return int(time.time() * 1000)


@contextmanager
def _store(place: Place, *, made: bool = True) -> Iterator[Any]:
    """The store, where no gateway runs on it; not `made`, where there is one already. Raises
    `CommandFailed` and `NotFound` where that is not so."""
    if (running := place.holder()) is not None:
        raise CommandFailed(
            f"The data directory {place.data_dir} is in use by {running}, which does not answer.",
            hint="It may still do what it was asked: look before you ask again, or stop it first.",
            code="unreachable",
            exit_code=Exit.UNREACHABLE,
        )
    with (stores if made else existing)(place) as opened:
        yield opened.durable


@contextmanager
def _desk(place: Place, *, made: bool = True) -> Iterator[KeyDesk]:
    environ = place.environ
    errands = Errands("store")
    try:
        with _store(place, made=made) as engine:
            store = SqlKeys(engine)
            store.ensure_tenant(DEFAULT_TENANT, _now_ms())
            vault = SecretSources(environ).read
            admin = secrets.admin_key(place.data_dir, environ, vault).secret
            hash_key = _hash_key(place, engine)
            yield KeyDesk(store, SqlTenancy(engine), hash_key, admin, errands, time.time)
    finally:
        errands.close()


def _hash_key(place: Place, engine: Any) -> bytes:
    vault = SecretSources(place.environ).read
    return secrets.hash_key(agreed_master(engine, place.data_dir, place.environ, vault))


@contextmanager
def recorded(place: Place, hash_key: bytes, action: str, subject: str) -> Iterator[None]:
    """Put a change on record before it is made and after, as the API does. Raises
    `EvidenceUnwritable`; nothing is changed then."""
    # What is changed is on the disk at once, so what tells of it is.
    changes, notebook = gather(), Notebook(place.data_dir, time.time, lambda: "disk")
    asked = Action(
        at_ms=notebook.now_ms(),
        id=secrets.new_id("act"),
        phase="asked",
        actor=_OPERATOR.id,
        tenant=_OPERATOR.tenant,
        role=_OPERATOR.role.value,
        action=action,
        subject=subject,
    )

    def finish(status: int = 0) -> None:
        changed = versions(hash_key, changes, lambda _: "{user}")
        done = msgspec.structs.replace(asked, phase="done", status=status, changed=changed)
        notebook.write(msgspec.structs.replace(done, at_ms=notebook.now_ms()))

    try:
        notebook.write(asked)
        try:
            yield
        except FederationError as error:
            finish(error.status)
            raise
        finish()
    finally:
        notebook.close()


def create_key(place: Place, wish: NewKey) -> dict[str, Any]:
    """Make a key in the store; the answer that the API would give, a refusal included."""
    _check(wish)
    now_ms = _now_ms()
    expires_ms = None if wish.expires_s is None else now_ms + wish.expires_s * 1000
    wanted = KeyWish(
        name=wish.name,
        role=wish.role,
        tenant=wish.tenant or DEFAULT_TENANT,
        expires_ms=expires_ms,
        models=wish.models,
        providers=wish.providers,
        team=wish.team,
        user=wish.user,
        scopes=wish.scopes,
    )
    with _desk(place) as desk, recorded(place, desk.ring.hash_key, "create key", wish.name):
        key, secret = asyncio.run(desk.mint(_OPERATOR, wanted))
    return {**_view(key), "secret": secret}


def _check(wish: NewKey) -> None:
    """Raises `InvalidRequest` for a key that the API would not make, and could not show."""
    try:
        KeyBody.model_validate(wish.body())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise InvalidRequest(f"{field}: {first['msg']}", param=field) from None


def list_keys(place: Place, tenant: str | None = None) -> list[dict[str, Any]]:
    """The keys in the store, as the API would list them; of one tenant alone where named. Raises
    `NotFound` where there is no such tenant, or no store."""

    async def pages(desk: KeyDesk) -> list[VirtualKey]:
        found, end = list[VirtualKey](), None
        while True:
            page, end = await desk.page(_OPERATOR, tenant, end, _PAGE)
            found += page
            if end is None:
                return found

    with _desk(place, made=False) as desk:
        return [_view(key) for key in asyncio.run(pages(desk))]


def revoke_key(place: Place, key: str) -> dict[str, Any]:
    """End a key in the store. Raises `NotFound`."""
    with _desk(place, made=False) as desk, recorded(place, desk.ring.hash_key, "revoke key", key):
        return _view(asyncio.run(desk.revoke(_OPERATOR, key)))


def _view(key: VirtualKey) -> dict[str, Any]:
    return {
        "object": "key",
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "role": key.role.value,
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


def switch(place: Place, provider: str, *, enabled: bool) -> dict[str, Any]:
    """Note in the store whether a provider may be used. Raises `NotFound`."""
    row, _ = offline.provider_row(place, provider)
    verb = "enable" if enabled else "disable"
    about = (f"{verb} provider", row.id)
    with _store(place) as engine, recorded(place, _hash_key(place, engine), *about):
        store, after = SqlOverrides(engine), Override(row.id, enabled, _now_ms(), _OPERATOR.id)
        before = next((each for each in store.list() if each.provider == row.id), None)
        store.save(after)
        note(before, after)
    return {"object": "provider", "id": row.id, "enabled": enabled, "version": 0, "probe": None}


def probe(place: Place, provider: str) -> dict[str, Any]:
    """Ask a provider from here. Raises `NotFound`."""
    row, setup = offline.provider_row(place, provider)
    secret, _ = offline.secret_of(setup, provider)
    settings = setup.loaded.settings

    async def ask() -> dict[str, Any]:
        client = Client(authorities=lambda: settings.authorities)
        try:
            probe = asdict(await open_prober(client, lambda: settings).ask(row, secret))
            del probe["barred"]  # the API does not tell it either
            return probe
        finally:
            await client.aclose()

    return asyncio.run(ask())
