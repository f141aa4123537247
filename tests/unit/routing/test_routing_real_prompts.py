"""The prompts of `make report`: real ones of mixed kinds, twenty of them in conversations."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from shared_data import FOLDER, shared

from federation.routing.classifier import load
from federation.routing.intents import INTENTS

# The benchmarks lie beside the tests and are no package that is installed.
sys.path.append(str(Path(__file__).resolve().parents[3]))

from bench.prompts import Prompt, choose


@pytest.fixture
def talks(monkeypatch: pytest.MonkeyPatch) -> list[list[Prompt]]:
    shared("router")
    monkeypatch.setenv("FEDERATION_DATA", str(FOLDER))
    return choose()


def test_eighty_prompts_are_chosen_and_twenty_of_them_follow_one_another(
    talks: list[list[Prompt]],
) -> None:
    assert sum(len(talk) for talk in talks) == 80
    assert sum(len(talk) for talk in talks if len(talk) > 1) == 20
    assert len({(prompt.source, prompt.row) for talk in talks for prompt in talk}) == 80
    assert talks == choose(), "the same seed is the same report"


def test_they_are_of_many_kinds_and_each_is_read(talks: list[list[Prompt]]) -> None:
    classify = load()
    found = [classify(prompt.text) for talk in talks for prompt in talk]
    assert {each.name for each in found} <= set(INTENTS)
    assert len({each.name for each in found}) >= 6
    assert len({prompt.source for talk in talks for prompt in talk}) >= 5
    assert all(0 <= each.confidence <= 1 and 0 <= each.difficulty <= 1 for each in found)
