"""Alerts to be delivered, in the relational store.

The trap: replicas deliver from one list. Who takes a notice moves its time ahead, in one
statement that says what it was, so that of two only one has it; one that dies with a notice in
its hands loses it to the next when that time has come.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Engine, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from federation.storage.alerts_entries import Notice
from federation.storage.engine import reading, writing
from federation.storage.tables_sign_in import alert_notices

_c = alert_notices.c
DUE, SENT, DEAD = "due", "sent", "dead"


class SqlNotices:
    """Notices in a database; implements `control.alerts_ports.NoticeStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, notices: Iterable[Notice]) -> int:
        """Keep notices that are not there yet; how many there were."""
        added = 0
        with writing(self._engine) as connection:
            for notice in notices:
                try:
                    with connection.begin_nested():
                        connection.execute(insert(alert_notices), _row(notice))
                except IntegrityError:
                    continue
                added += 1
        return added

    def take(self, now_ms: int, until_ms: int, most: int) -> list[Notice]:
        """Notices that are due, oldest first, for oneself until then."""
        due = and_(_c.state == DUE, _c.due_ms <= now_ms)
        query = select(alert_notices).where(due).order_by(_c.due_ms, _c.id, _c.channel).limit(most)
        taken = []
        with reading(self._engine) as connection:
            if connection.execute(query.limit(1)).first() is None:
                return []
        with writing(self._engine) as connection:
            for row in connection.execute(query).all():
                seen = and_(_same(row.id, row.channel), _c.state == DUE, _c.due_ms == row.due_ms)
                mine = update(alert_notices).where(seen).values(due_ms=until_ms)
                if connection.execute(mine).rowcount:
                    taken.append(
                        Notice(row.id, row.channel, row.body, row.made_ms, until_ms, row.tries)
                    )
        return taken

    def sent(self, notice: Notice) -> None:
        """A notice was delivered."""
        self._change(notice, state=SENT, problem="")

    def failed(self, notice: Notice, due_ms: int | None, problem: str) -> None:
        """A notice was not delivered: try again then, or never (None)."""
        state = DEAD if due_ms is None else DUE
        tries, due = notice.tries + 1, due_ms or notice.due_ms
        self._change(notice, state=state, due_ms=due, tries=tries, problem=problem)

    def states(self) -> dict[tuple[str, str], str]:
        """Every notice by id and channel, and whether it is `due`, `sent` or `dead`."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_c.id, _c.channel, _c.state))
            return {(row.id, row.channel): row.state for row in rows}

    def sweep(self, before_ms: int, but: str) -> int:
        """Forget what was made before and is not due, but for ids that end so; how many."""
        old = and_(_c.made_ms < before_ms, _c.state != DUE, ~_c.id.endswith(but, autoescape=True))
        with writing(self._engine) as connection:
            return connection.execute(delete(alert_notices).where(old)).rowcount

    def _change(self, notice: Notice, **values: object) -> None:
        change = update(alert_notices).where(_same(notice.id, notice.channel)).values(**values)
        with writing(self._engine) as connection:
            connection.execute(change)


def _same(name: str, channel: str) -> ColumnElement[bool]:
    return and_(_c.id == name, _c.channel == channel)


def _row(notice: Notice) -> dict[str, object]:
    return {
        "id": notice.id,
        "channel": notice.channel,
        "state": DUE,
        "made_ms": notice.made_ms,
        "due_ms": notice.due_ms,
        "tries": notice.tries,
        "body": notice.body,
        "problem": "",
    }
