"""The newest signed checkpoint of each replica's evidence log, on the store that they share.

The trap: whoever can write to the database can write here. Readers believe a checkpoint's
signature and nothing else, and a row that is lost or of an older day does no harm: its log
posts again, and what others have seen of it stands in their own logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, select, text

from federation.storage.engine import reading, writing
from federation.storage.tables_replicas import posted_checkpoints

_POST: Final = text(
    """
    INSERT INTO posted_checkpoints (log, replica, n, line, keys)
    VALUES (:log, :replica, :n, :line, :keys)
    ON CONFLICT (log) DO UPDATE SET replica = excluded.replica, n = excluded.n,
    line = excluded.line, keys = excluded.keys
    WHERE posted_checkpoints.n < excluded.n
    """
)


@dataclass(frozen=True, slots=True)
class Posted:
    """What a replica lets the others know of its log."""

    log: str
    replica: str
    """Its name, which may change; the log's does not."""
    n: int
    """The checkpoint's number."""
    line: bytes
    """The signed checkpoint in its short form."""
    keys: bytes
    """The log's row of public keys, as its file has it."""


class SqlPostedCheckpoints:
    """What replicas have posted, in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def post(self, posted: Posted) -> None:
        """Keep a log's newest checkpoint; an older one than is there changes nothing."""
        with writing(self._engine) as connection:
            connection.execute(
                _POST,
                {
                    "log": posted.log,
                    "replica": posted.replica,
                    "n": posted.n,
                    "line": posted.line,
                    "keys": posted.keys,
                },
            )

    def list(self) -> list[Posted]:
        """Every log's newest, by the log's id."""
        query = select(posted_checkpoints).order_by(posted_checkpoints.c.log)
        with reading(self._engine) as connection:
            return [Posted(*row) for row in connection.execute(query)]
