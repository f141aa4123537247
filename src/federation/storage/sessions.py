"""Sessions and signing keys in the relational store.

The trap: of two that refresh a session at once, one must win. So a turn says which count it
starts from, and is no turn where the session stands at another.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Engine, Row, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from federation.storage.engine import reading, writing
from federation.storage.sessions_entries import KeptKey, Session
from federation.storage.tables_sign_in import sessions, token_keys

_encode = msgspec.json.encode
_names = msgspec.json.Decoder(tuple[str, ...]).decode


class SqlSessions:
    """Sessions in a database; implements `control.sign_in_ports.SessionStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, session: Session) -> bool:
        """Keep a new session; False where there is one of this id."""
        with writing(self._engine) as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(sessions), _row(session))
            except IntegrityError:
                return False
        return True

    def find(self, session: str) -> Session | None:
        """One session, ended or not, or None."""
        query = select(sessions).where(sessions.c.id == session)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _session(row)

    def turn(self, session: str, n: int, at_ms: int, expires_ms: int) -> bool:
        """Count a refresh of a session that stands at `n`; False where it does not."""
        there = and_(sessions.c.id == session, sessions.c.n == n, sessions.c.ended_ms.is_(None))
        change = (
            update(sessions).where(there).values(n=n + 1, turned_ms=at_ms, expires_ms=expires_ms)
        )
        with writing(self._engine) as connection:
            return connection.execute(change).rowcount == 1

    def end(self, session: str, at_ms: int, reason: str) -> bool:
        """End a session; False where it had ended, or there is none."""
        return self._end(sessions.c.id == session, at_ms, reason) == 1

    def end_all(self, subject: str, at_ms: int, reason: str) -> int:
        """End every session of a subject; how many there were."""
        return self._end(sessions.c.subject == subject, at_ms, reason)

    def ended(self, since_ms: int, most: int) -> list[tuple[str, int]]:
        """Sessions that ended before their time since then, the newest first, with that time."""
        when = sessions.c.ended_ms
        query = (
            select(sessions.c.id, when)
            .where(when >= since_ms)
            .order_by(when.desc(), sessions.c.id)
            .limit(most)
        )
        with reading(self._engine) as connection:
            return [(row.id, row.ended_ms) for row in connection.execute(query)]

    def sweep(self, before_ms: int) -> int:
        """Forget sessions whose time was over before; how many there were."""
        with writing(self._engine) as connection:
            gone = delete(sessions).where(sessions.c.expires_ms < before_ms)
            return connection.execute(gone).rowcount

    def _end(self, which: ColumnElement[bool], at_ms: int, reason: str) -> int:
        change = (
            update(sessions)
            .where(which, sessions.c.ended_ms.is_(None))
            .values(ended_ms=at_ms, reason=reason)
        )
        with writing(self._engine) as connection:
            return connection.execute(change).rowcount


class SqlTokenKeys:
    """Signing keys in a database; implements `control.sign_in_ports.TokenKeyStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self) -> list[KeptKey]:
        """Every key, oldest first."""
        query = select(token_keys).order_by(token_keys.c.n)
        with reading(self._engine) as connection:
            rows = connection.execute(query)
            return [KeptKey(row.n, row.id, row.sealed, row.from_s) for row in rows]

    def add(self, key: KeptKey) -> bool:
        """Keep a new key; False where another has its number."""
        row = {"n": key.n, "id": key.id, "sealed": key.sealed, "from_s": key.from_s}
        with writing(self._engine) as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(token_keys), row)
            except IntegrityError:
                return False
        return True

    def remove(self, n: int) -> None:
        """Forget a key. Idempotent."""
        with writing(self._engine) as connection:
            connection.execute(delete(token_keys).where(token_keys.c.n == n))


def _row(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "tenant": session.tenant,
        "subject": session.subject,
        "scopes": _encode(session.scopes).decode(),
        "salt": session.salt,
        "n": session.n,
        "created_ms": session.created_ms,
        "turned_ms": session.turned_ms,
        "expires_ms": session.expires_ms,
        "ended_ms": session.ended_ms,
        "reason": session.reason,
    }


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        tenant=row.tenant,
        subject=row.subject,
        salt=row.salt,
        created_ms=row.created_ms,
        turned_ms=row.turned_ms,
        expires_ms=row.expires_ms,
        scopes=_names(row.scopes),
        n=row.n,
        ended_ms=row.ended_ms,
        reason=row.reason,
    )
