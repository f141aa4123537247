"""A sum of whole numbers that PostgreSQL makes as quickly as it adds them.

Its own sum of a bigint is a decimal, which takes a piece of memory for each group and column and
is made a bigint again at the end: for a question with many groups that is half of the work. This
one is a bigint all along, and refuses one that would not fit, so it is as exact.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

SUM: Final = "federation_sum"
_AGGREGATE: Final = f"""
CREATE OR REPLACE AGGREGATE {SUM} (bigint)
(SFUNC = int8pl, STYPE = bigint, COMBINEFUNC = int8pl, PARALLEL = SAFE)
"""


def make_sum(connection: Connection) -> None:
    """Make it in a PostgreSQL database, idempotent; nothing on SQLite, whose sums are whole."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_AGGREGATE)
