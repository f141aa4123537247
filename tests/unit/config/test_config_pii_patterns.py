"""Patterns of an operator's own: what loads, what is refused with its line, and what it means."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import a_catalogue
from hypothesis import given, settings
from hypothesis import strategies as some

from federation.config import policies
from federation.config.pii_patterns import LONGEST, WIDEST, checked
from federation.domain.policies import Pii, PiiAction, PiiPattern, Policy, digest_of
from federation.errors import Problem
from federation.guardrails.custom_rules import custom
from federation.guardrails.folding import readable

Write = Callable[[str, str], Path]
STAFF = """\
policy:
  name: ours
  rules:
    - pii:
        action: redact
        types: {custom:project: block}
        patterns:
          staff: 'EMP-[0-9]{6}'
          project: {pattern: '(?:Blue|Red) Heron', ignore_case: true}
          patient:
            pattern: '\\b[0-9]{10}\\b'
            entity: national_id
            context: [patient, 'case no.']
            validator: luhn
"""


def read(config_dir: Path) -> tuple[tuple[Policy, ...], list[str]]:
    problems: list[Problem] = []
    found = policies.read(config_dir, a_catalogue(), {"fast"}, problems)
    return found, [str(problem).replace(f"{config_dir}/", "") for problem in problems]


def test_patterns_load_as_written(config_dir: Path, write: Write) -> None:
    write("policies/p.yaml", STAFF)
    (found,), problems = read(config_dir)
    assert problems == []
    (rule,) = found.rules
    assert isinstance(rule, Pii)
    assert rule.action is PiiAction.REDACT
    assert rule.patterns == (
        PiiPattern("patient", r"\b[0-9]{10}\b", "national_id", ("patient", "case no."), "luhn"),
        PiiPattern("project", "(?:Blue|Red) Heron", ignore_case=True),
        PiiPattern("staff", "EMP-[0-9]{6}"),
    )
    assert [each.kind for each in rule.patterns] == [
        "national_id",
        "custom:project",
        "custom:staff",
    ]
    assert found.digest == digest_of(found)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("'EMP-[0-9]+'", "column 10 repeats without a bound"),
        ("'EMP-.*'", "column 6 repeats without a bound"),
        ("'a{3,}'", "column 2 holds what is not read here"),
        ("'(?=a)b'", "column 1 holds what is not read here"),
        ("'(?<!a)b'", "column 1 holds what is not read here"),
        (r"'(a)\1'", "column 4 holds what is not read here"),
        ("'^abc$'", "column 1 holds what is not read here"),
        ("'(abc'", "should close a group"),
        ("'abc)'", "closes a group that was not opened"),
        ("'[abc'", "holds what is not read here"),
        ("'[z-a]x'", "is no pattern"),
        ("'a{5,2}'", "is no pattern"),
        ("'(?:abc)?'", "should not match an empty text"),
        ("'a|b{0,3}'", "should not match an empty text"),
        ("'a{65}'", f"{WIDEST} are the most"),
        ("'(?:a{9}){9}'", "may match 81 characters"),
        ("'Привет'", "of Latin letters"),
        ("''", f"1 to {LONGEST} characters"),
        (r"'(EMP-\d{5})|(CON-\d{5})'", "follows a group that is the value"),
        (r"'\b(EMP-)?\d{5}\b'", "follows a group that is the value"),
        ("'(?:a|(b))c'", "follows a group that is the value"),
        ("'(?:a(b)){2}c'", "follows a group that is the value"),
        ("'(a{0,3})b'", "follows a group that is the value"),
        (r"'\§\d{4}'", "column 1 holds what is not read here"),
        (r"'[\§]\d{4}'", "column 1 holds what is not read here"),
        (r"'\·'", "column 1 holds what is not read here"),
        ("'a·b'", "follows a sign that no text holds"),
        (r"'a\xb7b'", "follows a sign that no text holds"),
        (r"'a(?:(?:\b){999}){999}'", "a repetition of what has no characters"),
        (r"'\bÄrzte'", r"follows \b or \B beside a letter beyond ASCII"),
        (r"'Caf\xe9\b'", r"follows \b or \B beside a letter beyond ASCII"),
        (r"'\b(?:x?[aä])'", r"follows \b or \B beside a letter beyond ASCII"),
        (r"'(?:ä|\b){2}a'", r"follows \b or \B beside a letter beyond ASCII"),
    ],
)
def test_what_is_no_bounded_pattern_is_refused_with_its_line(
    config_dir: Path, write: Write, pattern: str, said: str
) -> None:
    write("policies/p.yaml", STAFF.replace("'EMP-[0-9]{6}'", pattern))
    _, problems = read(config_dir)
    assert len(problems) == 1, problems
    assert problems[0].startswith("policies/p.yaml:8: ")
    assert said in problems[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("luhn", "lune", "policies/p.yaml:14: "),
        ("national_id", "passports", "policies/p.yaml:12: "),
        ("context: [patient", "context: ['*'", "policies/p.yaml:13: "),
        ("validator", "validators", "policies/p.yaml:14: "),
        ("staff:", "Staff:", "policies/p.yaml:"),
        ("action: redact", "on_failure: allow", "should name an action, or one for '"),
    ],
)
def test_what_stands_beside_a_pattern_is_checked(
    config_dir: Path, write: Write, old: str, new: str, said: str
) -> None:
    write("policies/p.yaml", STAFF.replace(old, new))
    _, problems = read(config_dir)
    assert any(said in problem for problem in problems), problems


def test_a_rule_has_so_many_patterns_and_no_more(config_dir: Path, write: Write) -> None:
    many = "".join(f"          p{i}: 'A{i:03}'\n" for i in range(51))
    write("policies/p.yaml", STAFF.replace("          staff: 'EMP-[0-9]{6}'\n", many))
    _, problems = read(config_dir)
    assert len(problems) == 1
    assert "50" in problems[0]


@pytest.mark.parametrize(
    "pattern",
    ["((?:EMP|CON)-[0-9]{5})", "(EMP|CON){1}-[0-9]", "a(b)(c)?", "((a)|b)", r"\b§ [0-9]{4}\b",
     r"\bKäse\b", "[à-ü]x", r"\#\-\.\/"],
)  # fmt: skip
def test_what_is_bounded_and_finds_is_let_through(pattern: str) -> None:
    assert checked(pattern) == pattern
    custom("x", pattern)


def test_signs_that_are_refused_are_those_that_texts_are_folded_from() -> None:
    for sign in map(chr, range(0x80, 0x100)):
        if readable(sign) == sign.encode("latin-1"):
            assert checked(sign) == sign
        else:
            with pytest.raises(ValueError, match="no text holds"):
                checked(sign)


_PIECES = some.sampled_from(
    [
        "a",
        "b",
        "0",
        "-",
        r"\d",
        r"\w",
        r"\.",
        "[ab0]",
        "[^a-]",
        r"\b",
        "(?:a|b0)",
        ".",
        r"[\d-]",
        "(a|b0)",
        "(b)",
        "((a)|b)",
        "(a?b)",
        "(a|",
        "|",
        ")",
        "(?:",
        "é",
        "[aé]",
        "[^é]",
        r"\xe9",
    ]
)
_TIMES = some.sampled_from(["", "?", "{2}", "{0,3}", "{1,4}"])
_PATTERNS = some.lists(
    some.tuples(_PIECES, _TIMES).map(lambda each: each[0] + ("" if each[0] == r"\b" else each[1])),
    min_size=1,
    max_size=8,
).map("".join)


@settings(deadline=None, max_examples=400)
@given(_PATTERNS, some.text("ab0-. é", max_size=30))
def test_what_is_let_through_runs_and_means_the_same_to_the_library_that_runs_it(
    pattern: str, text: str
) -> None:
    try:
        checked(pattern)
    except ValueError:
        return
    # Once and again behind each other, as `finditer` has it but for empty matches.
    value = min(re.compile(pattern).groups, 1)
    matches = [m for m in re.finditer(pattern, text, re.ASCII) if m.end() > m.start()]
    found = [m.span(value) for m in matches]
    assert all(high > low >= 0 for low, high in found), "what is found holds a value"
    ours = list(custom("x", pattern).compiled().spans(text.encode("latin-1")))
    assert ours == found
    assert all(end - start <= WIDEST for start, end in ours)
