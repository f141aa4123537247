"""The advisory locks of the relational store: one number for one thing, and one helper."""

from __future__ import annotations

import re
from pathlib import Path

from federation.storage import revisions

STORAGE = Path(revisions.__file__).parent


def test_every_lock_has_a_number_of_its_own() -> None:
    numbers = [value for value in vars(revisions).values() if type(value) is int]
    assert len(numbers) == len(set(numbers)) >= 3


def test_locks_and_their_numbers_are_written_in_one_place() -> None:
    named = re.compile(r"pg_advisory|7_335_\d\d\d")
    found = {path.name for path in STORAGE.glob("*.py") if named.search(path.read_text("utf-8"))}
    assert found == {"revisions.py"}
