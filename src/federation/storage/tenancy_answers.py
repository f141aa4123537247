"""Answers to requests that may be sent again, in the relational store.

The trap: the name is claimed before the work begins. Looked up first and written after, two
requests at once would both find nothing and both do it.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Engine, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from federation.storage.engine import writing
from federation.storage.tables import idempotent_answers as answers
from federation.storage.tenancy_entries import Answer


class SqlAnswers:
    """Answers in a database; implements `control.tenancy_ports.AnswerStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, answer: Answer, now_ms: int) -> Answer | None:
        """Claim a name; the answer that is there already, if any. Forgets what has run out."""
        row = {
            "tenant": answer.tenant,
            "key": answer.key,
            "name": answer.name,
            "digest": answer.digest,
            "expires_ms": answer.expires_ms,
            "status": answer.status,
            "sealed": answer.sealed,
        }
        with writing(self._engine) as connection:
            connection.execute(delete(answers).where(answers.c.expires_ms <= now_ms))
            try:
                with connection.begin_nested():
                    connection.execute(insert(answers), row)
            except IntegrityError:
                place = _place(answer.tenant, answer.key, answer.name)
                columns = (answers.c.digest, answers.c.expires_ms, answers.c.status)
                query = select(*columns, answers.c.sealed).where(place)
                found = connection.execute(query).one()
                return Answer(answer.tenant, answer.key, answer.name, *found)
        return None

    def finish(self, answer: Answer) -> None:
        """Keep what was answered under a name that was claimed."""
        kept = {
            "status": answer.status,
            "sealed": answer.sealed,
            "expires_ms": answer.expires_ms,
        }
        place = _place(answer.tenant, answer.key, answer.name)
        with writing(self._engine) as connection:
            connection.execute(update(answers).where(place).values(kept))

    def forget(self, tenant: str, key: str, name: str) -> None:
        """Give a name free that was claimed."""
        with writing(self._engine) as connection:
            connection.execute(delete(answers).where(_place(tenant, key, name)))


def _place(tenant: str, key: str, name: str) -> ColumnElement[bool]:
    return and_(answers.c.tenant == tenant, answers.c.key == key, answers.c.name == name)
