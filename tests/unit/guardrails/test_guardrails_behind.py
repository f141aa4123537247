"""What stands behind a number, and marks within it: as whole texts are read, so are streams."""

from __future__ import annotations

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.windows import Window

GUARD = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"k")


def whole(text: str) -> str:
    return GUARD.text(text, "x", Screening.begin(b"s"))


def pieces(text: str, size: int) -> list[str]:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    said = [window.feed(text[at : at + size]) for at in range(0, len(text), size)]
    return [*said, window.close()]


@pytest.mark.parametrize(
    "number", ["536228741", "536 228741", "Order 480-66-7285", "tel 536228741"]
)
@pytest.mark.parametrize("verb", ["is", "was", "as", "For"])
@pytest.mark.parametrize("whose", ["my", "the", "Their"])
@pytest.mark.parametrize("label", ["SSN", "ssn", "social security number", "Social_Security no"])
def test_a_number_of_a_stream_waits_for_its_label(
    number: str, verb: str, whose: str, label: str
) -> None:
    text = f"Hello there, {number} {verb} {whose} {label} and so it goes on."
    read = whole(text)
    assert "[SSN]" in read
    for size in (1, 3, 7, 99):
        assert "".join(pieces(text, size)) == read


@pytest.mark.parametrize("escape", ["%20", r"\x20", r"\u0020", r"\u003D"])
def test_a_number_behind_an_escape_waits_for_its_label(escape: str) -> None:
    text = f"Hello there, q{escape}536228741 is my SSN and so it goes on."
    assert whole(text).endswith("[SSN] is my SSN and so it goes on.")
    for size in (1, 3, 7, 99):
        assert "".join(pieces(text, size)) == whole(text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("4539 1488 0343 64<!-- --> <!-- -->67 so", "[CARD] so"),
        ("4539<!-- page --> 1488 0343 6467 so", "[CARD] so"),
        ("4539 <!-- of -->1488 0343 6467 so", "[CARD] so"),
        ("jane<!-- page -->@example.org so", "[EMAIL] so"),
        ("+44 20<!-- page --> 7946 0958 so", "[PHONE] so"),
    ],
)
def test_a_value_of_a_stream_goes_on_over_a_comment(text: str, read: str) -> None:
    text, read = f"We said it: {text} it goes on.", f"We said it: {read} it goes on."
    assert whole(text) == read
    for size in (1, 3, 9, 99):
        assert "".join(pieces(text, size)) == read


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Since 2024 the company was as good as it is now", 22),
        ("Take 536228741 for a thing of theirs, as we do", 26),
        ("Take 536228741 is my favorite number of them all", 36),
        ("Take 5362287412 is my favorite number of them all", 21),
    ],
)
def test_only_nine_digits_wait_for_words_that_may_name_them(text: str, held: int) -> None:
    window = Window(GUARD, "x", Screening.begin(b"s"))
    most = 0
    for sign in text:
        window.feed(sign)
        most = max(most, window.held)
    assert most <= held


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("**4111** **1111** **1111** **1111** so", "**[CARD]** so"),
        ("***4111***-***1111***-***1111***-***1111***", "***[CARD]***"),
        ("4111 **1111** 1111 **1111** so", "[CARD]** so"),
        ("4111**1111**11111111", "[CARD]"),
        ("53**6-22-8741** so", "[SSN]** so"),
        ("**536**-**22**-**8741**", "**[SSN]**"),
        ("call **+44** **20** 7946 **0958** so", "call **[PHONE]** so"),
        ("192.**0**.2.17", "[IP]"),
        ("jane@**example.org** so", "[EMAIL]** so"),
    ],
)
def test_emphasis_within_a_value_does_not_hide_it(text: str, read: str) -> None:
    assert whole(text) == read
    for size in (1, 2, 5):
        assert "".join(pieces(text, size)) == read


@pytest.mark.parametrize(
    "text",
    [
        "4111 **** **** 1111",
        "536-**-8741",
        "+44 20 **** 0958",
        "2**10 and 3**12, 10**15 - 1",
        "**2019** **2020** **2021** **2022**",
        "x = __name__ + 1__000",
    ],
)
def test_stars_in_the_place_of_digits_and_powers_are_none(text: str) -> None:
    assert whole(text) == text


def test_an_address_is_spelled_out_in_itself_and_not_elsewhere() -> None:
    """Else a stream, which has forgotten what stood elsewhere, would say what a whole text does
    not."""
    text = "See us at example.org, or jane [at] example [dot] org, said bob @ work."
    assert whole(text) == "See us at example.org, or [EMAIL], said bob @ work."
    assert "".join(pieces(text, 1)) == whole(text)
