"""The built-in classifier: a linear model over words and pairs of words, in plain Python.

Fast by a trick: each feature's weights for all kinds are packed into one large integer,
24 bits a lane, so that adding up a prompt's features is a sum of integers that C code
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
from importlib import resources
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from federation.routing.features import Pair, features
from federation.routing.intents import UNKNOWN, Intent

_LANE = 3
_ZERO = 128
_LANE_MASK = (1 << 8 * _LANE) - 1
_FILE = "intents.json"
_LEAST_CONFIDENCE = 0.2
_LEAST_KNOWN = 0.1
"""With fewer of its words known, a prompt is in no language or field that was trained on."""


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
