"""The classifier: what it reads, how sure it is, and what it must never do."""

from __future__ import annotations

import json
import re
import string
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.catalogue import CATEGORIES
from federation.routing import classifier as room
from federation.routing.classifier import KINDS, LinearClassifier, load, pack
from federation.routing.features import HEAD, START, TAIL, features, words_of
from federation.routing.intents import INTENTS

EIGHTEEN = {
    "code_implementation",
    "code_review",
    "code_debugging",
    "code_documentation",
    "research",
    "analysis",
    "synthesis",
    "documentation",
    "creative_writing",
    "technical_writing",
    "problem_solving",
    "planning",
    "decision_support",
    "image_generation",
    "vision_analysis",
    "question_answering",
    "summarization",
    "translation",
}


@pytest.fixture(scope="module")
def classify() -> LinearClassifier:
    return load()


def test_there_are_eighteen_intents_and_unknown() -> None:
    assert set(INTENTS) == EIGHTEEN | {"unknown"}
    assert {kind.intent for kind in KINDS.values()} == EIGHTEEN
    assert {use.category for use in INTENTS.values()} <= set(CATEGORIES)
    assert {kind.category for kind in KINDS.values()} <= {*CATEGORIES, ""}


@pytest.mark.parametrize(
    ("prompt", "intent"),
    [
        ("Write a Python function that merges two sorted lists", "code_implementation"),
        ("Please review this pull request and suggest improvements", "code_review"),
        ("My script crashes with a KeyError. Why does it fail?", "code_debugging"),
        ("Add docstrings to this class and explain what it does", "code_documentation"),
        ("Do a literature review on sleep with peer-reviewed papers", "research"),
        ("Analyze the causes of churn in this table", "analysis"),
        ("Combine these three reports into one coherent text", "synthesis"),
        ("Write a user manual for the coffee machine", "documentation"),
        ("Write a poem about the sea", "creative_writing"),
        ("Draft a press release about our new office", "technical_writing"),
        ("Solve for x: 4x - 3 = 21", "problem_solving"),
        ("Make a project plan with milestones for the office move", "planning"),
        ("Should I buy or lease a car? Recommend the best choice", "decision_support"),
        ("Draw a picture of a castle in watercolor", "image_generation"),
        ("What does this photo show?", "vision_analysis"),
        ("Who invented the telephone?", "question_answering"),
        ("Summarize the following article in three bullet points", "summarization"),
        ("Translate this letter into German", "translation"),
        ("Übersetze diesen Text ins Englische", "translation"),
        ("Напиши стихотворение про осень", "creative_writing"),
        ("写一首关于秋天的诗", "creative_writing"),
        ("Resume el artículo sobre el clima", "summarization"),
    ],
)
def test_plain_prompts_are_read_as_people_mean_them(
    classify: LinearClassifier, prompt: str, intent: str
) -> None:
    found = classify(prompt)
    assert found.name == intent
    assert found.confidence > 0.3


@pytest.mark.parametrize("prompt", ["", "   \n", "qwrtz zxcv plmk", "ᚠᚢᚦᚨᚱᚲ ᚷᚹᚺᚾᛁ", "\ud800\udfff"])
def test_what_it_cannot_read_is_unknown_and_moves_no_score(
    classify: LinearClassifier, prompt: str
) -> None:
    found = classify(prompt)
    assert (found.name, found.confidence, found.difficulty) == ("unknown", 0.0, 0.5)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=3_000))
def test_any_text_gets_an_intent_with_a_probability(text: str) -> None:
    found = load_once()(text)
    assert found.name in INTENTS
    assert 0.0 <= found.confidence <= 1.0
    assert 0.0 <= found.difficulty <= 1.0


_KEPT: list[LinearClassifier] = []


def load_once() -> LinearClassifier:
    if not _KEPT:
        _KEPT.append(load())
    return _KEPT[0]


def test_the_packed_sum_is_the_plain_sum(classify: LinearClassifier) -> None:
    names: list[Any] = ["alpha", "beta", ("alpha", "beta"), "\n"]
    weights = [[float((f * 7 + k * 3) % 11 - 5) for k in range(len(KINDS))] for f in range(4)]
    bias = [0.01 * k for k in range(len(KINDS))]
    small = LinearClassifier(json.loads(json.dumps(pack(names, weights, bias, 1.0, {}))))
    seen = small._scores("alpha beta gamma\nx")
    assert len(seen) == len(KINDS)
    for kind, value in enumerate(seen):
        plain = sum(row[kind] for row in weights) / 2.0 + bias[kind]
        assert value == pytest.approx(plain, abs=0.1)


READ = st.lists(
    st.sampled_from(
        [
            "write",
            "a",
            "the",
            "python",
            "function",
            "poem",
            "solve",
            "for",
            "x",
            "=",
            "qwzx",
            "{",
            "fix",
            "bug",
            "in",
            "this",
            "code",
            "```",
            "?",
            "42",
            "translate",
            "é",
            "写",
        ]
    ),
    max_size=300,
)


@settings(deadline=None, max_examples=200)
@given(READ)
def test_each_known_word_pair_and_sign_counts_once(read: list[str]) -> None:
    made, text = load_once(), " ".join(read)
    words, signs = features(text)
    once = {word for word in words if word in made._words}
    pairs = {pair for pair in pairwise(words) if pair in made._pairs}
    seen = made._scores(text)
    if len(once) < 2 or len(once) < 0.1 * len(set(words)):
        assert seen == []
        return
    lanes = [made._words[word] for word in once] + [made._pairs[pair] for pair in pairs]
    lanes += [made._words[sign] for sign in signs if sign in made._words]
    for kind, (value, bias) in enumerate(zip(seen, made._bias, strict=True), start=1):
        plain = sum((lane >> 32 * kind & 255) - 128 for lane in lanes)
        assert value == pytest.approx(plain * made._unit / len(lanes) ** 0.5 + bias, abs=1e-9)


def test_a_flat_opinion_is_unknown() -> None:
    weights = [[0.0] * len(KINDS), [1e-9] * len(KINDS)]
    flat = LinearClassifier(pack(["alpha", "beta"], weights, [0.0] * len(KINDS), 1.0, {}))
    assert flat("alpha beta").name == "unknown"


def test_longer_prompts_seem_harder_but_only_so_far(classify: LinearClassifier) -> None:
    asked = "Write a Python function that merges two sorted lists. "
    short, longer, endless = (classify(asked * times) for times in (1, 10, 2_000))
    assert short.difficulty < longer.difficulty <= endless.difficulty < 0.9


def test_mathematics_has_a_quality_column_of_its_own(classify: LinearClassifier) -> None:
    found = classify("Compute the integral of x^2 sin(x) dx")
    assert (found.name, found.category) == ("problem_solving", "math")


def test_only_the_ends_of_a_long_prompt_are_read() -> None:
    text = "begin " + "middle " * 5_000 + " end"
    words, _ = features(text)
    assert {START, "begin", "end"} <= set(words)
    assert len(words_of(text[:HEAD])) + len(words_of(text[-TAIL:])) < 200


def test_words_are_plain_and_unspaced_scripts_are_read_sign_by_sign() -> None:
    assert words_of("Don't PANIC, call 0800-123!") == ["don", "t", "panic", "call", "0000", "000"]
    assert words_of("写一首诗，谢谢") == ["写", "一", "首", "诗", "谢", "谢"]
    words, signs = features("Fix:\n```\nx = 1\n```")
    assert words == [START, "fix", "x", "0"]
    assert {"```", "=", ":", "\n"} <= set(signs)


def test_the_weights_ship_small_with_their_provenance() -> None:
    path = Path(room.__file__).with_name("intents.json")
    stored = json.loads(path.read_text("utf-8"))
    assert path.stat().st_size < 1_000_000
    assert stored["provenance"]["script"] == "bench/train_intents.py"
    assert stored["provenance"]["examples"] > 1_000
    assert stored["kinds"] == list(KINDS)


@given(text=st.text(st.characters(max_codepoint=127), max_size=60))
def test_text_in_ascii_is_read_as_any_other_text(text: str) -> None:
    assert [*words_of(text), "\u00e9"] == words_of(f"{text} \u00e9")


_ODD = st.sampled_from("aZ19. \n\x85\xa0\u0130\u2019\u2028\u212a\u3000\u3002\u0e01\u5199\ud800")


@given(text=st.text(st.one_of(st.characters(), _ODD), max_size=60))
def test_text_is_read_as_sign_for_sign_reading_would(text: str) -> None:
    marks = {*string.punctuation, *"\u2018\u2019\u201c\u201d\u00ab\u00bb\u2013\u2014\u2026\u00bf"}
    marks |= {*"\u00a1\uff0c\u3002\u3001\uff1a\uff1b\uff1f\uff01\u300c\u300d\uff08\uff09"}
    alone = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]"
    plain = "".join([" " if sign in marks else sign for sign in text.lower()])
    assert words_of(text) == re.sub(f"({alone})", r" \1 ", re.sub("[1-9]", "0", plain)).split()
