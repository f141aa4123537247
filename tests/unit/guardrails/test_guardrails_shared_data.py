"""What was measured holds: the labeled texts, the attacks, and what only looks like a value."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from shared_data import shared

from federation.guardrails import entities as kind
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.scan import Scanner
from federation.guardrails.windows import Window

# The benchmarks lie beside the tests and are no package that is installed.
sys.path.append(str(Path(__file__).resolve().parents[3]))

from bench.guardrails_benign import texts
from bench.guardrails_injection import measure
from bench.guardrails_pii import generated, held_out


def test_structured_types_in_the_labeled_texts() -> None:
    score = generated(shared("pii"))
    assert score.hit.total() + score.missed.total() == 489
    assert score.f(1) >= 0.975
    assert score.f(2) >= 0.975


def test_values_in_texts_that_no_rule_was_made_for() -> None:
    score = held_out(shared("pii"))
    assert score.hit.total() / (score.hit.total() + score.missed.total()) >= 0.75


def test_what_only_looks_like_a_value_is_left_alone() -> None:
    scanner = Scanner(kind.BUILT_IN)
    rows = [text for _, text in texts(40, seed=7)]
    flagged = [text for text in rows if scanner.find(text)]
    assert len(flagged) <= 0.005 * len(rows), flagged


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("in the wild", 0.64, 1), ("direct", 0.2, 1), ("benign with trigger words", 0, 0.03)],
)
def test_rates_of_injections(name: str, least: float, most: float) -> None:
    rates = measure(shared("injection"))
    flagged, whole = rates[name]
    assert least <= flagged / whole <= most


def test_the_streams_of_the_labeled_texts_equal_the_whole() -> None:
    guard = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"k")
    rows = json.loads((shared("pii") / "generated_large.json").read_text())[:300]
    for row in rows:
        text = row["full_text"]
        window = Window(guard, "x", Screening.begin(b"s"))
        pieces = [window.feed(text[at : at + 4]) for at in range(0, len(text), 4)]
        assert "".join([*pieces, window.close()]) == guard.text(text, "x", Screening.begin(b"s"))
