"""Tenants and virtual keys in the relational store.

The trap: a key's secret never comes here. What is kept is its keyed hash, and a revoked
key's row stays, so that the ledger can still name it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Engine, Row, insert, select, update

from federation.domain.access import Role, VirtualKey
from federation.storage.engine import reading, writing
from federation.storage.tables import tenants, virtual_keys

_encode = msgspec.json.encode
_names = msgspec.json.Decoder(tuple[str, ...]).decode


class SqlKeys:
    """Virtual keys in a database; implements `control.ports.KeyStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, key: VirtualKey) -> None:
        """Keep a new key. Its id and hash are new, for both are random."""
        row = {
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
        }
        with writing(self._engine) as connection:
            connection.execute(insert(virtual_keys), row)

    def find(self, key: str, tenant: str | None) -> VirtualKey | None:
        """One key; None where there is none, or it is another tenant's (None: any tenant)."""
        query = select(virtual_keys).where(virtual_keys.c.id == key)
        if tenant is not None:
            query = query.where(virtual_keys.c.tenant == tenant)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _key(row)

    def list(self, tenant: str | None) -> list[VirtualKey]:
        """A tenant's keys (None: everyone's), revoked ones too, oldest first."""
        query = select(virtual_keys).order_by(virtual_keys.c.created_ms, virtual_keys.c.id)
        if tenant is not None:
            query = query.where(virtual_keys.c.tenant == tenant)
        with reading(self._engine) as connection:
            return [_key(row) for row in connection.execute(query)]

    def revoke(self, key: str, at_ms: int) -> None:
        """End a key. Idempotent: the first revocation's time stays."""
        change = (
            update(virtual_keys)
            .where(virtual_keys.c.id == key, virtual_keys.c.revoked_ms.is_(None))
            .values(revoked_ms=at_ms)
        )
        with writing(self._engine) as connection:
            connection.execute(change)

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
            connection.execute(insert(tenants), row)


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
    )
