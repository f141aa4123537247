"""Types of an operator's own in a guard: words beside, check digits, streams, linear time."""

from __future__ import annotations

import pytest

from federation.domain.policies import PiiAction, PiiPattern
from federation.gateway.safeguards import Guarding, safeguard_of
from federation.governance.obligations import NOTHING, Obligations, merged
from federation.guardrails.custom_rules import custom
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.scan import Scanner
from federation.guardrails.windows import Window

STAFF = PiiPattern("staff", "EMP-[0-9]{6}")
HERON = PiiPattern("project", "(?:Blue|Red) Heron", ignore_case=True)


def guarded(*patterns: PiiPattern, **types: PiiAction) -> Guarding:
    duties = Obligations(
        pii=PiiAction.REDACT,
        pii_types=tuple((f"custom:{name}", action) for name, action in types.items()),
        pii_block_on_failure=True,
        pii_patterns=patterns,
    )
    return Guarding.begin(safeguard_of(duties, b"k" * 32), b"k", "call_1")


def test_a_pattern_is_found_and_what_the_policy_says_is_done_about_it() -> None:
    act = guarded(STAFF, HERON, project=PiiAction.MASK)
    assert act.text("EMP-123456 of blue heron", "x") == "[STAFF] of **** *eron"
    assert act.findings() == {"custom:staff:redact": 1, "custom:project:mask": 1}


def test_a_pattern_sees_through_disguises_as_other_types_do() -> None:
    act = guarded(STAFF)
    for text in ("ＥＭＰ－１２３４５６", "EMP-\u200b123456", "EMP&#45;123456", r"EMP\u002d123456"):
        assert "[STAFF]" in act.text(f"see {text} now", "x"), text


def test_words_must_stand_before_and_check_digits_must_hold() -> None:
    scanner = Scanner(
        [], [custom("case", r"\b[0-9]{10}\b", context=("case no.",), validator="luhn")]
    )
    found = [digit for digit in range(10) if scanner.find(f"Case No. 453914880{digit}")]
    assert len(found) == 1, "one check digit in ten"
    valid = f"453914880{found[0]}"
    assert scanner.find(f"order {valid}") == []
    assert scanner.find("case no. " + "." * 80 + valid) == []


@pytest.mark.parametrize(
    ("validator", "good", "bad"),
    [
        ("luhn", "4539-1488-0343-6467", "4539-1488-0343-6468"),
        ("mod97", "GB82WEST12345698765432", "GB83WEST12345698765432"),
        ("verhoeff", "2363", "2364"),
        ("mod11_10", "86095742719", "86095742718"),
    ],
)
def test_each_validator_tells_good_from_bad(validator: str, good: str, bad: str) -> None:
    pattern = r"\b[0-9A-Z][0-9A-Z-]{3,30}\b"
    scanner = Scanner([], [custom("x", pattern, validator=validator)])
    assert [(s.start, s.end) for s in scanner.find(f"it {good} is")] == [(3, 3 + len(good))]
    assert scanner.find(f"it {bad} is") == []


def test_a_value_of_calm_words_is_held_in_a_stream_however_it_comes() -> None:
    text = "we speak about the Blue Heron and nothing else is to be said of it to anybody today"
    plan = Plan({"custom:project": Action.REDACT}, (custom("project", HERON.pattern),))
    whole = Guard(plan, b"k").text(text, "x", Screening.begin(b"s"))
    assert "[PROJECT]" in whole
    for size in (1, 3, 7, 100):
        window = Window(Guard(plan, b"k"), "x", Screening.begin(b"s"))
        said = ""
        for at in range(0, len(text), size):
            said += window.feed(text[at : at + size])
            assert window.held <= 64 + 64 + size
        assert said + window.close() == whole, size


def test_policies_add_up_and_a_name_without_its_pattern_fails() -> None:
    one = Obligations(pii=PiiAction.LOG, pii_patterns=(STAFF,))
    other = Obligations(pii=PiiAction.BLOCK, pii_patterns=(HERON,))
    both = merged([one, other])
    assert merged([other, one]) == both
    assert set(both.pii_patterns) == {STAFF, HERON}
    assert both.pii_action("custom:staff") is PiiAction.BLOCK
    assert merged([NOTHING, one]).pii_patterns == (STAFF,)
    missing = Obligations(pii_types=(("custom:nobody", PiiAction.REDACT),))
    guard = safeguard_of(missing, b"k" * 32).guard
    assert guard is not None
    assert [each.name for each in guard.plan.recognizers] != []


def test_a_pattern_of_a_known_type_counts_as_it() -> None:
    pattern = PiiPattern("ours", "ZZ[0-9]{5}", entity="national_id")
    assert guarded(pattern).text("id ZZ12345", "x") == "id [NATIONAL_ID]"


def test_a_hostile_pattern_takes_time_that_grows_with_the_text_alone() -> None:
    scanner = Scanner([], [custom("x", "(?:a?){20}(?:a{0,20}){2}b")])
    assert scanner.find("a" * 200_000) == []


def places(text: str, pattern: str, **more: object) -> list[str]:
    scanner = Scanner([], [custom("x", pattern, **more)])  # type: ignore[arg-type]
    return [text[span.start : span.end] for span in scanner.find(text)]


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("änderung", "die Änderung 12345"),
        ("Änderung", "«ÄNDERUNG» 12345"),
        ("École", "\u00e9cole: 12345"),
        ("käse", "KÄSE 12345"),
        ("Ärzte", "Ärzte 12345"),
    ],
)
def test_a_word_with_letters_beyond_ascii_is_seen_before_a_value(word: str, text: str) -> None:
    assert places(text, "[0-9]{5}", context=(word,)) == ["12345"]


def test_a_word_that_goes_on_before_is_another_word() -> None:
    assert places("Veränderung 12345", "[0-9]{5}", context=("änderung",)) == []
    assert places("éÉcole 12345", "[0-9]{5}", context=("École",)) == []


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("käse-[0-9]{3}", "KÄSE-123"),
        ("KÄSE-[0-9]{3}", "käse-123"),
        ("[à-ü]x-[0-9]", "ÄX-1"),
        ("[^-b-yÀ]x-[0-9]", "ÄX-1"),
        (r"\xe4x-[0-9]", "ÄX-1"),
        (r"[\xe0-\xfc]x-[0-9]", "Äx-1"),
        ("straße-[0-9]", "STRAßE-1"),
    ],
)
def test_letters_beyond_ascii_are_found_in_both_cases_where_it_is_said(
    pattern: str, value: str
) -> None:
    assert places(f"a {value} b", pattern, ignore_case=True) == [value]
    assert places(f"a {value} b", pattern) in ([], [value])


def test_a_class_without_a_letter_is_without_both_of_its_cases() -> None:
    assert places("ÄX", "[^ä]x", ignore_case=True) == []
    assert places("ÄX", "[^ä]X") == ["ÄX"]
