"""Texts that come again: the same is said and done of them, and nothing of them is kept."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from federation.guardrails import entities as kind
from federation.guardrails import readings
from federation.guardrails.entities import Action, Finding, Span
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.readings import MOST_SPANS, MOST_TEXTS, Readings, key_of
from federation.guardrails.scan import Scanner

LONG = "We met and talked about the weather of the last days, and of days to come. " * 10
TEXT = LONG + "Write to jane@example.org. " + LONG


class Counting:
    """How often texts were really read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        find = Scanner.find

        def counted(scanner: Scanner, text: str, **how: object) -> list[Span]:
            self.texts.append(text)
            return find(scanner, text, **how)  # type: ignore[arg-type]  # passed on as it came

        monkeypatch.setattr(Scanner, "find", counted)


def guard() -> Guard:
    return Guard(Plan({kind.EMAIL: Action.REDACT}), b"key")


def test_a_text_that_comes_again_is_not_read_again_and_is_changed_and_counted_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks, counting = guard(), Counting(monkeypatch)
    for _ in range(3):
        screening = Screening.begin(b"secret")
        assert checks.text(TEXT, "here", screening) == TEXT.replace("jane@example.org", "[EMAIL]")
        assert screening.tally.findings() == (Finding(kind.EMAIL, "redact", "here"),)
    assert counting.texts == [TEXT]


def test_a_call_in_which_something_is_found_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checks, counting = guard(), Counting(monkeypatch)
    screening = Screening.begin(b"secret")
    assert not checks.clean([TEXT], lambda: ["here"], screening)
    checks.texts([TEXT], ["here"], screening)
    assert counting.texts == [TEXT]


def test_json_and_plain_text_of_the_same_words_are_two_texts() -> None:
    assert key_of(TEXT, escaped=True) != key_of(TEXT, escaped=False)


def test_a_check_that_failed_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(scanner: Scanner, text: str, **how: object) -> list[Span]:
        raise MemoryError

    checks = Guard(Plan({kind.EMAIL: Action.REDACT}, required=False), b"key")
    with monkeypatch.context() as broken:
        broken.setattr(Scanner, "find", fail)
        assert checks.text(TEXT, "here", Screening.begin(b"secret")) == TEXT
    assert "[EMAIL]" in checks.text(TEXT, "here", Screening.begin(b"secret"))


@pytest.mark.parametrize("text", ["jane@example.org", "x" * 100_000], ids=["short", "long"])
def test_short_and_very_long_texts_are_not_kept(text: str) -> None:
    assert key_of(text, escaped=False) is None


def test_a_text_that_no_encoding_has_is_kept_as_any_other() -> None:
    lone = LONG + "\ud800"
    assert key_of(lone, escaped=False) not in (None, key_of(LONG, escaped=False))


def test_what_is_kept_holds_no_word_of_the_text() -> None:
    key = key_of(TEXT, escaped=False)
    assert key is not None
    assert len(key) < 64
    assert b"jane" not in key


def test_the_text_that_was_asked_for_least_lately_is_forgotten_first() -> None:
    known = Readings()
    keys = [b"%d" % number for number in range(MOST_TEXTS + 1)]
    for key in keys[:-1]:
        known.keep(key, [Span(0, 1, kind.EMAIL)])
    assert known.of(keys[0]) == [Span(0, 1, kind.EMAIL)]
    known.keep(keys[-1], [])
    assert known.of(keys[1]) is None
    assert known.of(keys[0]) is not None
    assert known.of(keys[-1]) == []


def test_several_threads_may_ask_while_old_ones_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readings, "MOST_TEXTS", 8)
    known = Readings()
    keys = [b"%d" % number for number in range(9)]

    def ask(first: int) -> None:
        for number in range(first, first + 100_000):
            key = keys[number * 7 % len(keys)]
            if known.of(key) is None:
                known.keep(key, [])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(ask, range(4)))
    finally:
        sys.setswitchinterval(interval)


def test_what_was_found_cannot_be_changed_by_who_asked() -> None:
    known = Readings()
    known.keep(b"key", [Span(0, 1, kind.EMAIL)])
    known.of(b"key").clear()  # type: ignore[union-attr]  # it is known
    assert known.of(b"key") == [Span(0, 1, kind.EMAIL)]


def test_a_text_with_very_many_values_is_not_kept() -> None:
    known = Readings()
    known.keep(b"key", [Span(at, at + 1, kind.EMAIL) for at in range(MOST_SPANS + 1)])
    assert known.of(b"key") is None
