"""Rows of more digits than one value has, dense escapes, and windows that are read as one."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from federation.guardrails import entities as kind
from federation.guardrails.folding import readable
from federation.guardrails.layers import Remembered, decode, fold
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)
CARD = "4539 1488 0343 6467"
SSN = "536-90-4399"
PHONE = "(212) 555-0187"


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in SCANNER.find(text)]


def noise(count: int) -> str:
    """Rows that are no value: groups of three digits, set apart by commas."""
    fill = Random(7)
    return ", ".join(f"{fill.randrange(1000):03}" for _ in range(count))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (CARD, kind.CARD),
        (CARD.replace(" ", ""), kind.CARD),
        ("3782 822463 10005", kind.CARD),
        ("6304 9850 2809 0561 515", kind.CARD),
        (SSN, kind.SSN),
        ("+44 20 7946 0958", kind.PHONE),
        (PHONE, kind.PHONE),
        ("212-555-0187", kind.PHONE),
        ("123.456.789-09", kind.NATIONAL_ID),
    ],
)
@pytest.mark.parametrize("before", [0, 3, 40])
@pytest.mark.parametrize("behind", [2, 40])
def test_a_value_is_found_wherever_it_stands_in_a_long_row(
    value: str, told: str, before: int, behind: int
) -> None:
    text = "; ".join(part for part in (noise(before), value, noise(behind)) if part)
    assert (told, value) in found(text)


def test_many_values_in_one_row_are_all_found() -> None:
    cards = ["4539148803436467", "5425233430109903", "378282246310005"] * 30
    assert found("\n".join(cards)) == [(kind.CARD, card) for card in cards]
    numbers = [f"5{n:02}-36-8193" for n in range(10, 60)]
    assert found(", ".join(numbers)) == [(kind.SSN, number) for number in numbers]


def test_four_groups_are_a_card_where_three_more_digits_behind_them_are_none_of_it() -> None:
    text = f"{noise(8)}; {CARD} 124, {noise(8)}"
    assert (kind.CARD, CARD) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "John 1980-08-13 {} NY",
        "1980.08.13 {}",
        "1980/08/13 {}",
        "100.20.30 {}",
        "1980-08-13, 1980-08-14, 1980-08-15 {}",
        "101 1980-08-13 {} 555 1234 212",
    ],
)
@pytest.mark.parametrize("number", ["163-15-0665", "377-65-5585", "163 15 0665", "163.15.0665"])
def test_an_american_number_is_found_behind_a_date(text: str, number: str) -> None:
    assert (kind.SSN, number) in found(text.format(number))


@pytest.mark.parametrize(
    "text",
    [
        "1.{}",
        "Karte Nr.1.{}",
        "USD 10.{} x",
        "12.50.{}",
        "2024.{}",
        "9.{}; 123, 456, 789, 123, 456",
        "10.{}; 123, 456, 789, 123, 456",
        "1.0.{}; 123, 456, 789, 123, 456",
    ],
)
def test_a_card_behind_a_number_and_a_point_is_found(text: str) -> None:
    card = "4111111111111111"
    assert (kind.CARD, card) in found(text.format(card))


def test_the_cards_of_a_numbered_list_and_those_with_a_point_between_them_are_found() -> None:
    cards = ["4111111111111111", "5500005555555559", "378282246310005"]
    listed = "\n".join(f"{at}.{card}" for at, card in enumerate(cards, 1))
    assert found(listed) == [(kind.CARD, card) for card in cards]
    assert found(".".join(cards)) == [(kind.CARD, card) for card in cards]


def test_digits_behind_a_nought_and_a_point_are_a_fraction_and_no_card() -> None:
    assert found("0.4539148803436467") == []
    assert found("-0.4539148803436467, x=0.4539148803436467") == []
    assert found(", ".join(["0.4539148803436467"] * 20)) == []
    assert found("No 1. 4539148803436467") == [(kind.CARD, "4539148803436467")]
    assert found("4539.1488.0343.6467") == [(kind.CARD, "4539.1488.0343.6467")]


def test_words_count_at_the_begin_of_a_long_row_and_nowhere_in_it() -> None:
    rest = noise(30)
    assert (kind.PHONE, "5550187") in found(f"call me at 5550187; {rest}")
    assert (kind.PHONE, "5550187") not in found(f"call me: {rest}; 5550187, {rest}")
    assert (kind.NATIONAL_ID, "943 476 5919") in found(f"NHS 943 476 5919; {rest}")
    assert kind.NATIONAL_ID not in [each for each, _ in found(f"{rest}; 943 476 5919; {rest}")]


def test_a_card_with_a_bracket_in_it_is_none_and_one_beside_a_bracket_is_found() -> None:
    assert found(f"{noise(9)}; 4539 (1488) 0343 6467; {noise(9)}") == []
    assert (kind.CARD, CARD) in found(f"({noise(3)}) {CARD}; {noise(9)}")


@settings(deadline=None, max_examples=150)
@given(some.lists(some.sampled_from(
    ["a", "@", "4539", " ", "\\n", "\\u0031", "%40", "%C3%A9", "&amp;", '"+"', "' + '", "\\x41"]
), max_size=40))  # fmt: skip
def test_every_sign_that_was_decoded_has_its_place_in_the_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    read = decode(fold(text))
    if read is None:
        return
    places = [read.original(at, at + 1) for at in range(len(read.data))]
    assert places == sorted(places)
    assert all(0 <= low < high <= len(text) for low, high in places)


@pytest.mark.parametrize(("escape", "sign"), [("%41", b"A"), ("\\x41", b"A"), ("\\u0041", b"A")])
@pytest.mark.parametrize("count", [1, 7, 8, 40, 2000])
def test_escapes_in_a_row_have_a_place_each_however_many(
    escape: str, sign: bytes, count: int
) -> None:
    read = decode(fold(f"a {escape * count} b"))
    assert read is not None
    assert read.data == b"a " + sign * count + b" b"
    size = len(escape)
    for at in (0, count // 2, count - 1):
        assert read.original(at + 2, at + 3) == (at * size + 2, at * size + size + 2)


@given(some.text("aﬁ½é\u200b&#49; ;日", max_size=40))
@settings(deadline=None)
def test_a_fold_maps_each_place_back_into_the_text(text: str) -> None:
    layer = fold(text)
    places = [layer.original(at, at + 1) for at in range(len(layer.data))]
    assert places == sorted(places)
    assert all(0 <= low < high <= len(text) for low, high in places)


def test_what_is_spelled_out_is_folded_as_elsewhere() -> None:
    assert fold("ﬁve ½ \u200b4").data == readable("ﬁve ½ \u200b4")


def test_what_stands_for_itself_is_not_kept() -> None:
    asked = []

    def make(key: bytes) -> bytes:
        asked.append(key)
        return key.upper()

    known = Remembered(make)
    assert [known[b"a"], known[b"a"], known[b"B"], known[b"B"]] == [b"A", b"A", b"B", b"B"]
    assert asked == [b"a", b"B", b"B"]
    for number in range(5000):
        known[b"k%d" % number]
    assert len(known) <= 4096


def test_values_in_doubtful_places_far_apart_keep_their_places() -> None:
    gap = " nothing to see here" * 60
    text = f"C:\\temp\\new jane@example.org{gap} path\\users\\bob@example.org{gap}\\tim@example.net"
    mails = [value for each, value in found(text) if each == kind.EMAIL]
    assert mails[0] == "jane@example.org"
    assert any(value.endswith("bob@example.org") for value in mails)
    assert mails[-1].endswith("@example.net")
