"""Connections to PostgreSQL that give up a server which has stopped answering.

TCP notices a machine that is gone, but not a server whose disk hangs or whose processes are
stopped: its kernel goes on acknowledging, and a client would wait for ever. So a connection that
has heard nothing for a while asks, over a second connection, whether the server answers anybody.
The trap: a long statement is silent, too, and must not be cut off, so no statement has a limit.
And a server that refuses the second connection has answered. With SQLite this is never loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout

QUIET_S: Final = 5.0
"""Silence after which the server is asked whether it answers: as long as we wait for a busy
store. Asking takes as long again at most."""
AGAIN_S: Final = 2.0
"""After one connection was waited for in vain, nobody tries another for so long."""
_SESSION: Final = """
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '30s'
"""
"""A lock is waited for as long as SQLite's. And who stands still in the midst of a transaction (a
machine that is suspended, or gone without a word) is cut off: other replicas wait for its rows."""

_SAID: Final = ":  "
"""What libpq writes behind the severity (`FATAL`, in whatever language) of what a server says: the
code of whoever lets nobody in is lost on the way."""


class Patient(psycopg.Connection[Any]):
    """A connection that gives up a silent server: it is closed, and raises `OperationalError`."""

    lives: Callable[[], bool] = staticmethod(lambda: False)

    def wait(self, gen: PQGen[Any], *given: Any, **named: Any) -> Any:
        """As psycopg's own."""
        return super().wait(self._heard(gen), *given, **named)

    def _heard(self, gen: PQGen[Any]) -> PQGen[Any]:
        since = time.monotonic()
        try:
            step = next(gen)
            while True:
                ready = yield step
                if ready:
                    since = time.monotonic()
                elif time.monotonic() - since >= QUIET_S:
                    if not self.lives():
                        self.pgconn.finish()
                        raise ConnectionTimeout("the server does not answer")
                    since = time.monotonic()
                step = gen.send(ready)
        except StopIteration as end:
            return end.value


class Door:
    """Makes the connections to one server; for any thread."""

    def __init__(self) -> None:
        self._silent_until = float("-inf")

    def open(self, *given: Any, **named: Any) -> Patient:
        """A connection. Raises psycopg's errors; while the server says nothing, mostly at once."""
        if time.monotonic() < self._silent_until:
            raise ConnectionTimeout("the server does not answer")
        try:
            made = Patient.connect(*given, **named)
            made.lives = lambda: _answers(given, named)
            made.autocommit = True
            made.execute(_SESSION)
        except ConnectionTimeout:
            self._silent_until = time.monotonic() + AGAIN_S
            raise
        made.autocommit = False
        return made


def _answers(given: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Whether the server says anything to somebody else."""
    try:
        # To sign in is not enough: a pooler may let everybody in.
        with Patient.connect(*given, **named) as asking:
            asking.execute("SELECT 1")
    except ConnectionTimeout:
        return False
    except psycopg.Error as error:
        # A connection that was refused says that nobody is there.
        return error.sqlstate is not None or _SAID in str(error)
    return True
