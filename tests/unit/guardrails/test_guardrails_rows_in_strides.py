"""Rows of digits are read in strides; the same is said by reading them number by number.

What leaves something out is compared with the plain way that leaves nothing out, over rows drawn
at random from the signs that such rows are written with.
"""

from __future__ import annotations

import base64
import math
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from federation.guardrails import card_rows, cards, context_rules, encoded, phone_rows, phones
from federation.guardrails import entities as kind
from federation.guardrails.nearby import Nearby, Words
from federation.guardrails.patterns import compiled
from federation.guardrails.row_shapes import shape_of
from federation.guardrails.scan import Scanner

SCANNER = Scanner(kind.BUILT_IN)
PIECE = re.compile(rb"[0-9 ().\-/+#xXeEtTnsio]{6,}+")
RUN = re.compile(phones.RUN)
LONGEST_PIECE, NEAR_END = 64, 4
NUMBERS = (
    "212-555-0187", "(212) 555-0187", "+44 20 7946 0958", "0431 35 06 90", "0049 431 350690",
    "5550187", "1-212-555-0187", "00383888387012 2", "4539 1488 0343 6467", "378282246310005",
    "6304 9850 2809 0561 515", "5425-2334-3010-9903", "4539148803436467", "0.4539148803436467",
    "12345 67890 12345", "1999-2004", "2024-01-02", "12 # 34", "#12", "123 # 4567",
)  # fmt: skip
GAPS = (", ", ",", " ", "-", ".", "/", "  ", "\t", "\n", ";", ":", "_", " - ", "(", ")", "+", "#")
DIGITS = some.text("0123456789", min_size=1, max_size=24)
ROWS = some.lists(
    some.tuples(some.one_of(DIGITS, some.sampled_from(NUMBERS)), some.sampled_from(GAPS)),
    min_size=2,
    max_size=40,
).map(lambda parts: "".join(number + gap for number, gap in parts) + "7")
SPREAD = some.text("0123456789 -./", min_size=30, max_size=300).map(lambda row: f"1{row}1")

ALIKE = some.tuples(
    some.lists(some.one_of(some.sampled_from(NUMBERS), DIGITS), min_size=1, max_size=3),
    some.sampled_from((", ", "\n", "\t", "; ", " | ", ":", ",")),
    some.sampled_from(NUMBERS),
).map(lambda drawn: drawn[1].join([*drawn[0] * 8, drawn[2], *drawn[0] * 4, "7"]))
"""Pieces of few shapes."""


def number_by_number(data: bytes) -> list[tuple[int, int, bool]]:
    """Telephone numbers of a row that is all of `data`, with nothing left out."""
    near, found = Nearby(data), []
    for piece in PIECE.finditer(data):
        whole = piece.end() - piece.start() <= LONGEST_PIECE
        for run in RUN.finditer(data[piece.start() : piece.end()]):
            low, high = run.start() + piece.start(), run.end() + piece.start()
            begins = piece.start() if whole else low
            ends = piece.end() if whole else high
            form = phones.form_of(shape_of(data[low:high]), 0, high - low)
            if form is None:
                continue
            if begins == 0 or ends > len(data) - NEAR_END:
                place = phones.place(near, low, form)
                if place is not None:
                    found.append(place)
            elif form.may_tell and phones.is_told(data, low, form):
                found.append((low + form.low, low + form.high, True))
    return found


@settings(deadline=None, max_examples=400)
@given(some.one_of(ROWS, SPREAD, ALIKE))
def test_no_telephone_number_is_left_out_of_a_row_nor_another_found(row: str) -> None:
    data = row.encode("ascii")
    if len(data.translate(None, b" ,.;:_/()+#\t\n-")) == len(data):
        return  # digits alone are no telephone number, and such rows are not read for one
    told = list(phone_rows.in_long_row(Nearby(data), 0, len(data)))
    assert told == number_by_number(data)


def cards_at_every_digit(data: bytes) -> list[tuple[int, int]]:
    """Card numbers of a row that is all of `data`, asked at every place."""
    found: list[tuple[int, int]] = []
    for low in range(len(data)):
        begins = chr(data[low]).isdigit() and (low == 0 or not chr(data[low - 1]).isdigit())
        if not begins or (found and low < found[-1][1]):
            continue
        number = card_rows._number_at(data, low, len(data), cards.nowhere, lambda: True)
        fraction = cards.is_fraction(data, low, low + len(number))
        if number and b"(" not in number and not fraction:
            found.append((low, low + len(number)))
    return found


LONG_NUMBERS = (
    "4539148803436467", "378282246310005", "4539148803436468", "4000000000006", "676770830695",
    "12345678901234567890",
)  # fmt: skip
COLUMNS = some.lists(
    some.sampled_from((*LONG_NUMBERS, "\n", "\n", ", ", "\t", " +", "(", "0.", "7")),
    min_size=2,
    max_size=16,
).map("".join)
"""Long numbers with little between them."""


@settings(deadline=None, max_examples=400)
@given(some.one_of(ROWS, COLUMNS))
def test_no_card_is_left_out_of_a_row(row: str) -> None:
    data = row.encode("ascii")
    told = list(
        card_rows.in_long_row(data, 0, len(data), called=cards.nowhere, context=lambda: True)
    )
    assert told == cards_at_every_digit(data)


@settings(deadline=None, max_examples=200)
@given(
    some.text("ab \n", max_size=1500).map(lambda text: text.replace("a a", "word")),
    some.lists(some.tuples(some.integers(0, 1600), some.integers(0, 60)), max_size=12),
)
def test_a_word_that_begins_in_a_stretch_is_never_overlooked(
    text: str, asked: list[tuple[int, int]]
) -> None:
    data = text.encode()
    words = Words(compiled(b"word"), data)
    for low, size in asked:
        low, high = min(low, len(data)), min(low + size, len(data))
        begins = any(low <= each.start() < high for each in re.finditer(b"word", data))
        assert words.begin_within(low, max(low, high)) or not begins


@pytest.mark.parametrize("number", ["811228+9874", "19811228+9874", "131052+308T", "+811228+9874"])
def test_a_plus_in_a_national_number_is_a_sign_like_others(number: str) -> None:
    SCANNER.find(f"id {number}, personnummer {number}")


def test_a_swedish_number_of_somebody_over_a_hundred_is_found() -> None:
    assert [span.kind for span in SCANNER.find("811228+9874")] == [kind.NATIONAL_ID]


@settings(deadline=None, max_examples=300)
@given(some.text("abcfgzABZ0123456789+/-_", min_size=14, max_size=60))
def test_what_is_not_decoded_begins_with_no_ascii(run: str) -> None:
    data = run.encode()
    if encoded._raw(data) is not None or data.islower() or data.isupper():
        return
    kept = data.translate(bytes.maketrans(b"-_", b"+/"))
    kept = kept[:-1] if len(kept) % 4 == 1 else kept
    assert not base64.b64decode(kept + b"=" * (-len(kept) % 4))[:8].isascii()


@settings(deadline=None)
@given(some.binary(min_size=8, max_size=256))
def test_the_bits_of_a_sign_are_those_of_shannon(value: bytes) -> None:
    shares = [count / len(value) for count in Counter(value).values()]
    assert math.isclose(
        context_rules._bits(value), -sum(each * math.log2(each) for each in shares), abs_tol=1e-9
    )


@pytest.mark.parametrize("times", range(1, 17))
def test_a_secret_of_eight_signs_is_one_however_often_they_come(times: int) -> None:
    assert context_rules.is_secret(b"a1b2c3d4" * times)
