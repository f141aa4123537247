"""Texts as PostgreSQL can hold them.

A client may name its model with a NUL, which no column takes, and one line that cannot be stored
would keep all that follow from the ledger. The trap: whoever uses SQLite never loads this driver.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.types.string import StrDumperUnknown


class _AnyText(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        """With a replacement character in the place of what cannot be stored."""
        try:
            return super().dump(obj)
        except psycopg.DataError:
            return super().dump(obj.replace("\0", "\ufffd"))


def take_any_text(connection: psycopg.Connection[Any]) -> None:
    """Have every text that goes over a connection be one that can be stored."""
    connection.adapters.register_dumper(str, _AnyText)
