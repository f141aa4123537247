"""The short ways: one look at plain texts, and plain words of a stream cut in one step.

A short way is right where the long way says the same, so that is what is compared.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.policies import PiiPattern
from federation.guardrails import entities as kind
from federation.guardrails.custom_rules import rules_of
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.scan import Scanner
from federation.guardrails.windows import Window

GUARD = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"k")
VALUES = (
    "jane.doe@example.org", "4539 1488 0343 6467", "4539-1488", "0343 6467", "jane.doe", "@a.de",
    "GB29 NWBK 6016 1331 9268 19", "536-22-8741", "+44 20 7946 0958", "192.0.2.17", "fe80::1:2",
    "jane at example dot org", "password: Tr0ub4dor&3", "passport number X1234567", "&#64;",
    "U2VjcmV0OiBqYW5lQGV4YW1wbGUub3Jn", "sk-abcdefghijklmnopqrstuvwx12345678", "\\u0040", "%40",
    "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
)  # fmt: skip
CALM = (
    "a", "cache", "forgets", "words", "why?", "and so on.", "At", "dot", "cubic", "licensee", "?",
    "internationalization", "Internationalization", "state-of-the-art", "x" * 29, "x" * 31, "...",
    "é", "日本", "\u200b", "\v", "\n", "'a' +\n'b'", " " * 60, " " * 140, "-----", "AB", "100",
)  # fmt: skip
PIECES = st.lists(st.sampled_from((*CALM, *CALM, *VALUES)), max_size=14)
TEXTS = st.lists(PIECES.map(" ".join), min_size=1, max_size=4)


def screening() -> Screening:
    return Screening.begin(b"s" * 32)


def surfaces(texts: list[str]) -> list[str]:
    return [f"messages[{i}].parts[0].text" for i in range(len(texts))]


@settings(deadline=None, max_examples=400)
@given(TEXTS)
def test_texts_that_are_called_clean_are_those_in_which_nothing_is_found(texts: list[str]) -> None:
    kept = screening()
    speakers = ["user", "assistant", "user", "assistant"][: len(texts)]
    clean = GUARD.clean(texts, lambda: surfaces(texts), kept, speakers)
    assert not kept.tally.findings()
    after = GUARD.texts(texts, surfaces(texts), kept, speakers)
    assert clean == (not kept.tally.findings())
    assert after == texts or not clean


@settings(deadline=None, max_examples=400)
@given(TEXTS)
def test_one_look_says_that_nothing_is_there_only_where_nothing_is(texts: list[str]) -> None:
    scanner = Scanner(kind.BUILT_IN)
    if scanner.sees_nothing(texts):
        assert not any(map(scanner.find, texts))
        assert not scanner.find("".join(texts))
        assert not scanner.find(" ".join(texts))


def test_one_look_is_enough_for_prose_and_its_long_words() -> None:
    prose = "Internal notes on responsibilities, and on state-of-the-art things: why?"
    assert Scanner(kind.BUILT_IN).sees_nothing([prose, prose])
    assert not Scanner(kind.BUILT_IN).sees_nothing([prose, "in 3 days"])
    assert not Scanner(kind.BUILT_IN).sees_nothing(["naïve"])
    assert not Scanner(kind.BUILT_IN).sees_nothing(["a " * 40_000])


def test_one_look_is_not_enough_where_the_operator_has_patterns() -> None:
    own, broken = rules_of([PiiPattern("custom.badge", "badge [a-z]+")])
    assert not broken
    scanner = Scanner({own[0].kind}, own)
    assert not scanner.sees_nothing(["my badge blue"])
    guard = Guard(Plan({own[0].kind: Action.REDACT}, own), b"k")
    assert not guard.clean(["my badge blue"], lambda: ["x"], screening())
    assert guard.clean(["my badge"], lambda: ["x"], screening())


def test_a_value_over_two_texts_makes_them_unclean() -> None:
    texts = ["my card is 4539 1488", "0343 6467 thanks"]
    assert not GUARD.clean(texts, lambda: surfaces(texts), screening(), ["user", "user"])


def test_no_surface_is_named_where_one_look_is_enough() -> None:
    named: list[str] = []
    assert GUARD.clean(["prose"], lambda: named or pytest.fail("named"), screening())


def test_a_text_above_the_limit_is_never_clean() -> None:
    guard = Guard(Plan({kind.EMAIL: Action.REDACT}, most_characters=5), b"k")
    assert guard.clean(["five"], lambda: ["x"], screening())
    assert not guard.clean(["six or more"], lambda: ["x"], screening())


def long_way(pieces: list[str]) -> tuple[list[str], bool, object]:
    kept = screening()
    window = Window(GUARD, "x", kept)
    window._plain = False
    told = [window.feed(piece) for piece in pieces]
    return [*told, window.close()], window.changed, kept.tally.findings()


@settings(deadline=None, max_examples=600)
@given(PIECES.map(" ".join), st.lists(st.integers(1, 90), min_size=1, max_size=40))
def test_plain_words_of_a_stream_are_told_as_the_long_way_tells_them(
    text: str, sizes: list[int]
) -> None:
    pieces: list[str] = []
    at = 0
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[at : at + size])
        at += size
    kept = screening()
    window = Window(GUARD, "x", kept)
    told = [window.feed(piece) for piece in pieces]
    told.append(window.close())
    in_the_end, changed, findings = long_way(pieces)
    assert ("".join(told), window.changed) == ("".join(in_the_end), changed)
    assert kept.tally.findings() == findings


@pytest.mark.parametrize(
    ("text", "waits"),
    [
        ("The| quick| brown", 1),
        ("I| think| that", 1),
        ("Am| I| right", 1),
        ("Über| größere| Dinge", 1),
        ("Sure|,| here", 1),
        ("Really|?| no", 1),
        ("Note|:| the", 1),
        ("Sure|!| here", 1),
        ("Jane|!| here", 3),
        ("Yes|.| the", 2),
        ("Solo|,|1488| 0343", 3),
        ("dead|:|beef| is", 3),
        ("token|:| is| what| it", 3),
        ("Well| a| word", 2),
        ("Write| to| jane", 1),
        ("jane| at| example", 3),
        ("jane| (|at", 3),
        ("m| a| r", 3),
        ("third| mar|ch", 3),
        ("third| mar|ket", 2),
        ("jane| a|t", 3),
        ("My| IB|AN", 3),
    ],
)
def test_what_is_said_first_waits_for_one_event_unless_it_may_begin_a_value(
    text: str, waits: int
) -> None:
    """As models cut words: with the border before them."""
    window = Window(GUARD, "x", screening())
    told = [bool(window.feed(event)) for event in text.split("|")]
    assert (told.index(True) if True in told else 3) == waits


@pytest.mark.parametrize("size", [1, 3, 7, 40, 300, 5000])
def test_nothing_but_the_last_word_of_plain_prose_waits(size: int) -> None:
    text = "the cache forgets what nobody asks for any more, and keeps the rest " * 40
    window, told = Window(GUARD, "x", screening()), ""
    for at in range(0, len(text), size):
        told += window.feed(text[at : at + size])
        assert window.held <= 64
    assert told + window.close() == text
