"""Hearing at once what other replicas change: PostgreSQL's LISTEN, in a thread of its own.

The trap: a pooler between us and the server may take the LISTEN and never pass on a notice.
So the bell rings itself every second or so, and is `sound` only while it hears that;
whoever waits for changes looks by himself while it is not.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from federation.storage.tables_replicas import CHANNEL, TOPICS

log = logging.getLogger(__name__)

RING_S: Final = 1.0
SOUND_S: Final = 3.0
AGAIN_S: Final = 0.5
_SELF: Final = "bell:"


class Bell:
    """`heard` is called in the thread, with the topic of each change."""

    def __init__(self, engine: Engine, heard: Callable[[str], None]) -> None:
        self._engine = engine
        self._heard = heard
        self._name = _SELF + secrets.token_hex(8)
        self._stop = threading.Event()
        self._proven = float("-inf")
        self._thread = threading.Thread(target=self._run, name="bell", daemon=True)

    @property
    def sound(self) -> bool:
        """Whether changes are being heard."""
        return time.monotonic() - self._proven < SOUND_S

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more. Returns within a second or two."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2 * RING_S)

    def _run(self) -> None:
        told = False
        while not self._stop.is_set():
            try:
                with _listening(self._engine) as connection:
                    told = False
                    for topic in frozenset(TOPICS.values()):
                        self._heard(topic)  # what was said while nobody listened is lost
                    self._follow(connection)
            except (psycopg.Error, SQLAlchemyError) as error:
                self._proven = float("-inf")
                if not told:
                    reason = str(getattr(error, "orig", None) or error)
                    log.warning("changes are looked for, not heard", extra={"reason": reason})
                told = True
                self._stop.wait(AGAIN_S)

    def _follow(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stop.is_set():
            connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self._name))
            end = time.monotonic() + RING_S
            while not self._stop.is_set() and (left := end - time.monotonic()) > 0:
                for notice in connection.notifies(timeout=left, stop_after=1):
                    self._take(notice.payload)

    def _take(self, payload: str) -> None:
        if payload == self._name:
            self._proven = time.monotonic()
        elif not payload.startswith(_SELF):
            self._heard(payload)


@contextmanager
def _listening(engine: Engine) -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own that listens: one of the pool would be given to others."""
    fairy = engine.raw_connection()
    connection: Any = fairy.driver_connection
    fairy.detach()
    try:
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        yield connection
    finally:
        connection.close()
