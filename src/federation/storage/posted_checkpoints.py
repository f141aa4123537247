"""The newest signed checkpoint of each replica's evidence log, on the store that they share.

The trap: whoever can write to the database can write here. Readers believe a checkpoint's
signature and nothing else, and a row that is lost or of an older day does no harm: its log
posts again, and what others have seen of it stands in their own logs. Nobody waits long here, nor
reads more than an honest store has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from federation.storage.engine import writing

MOST_LOGS: Final = 500
"""Logs that are read: a kilobyte each, and those that were retired are among them."""
MOST_BYTES: Final = 65_537
"""What is read of a column: one more than the longest row of keys that anybody believes."""
PATIENCE: Final = "SET LOCAL statement_timeout = 2000"
"""Milliseconds; a table that somebody holds would keep a replica from ending."""
_POST: Final = text(
    """
    INSERT INTO posted_checkpoints (log, replica, n, line, keys)
    VALUES (:log, :replica, :n, :line, :keys)
    ON CONFLICT (log) DO UPDATE SET replica = excluded.replica, n = excluded.n,
    line = excluded.line, keys = excluded.keys
    WHERE posted_checkpoints.n < excluded.n
    """
)
_LIST: Final = text(
    """
    SELECT substr(log, 1, :most), substr(replica, 1, :most), n,
    substr(line, 1, :most), substr(keys, 1, :most)
    FROM posted_checkpoints ORDER BY log LIMIT :logs
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
            _hurry(connection)
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
        """The newest of each log, by the log's id: `MOST_LOGS`, and `MOST_BYTES` of each column."""
        with writing(self._engine) as connection:
            _hurry(connection)
            rows = connection.execute(_LIST, {"most": MOST_BYTES, "logs": MOST_LOGS})
            return [Posted(*row) for row in rows]


def _hurry(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(PATIENCE)
