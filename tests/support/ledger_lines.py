"""Records as journal lines that are read back, the way ingest sees them."""

from __future__ import annotations

import msgspec

from federation.schema.records import Line, Record
from federation.storage.journal_reader import Entry, read_entry


def lines(*records: Record, writer: str = "w", seq: int = 1) -> list[Entry]:
    """Lines of one writer, numbered from `seq` on."""
    entries = []
    for n, record in enumerate(records):
        body = msgspec.json.encode(Line(writer, seq + n, record))
        entry = read_entry(body)
        assert entry is not None
        entries.append(entry)
    return entries
