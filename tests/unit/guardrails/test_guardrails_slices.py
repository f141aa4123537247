"""Long texts in slices: the same findings as in one reading, wherever a value lies."""

from __future__ import annotations

import base64

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner
from federation.guardrails.slices import OVERLAP, SLICE, slices

SCANNER = Scanner(kind.BUILT_IN)
EMAIL, CARD = "jane.doe@example.org", "4539 1488 0343 6467"
CALM = "nothing to see here, move along. "


def calm(size: int) -> str:
    return (CALM * (size // len(CALM) + 1))[:size]


@pytest.mark.parametrize("value", [EMAIL, CARD, "%6a" + EMAIL[1:], "&#106;" + EMAIL[1:]])
@pytest.mark.parametrize("cut", [SLICE - OVERLAP, SLICE, SLICE + OVERLAP, 2 * SLICE])
def test_a_value_over_a_cut_is_found_once_and_whole(value: str, cut: int) -> None:
    for shift in (-len(value) - 1, -len(value) // 2, -1, 0, 1):
        before = calm(cut + shift - 1) + " "
        text = before + value + " " + calm(SLICE)
        found = [(span.start, span.end) for span in SCANNER.find(text)]
        assert found == [(len(before), len(before) + len(value))]


def test_values_all_over_a_long_text_are_found_as_in_a_short_one() -> None:
    line = f"{calm(900)} {EMAIL}, é {CARD}… "
    short = [(s.start, s.end, s.kind) for s in SCANNER.find(line)]
    assert len(short) == 2
    count = 3 * SLICE // len(line)
    found = [(s.start, s.end, s.kind) for s in SCANNER.find(line * count)]
    shifts = [place * len(line) for place in range(count)]
    assert found == [(a + by, b + by, name) for by in shifts for a, b, name in short]


def test_a_key_that_is_longer_than_slices_overlap_is_found_to_its_end() -> None:
    body = "MIIEvAIBADANBgkqhkiG9w0BAQEFAASC\n" * 3000
    key = f"-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----"
    text = calm(SLICE // 2) + "\n" + key + "\n" + calm(SLICE)
    assert len(key) > OVERLAP
    (span,) = [each for each in SCANNER.find(text) if each.kind == kind.PRIVATE_KEY]
    assert text[span.start : span.end].strip() == key


def test_what_is_encoded_in_a_long_row_is_read_from_its_begin_on() -> None:
    for shift in range(4):
        inner = calm(SLICE * 3 // 4 + shift) + f" mail {EMAIL} " + calm(3000)
        text = "see " + base64.b64encode(inner.encode()).decode() + " there"
        assert len(text) > SLICE
        assert kind.EMAIL in {span.kind for span in SCANNER.find(text)}


def test_slices_answer_for_every_character_once_and_read_around_it() -> None:
    text = "x" * (3 * SLICE + 7)
    at = 0
    for low, high, start, end in slices(text):
        assert (start, low <= start, end <= high) == (at, True, True)
        at = end
    assert at == len(text)


def test_a_row_of_digits_that_goes_on_and_on_is_read_in_parts() -> None:
    row = "12 " * 3000
    for place in (0, 1023, 2047, 4096, 6000):
        at = place // 3 * 3
        text = row[:at] + "and " + CARD + " and " + row[at:]
        assert [s.kind for s in SCANNER.find(text)] == [kind.CARD]
    inside = "001." * 700 + CARD.replace(" ", "-") + ".001" * 700
    assert kind.CARD in {span.kind for span in SCANNER.find(inside)}
