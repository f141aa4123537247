"""Presidio behind the port, over a pipeline without a model: what it says, and how it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

presidio = pytest.importorskip(
    "presidio_analyzer",
    reason="the extra is not installed: pip install federation-gateway[presidio]",
)
spacy = pytest.importorskip("spacy", reason="Presidio's extra brings it along")

from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: E402 - only where it is there

from federation.errors import Unavailable  # noqa: E402
from federation.guardrails.entities import (  # noqa: E402
    ADDRESS,
    EMAIL,
    PERSON,
    Action,
    DetectorFailure,
)
from federation.guardrails.guard import Guard, Plan, Screening  # noqa: E402
from federation.guardrails.presidio import (  # noqa: E402
    CONFIGURATION,
    PresidioRecognizer,
    recognizer,
)

TEXT = "Jane Doe of Springfield wrote from jane@example.org"
CONFIG = """
supported_languages: [en]
nlp_configuration:
  nlp_engine_name: spacy
  models: [{lang_code: en, model_name: %s}]
recognizer_registry:
  supported_languages: [en]
  recognizers:
    - name: SpacyRecognizer
      type: predefined
      supported_languages: [en]
    - name: names
      type: custom
      supported_language: en
      supported_entity: PERSON
      deny_list: [Jane Doe]
"""


class Blank(SpacyNlpEngine):
    """English words, and no model of them."""

    def __init__(self) -> None:
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}  # type: ignore[assignment]  # None until loaded


def engine() -> Any:
    registry = presidio.RecognizerRegistry(supported_languages=["en"])
    for entity, words in (("PERSON", ["Jane Doe"]), ("LOCATION", ["Springfield"])):
        registry.add_recognizer(
            presidio.PatternRecognizer(supported_entity=entity, deny_list=words)
        )
    return presidio.AnalyzerEngine(
        registry=registry, nlp_engine=Blank(), supported_languages=["en"]
    )


def test_names_and_places_are_found_beside_what_the_rules_find() -> None:
    found = PresidioRecognizer(engine())
    plan = Plan(
        {PERSON: Action.REDACT, ADDRESS: Action.TOKENIZE, EMAIL: Action.MASK}, recognizers=(found,)
    )
    screening = Screening.begin(b"s")
    said = Guard(plan, b"k").text(TEXT, "x", screening)
    assert said.startswith("[PERSON] of ADDRESS_")
    assert "jane@" not in said
    assert screening.vault.restore(said).split()[2] == "Springfield"


def test_what_presidio_raises_is_a_failure_and_refuses_where_it_is_required() -> None:
    failing = PresidioRecognizer(engine(), language="xx")
    said = failing.find(TEXT)
    assert isinstance(said, DetectorFailure)
    assert "Jane" not in said.reason
    guard = Guard(Plan({PERSON: Action.REDACT}, recognizers=(failing,)), b"k")
    with pytest.raises(Unavailable, match="presidio"):
        guard.text(TEXT, "x", Screening.begin(b"s"))


def test_a_configuration_is_needed_for_the_default_would_fetch_a_model() -> None:
    with pytest.raises(ValueError, match="FEDERATION_PRESIDIO_CONF"):
        recognizer({})


def test_the_operators_configuration_is_read(tmp_path: Path) -> None:
    model = tmp_path / "blank"
    spacy.blank("en").to_disk(model)
    path = tmp_path / "presidio.yaml"
    path.write_text(CONFIG % model)
    found = recognizer({CONFIGURATION: str(path)}).find(TEXT)
    assert not isinstance(found, DetectorFailure), found
    assert [(span.start, span.end, span.kind) for span in found] == [(0, 8, PERSON)]
