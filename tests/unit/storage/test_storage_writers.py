from __future__ import annotations

from pathlib import Path

from federation.storage.journal import JournalWriter
from federation.storage.journal_reader import JournalReader


def test_a_writer_lives_from_before_its_first_line_to_its_end(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path)
    assert not reader.lives("w1")
    writer = JournalWriter(tmp_path, "w1")
    assert reader.lives("w1")
    assert not reader.lives("w2")
    writer.close()
    assert not reader.lives("w1")
