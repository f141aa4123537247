"""A word of a row either has a reader in the code or is said to be for people."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import federation
from federation.catalogue.quirks import FACTS, QUIRKS

ROOT = Path(federation.__file__).parent
SHAPES = ROOT / "domain" / "quirks.py"
"""Says what each word's value looks like, which is no effect."""
CODE = "\n".join(
    path.read_text("utf-8")
    for path in ROOT.rglob("*.py")
    if path.parent.name != "catalogue" and path != SHAPES
)


def is_read(word: str) -> bool:
    return re.search(rf"""["']{word}["']""", CODE) is not None


def is_looked_up(word: str) -> bool:
    """A fact's name may be a word of something else, so only looking into a row counts."""
    looked = rf"""quirks(?:\.get\(|\[|,\s*)["']{word}["']|["']{word}["'] in \S*quirks"""
    return re.search(looked, CODE) is not None


@pytest.mark.parametrize("word", sorted(QUIRKS.keys() - FACTS))
def test_a_word_with_an_effect_has_a_reader(word: str) -> None:
    assert is_read(word)


@pytest.mark.parametrize("word", sorted(FACTS))
def test_a_fact_for_people_is_a_known_word_that_nothing_reads(word: str) -> None:
    assert word in QUIRKS
    assert not is_looked_up(word)
