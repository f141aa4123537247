"""Each quirk that a dialect is said to read changes what is sent or read, and no other may stand
on a row of it."""

from __future__ import annotations

import pytest
from quirk_battery import honors

from federation.catalogue.files import DATA, parse_row
from federation.catalogue.quirks import QUIRKS
from federation.dialects.table import UPSTREAMS
from federation.domain.quirks import READERS, SHAPES, misplaced
from federation.errors import ConfigError

SAID = sorted((dialect, word) for word, dialects in READERS.items() for dialect in dialects)
FACTS_TOO = [("ollama", "context_option"), ("bedrock", "cache_min_tokens")]
"""Facts that any row may state, and that one dialect reads."""
ELSEWHERE = sorted(
    (dialect, word)
    for word in READERS
    for dialect in UPSTREAMS
    if dialect not in READERS[word] and dialect != "vertex"
)


@pytest.mark.parametrize(("dialect", "word"), [*SAID, *FACTS_TOO])
def test_a_quirk_that_a_dialect_reads_changes_what_is_sent_or_read(dialect: str, word: str) -> None:
    assert honors(dialect, word)


@pytest.mark.parametrize(("dialect", "word"), ELSEWHERE)
def test_a_quirk_that_a_dialect_does_not_read_changes_nothing(dialect: str, word: str) -> None:
    assert not honors(dialect, word, ("able",))


def test_every_quirk_of_the_table_is_one() -> None:
    assert READERS.keys() <= SHAPES.keys() == QUIRKS.keys()


def test_every_dialect_that_reads_any_is_one_of_ours() -> None:
    assert frozenset().union(*READERS.values()) == UPSTREAMS.keys()


def test_a_quirk_on_a_row_of_another_dialect_is_said_to_be_misplaced() -> None:
    assert misplaced("stream_usage", "openai") == ""
    assert misplaced("stream_usage", "oci") == "", "no code speaks it yet"
    assert misplaced("note", "gemini") == ""
    assert misplaced("stream_usage", "gemini") == (
        "the dialect 'gemini' does not read the quirk 'stream_usage'; read by: openai"
    )


def test_a_row_of_the_catalogue_with_a_misplaced_quirk_does_not_compile() -> None:
    text = (DATA / "frontier" / "google.yaml").read_text("utf-8")
    parse_row(text, "frontier/google.yaml")
    with pytest.raises(ConfigError, match=r"quirks.stream_usage: the dialect 'gemini' does not"):
        parse_row(
            text.replace("\nquirks:\n", "\nquirks:\n  stream_usage: none\n"), "frontier/google.yaml"
        )
