"""Records as journal lines that are read back, the way ingest sees them."""

from __future__ import annotations

from zlib import crc32

import msgspec

from federation.schema.records import Line, Record
from federation.storage.journal_reader import Entry, parse_line


def lines(*records: Record, writer: str = "w", seq: int = 1) -> list[Entry]:
    """Lines of one writer, numbered from `seq` on."""
    entries = []
    for n, record in enumerate(records):
        body = msgspec.json.encode(Line(writer, seq + n, record))
        entry = parse_line(b"%08x %b" % (crc32(body), body))
        assert isinstance(entry, Entry)
        entries.append(entry)
    return entries
