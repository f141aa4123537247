"""Where a text is searched for a sign, or read in part alone, what is found is what its pattern
finds in all of it."""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from federation.guardrails import (
    cards,
    encoded,
    json_texts,
    nearby,
    network,
    odd_numbers,
    shapes,
)
from federation.guardrails.digit_rows import FORMS, is_named
from federation.guardrails.entities import Span
from federation.guardrails.injection import InjectionScanner, _Wire
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import Pattern, compiled
from federation.guardrails.rules import Check
from federation.guardrails.tripwires import TRIPWIRES


def of(*pieces: str) -> some.SearchStrategy[bytes]:
    """Texts that are put together from these."""
    return some.lists(some.sampled_from(pieces), max_size=30).map(
        lambda chosen: "".join(chosen).encode("latin-1")
    )


def everywhere(pattern: bytes, check: Check, data: bytes) -> list[Span]:
    """What a pattern and its check find in all of a text."""
    return [
        span for start, end in compiled(pattern).spans(data) for span in check(data, start, end)
    ]


@settings(max_examples=500, deadline=None)
@given(of("10", "1", "255", "8.8", ".", ".", ".", "[.]", "(.)", " ", "v", "-", "=", "==", "/", "a"))
def test_addresses_are_found_from_a_point_on(data: bytes) -> None:
    assert network.ipv4s(Nearby(data)) == everywhere(network.IPV4, network.ipv4, data)


@settings(max_examples=500, deadline=None)
@given(
    of("10.0.0.9", "2.5.29.7", "127.0.0.1", "9.9.9.256", "\n", "\t", ";", "|", "5", ".1", "-", "v")
)
def test_so_are_lists_of_them(data: bytes) -> None:
    assert network.ipv4s(Nearby(data)) == everywhere(network.IPV4, network.ipv4, data)


@settings(max_examples=500, deadline=None)
@given(of("jane", "@", "@", "example.org", ".de", " ", "\n", "<", ">", "=", ".", "xn--a1", "\xe9"))
def test_mailboxes_are_found_in_their_words(data: bytes) -> None:
    for text in (data, data + b" a@b.de" * 9, b"@" + data, data * 3):
        assert shapes.emails(Nearby(text)) == everywhere(shapes.EMAIL, shapes.email, text)


@settings(max_examples=500, deadline=None)
@given(of("4539", "1488", "0343", "6467", "o", "O", "l", "S", " ", "-", "\n", "x", "4", "B", "\t"))
def test_cards_with_letters_in_them_are_found_in_stretches(data: bytes) -> None:
    found = odd_numbers.like_cards(Nearby(data))
    assert found == everywhere(odd_numbers.LIKE_CARD, odd_numbers.like_card, data)


@settings(max_examples=500, deadline=None)
@given(of("2026", "1999", "-", "/", ".", "01", "31", "7", "T", " ", "12:30", "Z", "x", "+01:00"))
def test_moments_are_found_by_their_shape(data: bytes) -> None:
    places = [(span.start, span.end) for span in shapes.moments(Nearby(data))]
    assert places == list(compiled(shapes.MOMENT).spans(data))


PAIRS = of("3", "4", "0", "2e", "34", " ", ":", " 40 ", ":40:", " 2e ", ":2E:", " 33 34 35 36 37")


@settings(max_examples=500, deadline=None)
@given(PAIRS)
def test_what_stands_in_pairs_has_its_hint(data: bytes) -> None:
    assert not list(encoded.in_pairs(data)) or compiled(encoded.PAIRS_HINT).occurs(data)


RUNS = some.lists(
    some.one_of(
        some.sampled_from(("abcdefghijklmno", "Abcdefghijklmnop", "1234567890123456", "sk-abc1")),
        some.sampled_from((" " * 9, " " * 300, " " * 560, "\n", "aB3" * 6, "word ")),
    ),
    min_size=30,
    max_size=60,
).map(lambda pieces: " ".join(pieces).encode("ascii"))


@settings(max_examples=200, deadline=None)
@given(RUNS)
def test_windows_are_the_same_however_many_runs_there_are(data: bytes) -> None:
    runs = encoded.long_runs(data)
    special = [run for run in runs if not encoded._is_plain(data[slice(*run)])]
    windows: list[tuple[int, int]] = []
    for start, end in special:
        low, high = max(0, start - encoded._BEFORE), min(len(data), end + encoded._BEHIND)
        if windows and start - encoded._BEFORE <= windows[-1][1]:
            low = windows.pop()[0]
        windows.append((low, high))
    assert encoded.around(data, runs, len(data)) == windows


@settings(max_examples=500, deadline=None)
@given(some.text("0123456789 -", min_size=4, max_size=4), some.text("0123456789", max_size=15))
def test_what_nobodys_card_begins_with_is_no_card(head: str, rest: str) -> None:
    if cards.is_nobodys(head.encode()):
        assert not cards.is_card((head + rest).encode(), context=lambda: True)


@settings(max_examples=300, deadline=None)
@given(some.binary(min_size=10, max_size=40))
def test_what_is_no_ascii_in_base64_is_known_by_its_first_letters(data: bytes) -> None:
    for first in (data, bytes(byte & 0x7F for byte in data), data.swapcase()):
        run = in_base64(first)
        if run[0] in encoded._BEGINS_ASCII and first[:3].isascii():
            assert run[1] in encoded._SECOND
            assert run[2] in encoded._THIRD


def in_base64(raw: bytes) -> bytes:
    """`raw` in base64, without its padding."""
    return b2a_base64(raw, newline=False).rstrip(b"=")


def test_forms_that_words_name_are_known_by_their_places() -> None:
    assert tuple(form for form in range(len(FORMS)) if is_named(form)) == nearby._NAMED_FORMS


LED = [(_Wire(each), _Wire(replace(each, end=""))) for each in TRIPWIRES if each.end]
SCANNER, WIRES = InjectionScanner(), [_Wire(replace(each, end="")) for each in TRIPWIRES]


@settings(max_examples=500, deadline=None)
@given(
    of(
        *("even if ", "can ", "illegal", "harmful", "swear ", "freely ", "all ", "show ", "me "),
        *("your ", "the ", "system prompt", "secret key", "passcode", "never reveal ", "write a "),
        *("script for users ", "x" * 20 + " ", "y" * 41 + " ", ".", "\n", " ", "?"),
    )
)
def test_what_is_led_to_its_end_is_found_backward_from_there(data: bytes) -> None:
    assert LED
    for backward, forward in LED:
        assert backward.is_touched(data) == forward.is_touched(data)


@settings(max_examples=300, deadline=None)
@given(
    of(
        *("illegal ", "all freely word " * 40, "password " * 70, "can ", "swear ", "show me the "),
        *("never reveal the ", "x" * 70 + " ", "y" * 41 + " ", ".", "\n"),
    )
)
def test_what_has_many_ends_is_found_among_them_and_behind(data: bytes) -> None:
    for backward, forward in LED:
        assert backward.is_touched(data) == forward.is_touched(data)


def test_a_text_of_nothing_but_ends_is_not_read_backward_from_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    within, looks = Pattern.within, list[int]()

    def counted(self: Pattern, data: bytes, start: int, end: int) -> tuple[int, int] | None:
        looks.append(start)
        return within(self, data, start, end)

    monkeypatch.setattr(Pattern, "within", counted)
    for wire, _ in LED:
        assert not wire.is_touched(b"illegal system prompt " * 4000)
    assert len(looks) < 600


@settings(max_examples=300, deadline=None)
@given(
    of(
        *(
            "ignore ",
            "forget ",
            "all ",
            "previous ",
            "instructions ",
            "your rules ",
            "are ",
            "now ",
        ),
        *(
            "replaced",
            "dan mode ",
            "act as ",
            "from now on ",
            "stay in character ",
            "openai ",
            "an ",
        ),
        *(
            "you are ",
            "not ",
            "refuse ",
            "admin mode ",
            "do not answer ",
            ", instead say ",
            "must ",
        ),
        *("illegal ", "system prompt ", "tell ", "me ", "uita ", "toate ", "regulile ", ".", "\n"),
    )
)
def test_tripwires_that_are_looked_for_together_are_those_that_occur(data: bytes) -> None:
    text = data.decode("latin-1")
    each: dict[str, float] = {}
    for wire in WIRES:
        hinted = any(word in text for word in wire.tripwire.hint.split("|"))
        if hinted and wire.is_touched(data):
            each[wire.tripwire.attack] = each.get(wire.tripwire.attack, 0.0) + wire.tripwire.weight
    assert SCANNER.look(text, by_tool=True).classes == each


@settings(max_examples=500, deadline=None)
@given(
    some.sampled_from(("4539148803436467", "378282246310005", "4000000000000000", "6011000000000")),
    some.integers(-3, 19),
    some.sampled_from(("e", "E", "e+", "E+0", "e-", "E-0")),
    some.sampled_from(("", "0", "00000")),
    some.lists(some.sampled_from(("1.5", "7", '"e"', "1e5")), max_size=4),
)
def test_a_card_with_a_power_is_found_where_its_digits_do_not_stand(
    card: str, at: int, power: str, noughts: str, others: list[str]
) -> None:
    shift = len(card) - at if "-" not in power else at - len(card)
    point = "." if 0 < at < len(card) else ""
    digits = card + noughts if point else card + "0" * max(0, -shift)
    word = f"{digits[:at]}{point}{digits[at:]}" if point else digits
    word += f"{power}{abs(shift)}"
    text = "[" + ",".join((*others, word)) + "]"
    told = [made for _, _, made in json_texts.powers(text)]
    made = json_texts.whole_number(word)
    if made and cards.is_card(made.encode()):
        assert made in told or made in re.findall("[0-9]+", text)


@settings(max_examples=300, deadline=None)
@given(some.lists(some.lists(some.sampled_from(("a", "b", "7", '"', "\n", "card", " ")))))
def test_values_are_replaced_in_the_strings_that_they_stand_in(pieces: list[list[str]]) -> None:
    strings = ["".join(each) for each in pieces]
    text = json.dumps(strings)
    spans = [Span(*found.span(), "card") for found in re.finditer("card|7+", text)]
    made = json_texts.edited(text, spans, lambda _, value: f"<{value}>")
    assert json.loads(made) == [re.sub("card|7+", r"<\g<0>>", each) for each in strings]
