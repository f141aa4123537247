"""Tenants and virtual keys in the relational store.

The trap: a key's secret never comes here. What is kept is its keyed hash, and a revoked
key's row stays, so that the ledger can still name it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
    Row,
    delete,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)

from federation.domain.access import Role, VirtualKey
from federation.domain.hands import Hand, How, held, person_id, put_behind
from federation.storage.engine import reading, writing
from federation.storage.tables import key_hands, retired_secrets, tenants, virtual_keys
from federation.storage.tenancy_entries import Place, Retired
from federation.storage.tenancy_scope import owned

_encode = msgspec.json.encode
_names = msgspec.json.Decoder(tuple[str, ...]).decode
_ENSURE = text(
    "INSERT INTO tenants (id, name, created_ms) VALUES (:id, :name, :created_ms) "
    "ON CONFLICT DO NOTHING"
)
_AGE = (virtual_keys.c.created_ms, virtual_keys.c.id)


class SqlKeys:
    """Virtual keys in a database; implements `control.tenancy_ports.IssuedKeys`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, key: VirtualKey, by: str = "") -> None:
        """Keep a new key, and who made it. Its id and hash are new, for both are random."""
        with writing(self._engine) as connection:
            connection.execute(insert(virtual_keys), _row(key))
            _put_behind(connection, put_behind(None, key, by))

    def hands(self, keys: Collection[str]) -> list[Hand]:
        """Who is behind these keys: all who ever were."""
        noted = select(key_hands).where(key_hands.c.key.in_(keys))
        named = select(virtual_keys).where(virtual_keys.c.id.in_(keys))
        with reading(self._engine) as connection:
            found = [Hand(row.key, row.hand, How(row.how)) for row in connection.execute(noted)]
            holding = [_key(row) for row in connection.execute(named)]
        return found + [each for key in holding for each in held(key)]

    def find(self, key: str, tenant: str | None) -> VirtualKey | None:
        """One key; None where there is none, or it is another tenant's (None: any tenant)."""
        with reading(self._engine) as connection:
            row = connection.execute(owned(virtual_keys, tenant, key)).one_or_none()
        return None if row is None else _key(row)

    def list(self, tenant: str | None) -> list[VirtualKey]:
        """A tenant's keys (None: everyone's), revoked ones too, oldest first."""
        query = owned(virtual_keys, tenant).order_by(*_AGE)
        with reading(self._engine) as connection:
            return [_key(row) for row in connection.execute(query)]

    def page(
        self,
        tenant: str | None,
        after: Place | None,
        limit: int,
        team: str | None = None,
        user: str | None = None,
    ) -> Sequence[VirtualKey]:
        """Keys by age and id, revoked ones too (tenant None: everyone's)."""
        query = owned(virtual_keys, tenant).order_by(*_AGE).limit(limit)
        if team is not None:
            query = query.where(virtual_keys.c.team == team)
        if user is not None:
            query = query.where(virtual_keys.c.user == user)
        if after is not None:
            query = query.where(tuple_(*_AGE) > tuple_(*map(literal, after)))
        with reading(self._engine) as connection:
            return [_key(row) for row in connection.execute(query)]

    def change(
        self,
        tenant: str | None,
        key: str,
        edit: Callable[[VirtualKey], VirtualKey],
        retire_ms: int | None = None,
        by: str = "",
    ) -> VirtualKey | None:
        """Put `edit(key)` in a key's place, alone in doing so; None where there is none.

        What `edit` raises is raised, and nothing is changed. A hash that it replaces is good
        until `retire_ms` (None: no more), and any before that one ends now; `by` is who gets
        the secret of the new one.
        """
        with writing(self._engine) as connection:
            row = connection.execute(
                owned(virtual_keys, tenant, key).with_for_update()
            ).one_or_none()
            if row is None:
                return None
            before = _key(row)
            after = edit(before)
            same = virtual_keys.c.id == key
            connection.execute(update(virtual_keys).where(same).values(_row(after)))
            _put_behind(connection, put_behind(before, after, by))
            if before.hash != after.hash:
                _retire(connection, before, retire_ms)
        return after

    def retired(self, now_ms: int) -> Sequence[Retired]:
        """Former secrets that still work, in the order in which they end."""
        until = retired_secrets.c.until_ms
        query = select(retired_secrets).where(until > now_ms).order_by(until)
        with reading(self._engine) as connection:
            return [
                Retired(row.hash, row.key, row.tenant, row.until_ms)
                for row in connection.execute(query)
            ]

    def revoke(self, key: str, at_ms: int) -> None:
        """End a key. Idempotent: the first revocation's time stays."""
        change = (
            update(virtual_keys)
            .where(virtual_keys.c.id == key, virtual_keys.c.revoked_ms.is_(None))
            .values(revoked_ms=at_ms)
        )
        with writing(self._engine) as connection:
            connection.execute(change)

    def forget(self, tenant: str, user: str, subject: str) -> None:
        """Put a pseudonym in the place of a name, where it stands in what is kept of keys for
        good: in those that were revoked, and behind all."""
        k, h = virtual_keys.c, key_hands.c
        revoked = update(virtual_keys).where(
            k.tenant == tenant, k.user == user, k.revoked_ms.is_not(None)
        )
        called = person_id(tenant, user), person_id(tenant, subject)
        with writing(self._engine) as connection:
            connection.execute(revoked.values(user=subject))
            noted = connection.execute(select(key_hands).where(h.hand == called[0])).all()
            connection.execute(delete(key_hands).where(h.hand == called[0]))
            _put_behind(connection, [Hand(row.key, called[1], How(row.how)) for row in noted])

    def has_tenant(self, tenant: str) -> bool:
        """Whether there is a tenant of this id."""
        with reading(self._engine) as connection:
            query = select(tenants.c.id).where(tenants.c.id == tenant)
            return connection.scalar(query) is not None

    def ensure_tenant(self, tenant: str, at_ms: int) -> None:
        """Make a tenant where there is none of this id."""
        if self.has_tenant(tenant):
            return
        row = {"id": tenant, "name": tenant, "created_ms": at_ms}
        with writing(self._engine) as connection:
            connection.execute(_ENSURE, row)


def _retire(connection: Connection, before: VirtualKey, until_ms: int | None) -> None:
    connection.execute(delete(retired_secrets).where(retired_secrets.c.key == before.id))
    if until_ms is not None:
        former = {"hash": before.hash, "key": before.id, "tenant": before.tenant}
        connection.execute(insert(retired_secrets), {**former, "until_ms": until_ms})


def _put_behind(connection: Connection, hands: Iterable[Hand]) -> None:
    c = key_hands.c
    for each in hands:
        same = (c.key == each.key, c.hand == each.hand, c.how == each.how.value)
        if connection.scalar(select(c.key).where(*same)) is None:
            row = {"key": each.key, "hand": each.hand, "how": each.how.value}
            connection.execute(insert(key_hands), row)


def _row(key: VirtualKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "hash": key.hash,
        "name": key.name,
        "tenant": key.tenant,
        "role": key.role.value,
        "created_ms": key.created_ms,
        "expires_ms": key.expires_ms,
        "revoked_ms": key.revoked_ms,
        "models": _encode(key.models).decode(),
        "providers": _encode(key.providers).decode(),
        "hint": key.hint,
        "team": key.team,
        "user": key.user,
        "scopes": _encode(key.scopes).decode(),
    }


def _key(row: Row[Any]) -> VirtualKey:
    return VirtualKey(
        id=row.id,
        hash=row.hash,
        name=row.name,
        tenant=row.tenant,
        role=Role(row.role),
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
        revoked_ms=row.revoked_ms,
        models=_names(row.models),
        providers=_names(row.providers),
        hint=row.hint,
        team=row.team,
        user=row.user,
        scopes=_names(row.scopes),
    )
