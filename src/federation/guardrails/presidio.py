"""Names and addresses by Presidio, for those who install it with a model of their language.

A recognizer of the port in `entities`, found as an entry point and never imported by the house:
Presidio and what stands behind it are an extra (`pip install federation-gateway[presidio]`).
The traps: no model is ever downloaded, since a worker has no business with the net; and whatever
goes wrong inside is a failure to be counted or refused, never a text without names.

Reference: https://microsoft.github.io/presidio/analyzer/analyzer_engine_provider/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from presidio_analyzer import AnalyzerEngine, AnalyzerEngineProvider

from federation.guardrails.entities import ADDRESS, BESIDE, PERSON, DetectorFailure, Span

CONFIGURATION: Final = "FEDERATION_PRESIDIO_CONF"
"""The variable that names Presidio's own configuration: models, languages, recognizers."""
LANGUAGE: Final = "FEDERATION_PRESIDIO_LANGUAGE"
_KINDS: Final = {"PERSON": PERSON, "LOCATION": ADDRESS}
_LEAST_SCORE: Final = 0.5


class PresidioRecognizer:
    """Implements `entities.Recognizer` over an analyzer."""

    name: str = "presidio"
    kinds: tuple[str, ...] = (PERSON, ADDRESS)

    def __init__(self, engine: AnalyzerEngine, language: str = "en") -> None:
        self._engine = engine
        self._language = language

    def find(self, text: str) -> Sequence[Span] | DetectorFailure:
        """Names and places in `text`; what Presidio raises is a failure."""
        try:
            found: list[Any] = self._engine.analyze(
                text, language=self._language, entities=list(_KINDS), score_threshold=_LEAST_SCORE
            )
        except Exception as error:  # noqa: BLE001 - of a model, whatever it is: the text was not read
            return DetectorFailure(self.name, type(error).__name__)
        return [Span(each.start, each.end, _KINDS[each.entity_type], BESIDE) for each in found]


def recognizer(settings: Mapping[str, str]) -> PresidioRecognizer:
    """The recognizer as the environment's `settings` describe it.

    Raises ValueError where no configuration is named: Presidio's own default would fetch a model
    from the net.
    """
    path = settings.get(CONFIGURATION)
    if not path:
        raise ValueError(f"{CONFIGURATION} should name Presidio's configuration")
    engine = AnalyzerEngineProvider(analyzer_engine_conf_file=path).create_engine()
    return PresidioRecognizer(engine, settings.get(LANGUAGE, "en"))
