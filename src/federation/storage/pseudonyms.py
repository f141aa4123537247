"""The names that pseudonyms stand for, in the relational store: each is sealed.

The trap: replicas hear of the same person at once. Whoever comes second keeps nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from federation.storage.engine import reading, writing
from federation.storage.tables_payloads import names

_ASKED_AT_ONCE = 400
_n = names.c


class SqlPseudonyms:
    """Sealed names in a database. Every method raises `Unavailable` where it cannot be
    reached."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def known(self, tenant: str, subjects: Collection[str]) -> set[str]:
        """Those of these pseudonyms that have a name here."""
        query = select(_n.subject).where(_n.tenant == tenant, _n.subject.in_(list(subjects)))
        with reading(self._engine) as connection:
            return set(connection.scalars(query))

    def add(self, tenant: str, sealed: Mapping[str, bytes], at_ms: int) -> None:
        """Keep names by their pseudonyms; one that is there stays as it is."""
        rows = [
            {"tenant": tenant, "subject": subject, "since_ms": at_ms, "sealed": content}
            for subject, content in sealed.items()
        ]
        if not rows:
            return
        with writing(self._engine) as connection:
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            connection.execute(dialect.insert(names).on_conflict_do_nothing(), rows)

    def find(self, tenant: str | None, subjects: Iterable[str]) -> list[tuple[str, str, bytes]]:
        """Pseudonym, tenant and sealed name of those of these that have one; `tenant` None is
        any: a pseudonym is one tenant's alone."""
        wanted = list(subjects)
        found: list[tuple[str, str, bytes]] = []
        query = select(_n.subject, _n.tenant, _n.sealed)
        if tenant is not None:
            query = query.where(_n.tenant == tenant)
        with reading(self._engine) as connection:
            for n in range(0, len(wanted), _ASKED_AT_ONCE):
                some = wanted[n : n + _ASKED_AT_ONCE]
                rows = connection.execute(query.where(_n.subject.in_(some)))
                found += [(row.subject, row.tenant, row.sealed) for row in rows]
        return found
