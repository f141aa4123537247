"""The built-in classifier: a linear model over words and pairs of words, in plain Python.

Fast by a trick: each feature's weights for all kinds are packed into one large integer,
32 bits a lane, so that adding up a prompt's features is a sum of integers that C code
does. Weights are stored as bytes with 128 for zero; one more lane counts the features, so
that the offset can be taken off at the end.

`load` reads the weights once; importing this module reads nothing. The weights come from
`bench/train_intents.py`, and the file names the data behind them.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from operator import mul
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

from federation.routing.features import Pair, features
from federation.routing.intents import UNKNOWN, Intent

_LANE = 4
"""Bytes of a lane: 255 times the features of 1,600 characters stays far below its limit."""
_ZERO = 128
_FILE = Path(__file__).with_name("intents.json")
_LENGTH = 600
_LENGTH_SLOPE = 0.08
_LENGTH_MOST = 0.15
"""Longer prompts are harder, but only so far: most of a long one is material."""
_LEAST_CONFIDENCE = 0.2
_LEAST_WORDS = 2
_LEAST_KNOWN = 0.1
"""With fewer words known (the start is one) it is in no language that was trained on."""


class Kind(NamedTuple):
    """What the model tells apart; finer than an intent where training data is."""

    intent: str
    category: str = ""
    """Overrides the intent's quality column."""
    difficulty: float = 0.4


KINDS: dict[str, Kind] = {
    "code_implementation": Kind("code_implementation", difficulty=0.5),
    "code_review": Kind("code_review", difficulty=0.55),
    "code_debugging": Kind("code_debugging", difficulty=0.55),
    "code_documentation": Kind("code_documentation", difficulty=0.35),
    "research": Kind("research", difficulty=0.6),
    "analysis": Kind("analysis", difficulty=0.5),
    "synthesis": Kind("synthesis", difficulty=0.45),
    "documentation": Kind("documentation", difficulty=0.4),
    "creative_writing": Kind("creative_writing", difficulty=0.4),
    "technical_writing": Kind("technical_writing", difficulty=0.4),
    "math": Kind("problem_solving", "math", 0.6),
    "reasoning": Kind("problem_solving", "reasoning", 0.6),
    "planning": Kind("planning", difficulty=0.5),
    "decision_support": Kind("decision_support", difficulty=0.5),
    "image_generation": Kind("image_generation", difficulty=0.3),
    "vision_analysis": Kind("vision_analysis", difficulty=0.4),
    "question_answering": Kind("question_answering", difficulty=0.35),
    "extraction": Kind("analysis", "instruction_following", 0.25),
    "classification": Kind("analysis", "instruction_following", 0.25),
    "summarization": Kind("summarization", difficulty=0.3),
    "translation": Kind("translation", difficulty=0.3),
    "chat": Kind("question_answering", "default", 0.1),
}


class LinearClassifier:
    """Says what a prompt is for; satisfies `intents.Classifier`."""

    __slots__ = (
        "_bias",
        "_difficulties",
        "_kinds",
        "_neighbors",
        "_pairs",
        "_split",
        "_unit",
        "_vocabulary",
        "_words",
    )

    def __init__(self, stored: dict[str, Any]) -> None:
        """`stored` is what `pack` makes and the weights file holds; it is not checked again."""
        kinds = [KINDS[name] for name in stored["kinds"]]
        # Each kind with the places of all kinds of its intent.
        self._kinds = [
            (kind, [place for place, other in enumerate(kinds) if other.intent == kind.intent])
            for kind in kinds
        ]
        self._difficulties = [kind.difficulty for kind in kinds]
        temperature = stored["temperature"]
        self._unit = stored["unit"] / temperature
        self._bias = [value / temperature for value in stored["bias"]]
        self._split = Struct(f"<{len(kinds) + 1}I")
        lanes = _lanes(base64.b64decode(stored["weights"]), len(kinds))
        words = [*stored["words"].split(), *stored["signs"]]
        self._words = dict(zip(words, lanes, strict=False))
        pairs = [tuple(line.split(" ")) for line in stored["pairs"].splitlines()]
        self._pairs = dict(zip(pairs, lanes[len(words) :], strict=True))
        self._vocabulary = frozenset(self._words)
        self._neighbors = frozenset(self._pairs)

    def __call__(self, text: str) -> Intent:
        """The intent, how sure that is, and how hard the prompt seems."""
        scores = self._scores(text)
        return self._judge(scores, len(text)) if scores else UNKNOWN

    def _scores(self, text: str) -> list[float]:
        """A score for each kind; empty where too little of the text is known."""
        words, signs = features(text)
        # Sets find what is known and that each counts once in one step, without a list between.
        known = self._vocabulary.intersection(words)
        read = len(known)
        if read < _LEAST_WORDS or (
            read < _LEAST_KNOWN * len(words) and read < _LEAST_KNOWN * len(set(words))
        ):
            return []
        weigh = self._words
        total = sum(map(weigh.__getitem__, known))
        beside = zip(words, words[1:], strict=False)  # noqa: RUF007 - `pairwise` makes each anew
        pairs = self._neighbors.intersection(beside)
        total += sum(map(self._pairs.__getitem__, pairs))
        total += sum([weigh[sign] for sign in signs if sign in weigh])
        hits, *sums = self._split.unpack(total.to_bytes(self._split.size, "little"))
        scale = self._unit / math.sqrt(hits)
        # A float, as all are that follow: what mixes the two takes longer.
        offset = float(_ZERO * hits)
        return [
            (weight - offset) * scale + bias for weight, bias in zip(sums, self._bias, strict=True)
        ]

    def _judge(self, scores: list[float], length: int) -> Intent:
        most, exp = max(scores), math.exp
        grown = [exp(score - most) for score in scores]
        whole = sum(grown)
        best, same = self._kinds[scores.index(most)]
        confidence = sum([grown[place] for place in same]) / whole
        if confidence < _LEAST_CONFIDENCE:
            return UNKNOWN
        hardness = sum(map(mul, grown, self._difficulties)) / whole
        longer = min(_LENGTH_SLOPE * math.log1p(length / _LENGTH), _LENGTH_MOST)
        difficulty = min(hardness + longer, 1.0)
        return Intent(best.intent, confidence, difficulty, best.category)


def _lanes(weights: bytes, kinds: int) -> list[int]:
    """Each feature's bytes spread over lanes, above a lane that counts one."""
    packed = []
    spread = bytearray(_LANE * (kinds + 1))
    spread[0] = 1
    for start in range(0, len(weights), kinds):
        spread[_LANE::_LANE] = weights[start : start + kinds]
        packed.append(int.from_bytes(spread, "little"))
    return packed


def pack(
    names: Sequence[str | Pair],
    weights: Sequence[Sequence[float]],
    bias: Sequence[float],
    temperature: float,
    provenance: dict[str, object],
) -> dict[str, Any]:
    """The weights file of trained weights: rows are features, columns the kinds as in `KINDS`."""
    most = max(max(map(abs, row)) for row in weights)
    unit = most / (_ZERO - 1)
    rank = {name: number for number, name in enumerate(names)}
    signs = [name for name in names if isinstance(name, str) and name.split() != [name]]
    words = [name for name in names if isinstance(name, str) and name.split() == [name]]
    pairs = [name for name in names if not isinstance(name, str)]
    order: list[str | Pair] = [*words, *signs, *pairs]
    packed = bytes(round(weight / unit) + _ZERO for name in order for weight in weights[rank[name]])
    return {
        "provenance": provenance,
        "kinds": list(KINDS),
        "unit": unit,
        "temperature": temperature,
        "bias": [round(value, 5) for value in bias],
        "words": " ".join(words),
        "signs": signs,
        "pairs": "\n".join(" ".join(pair) for pair in pairs),
        "weights": base64.b64encode(packed).decode(),
    }


def load() -> LinearClassifier:
    """Read the shipped weights: some milliseconds, so off the hot path (a worker's warm-up)."""
    return LinearClassifier(json.loads(_FILE.read_text("utf-8")))
