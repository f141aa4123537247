"""What a prompt is for: the eighteen intents, and what routing draws from each.

An intent tells routing two things: which quality column counts, and how long the answer
will be. `unknown` is an answer too: it uses the default column, and is what a classifier
must say when it has no evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec


class Intent(msgspec.Struct, frozen=True):
    """What a classifier thinks of a prompt."""

    name: str
    confidence: float
    """The probability that `name` is right, calibrated on held-out prompts."""
    difficulty: float
    """0 for what any model answers, 1 for what most fail at."""
    category: str = ""
    """The quality column, where the classifier knows it better than the intent's name."""


Classifier = Callable[[str], Intent]
"""The seam: anything that reads a prompt, in under half a millisecond, without I/O."""


class Use(NamedTuple):
    """What routing makes of an intent."""

    category: str
    answer_tokens: int
    """The usual length of an answer to a short prompt."""
    per_input: float
    """Further answer tokens for each input token: a translation is as long as its source."""


INTENTS: dict[str, Use] = {
    "code_implementation": Use("code", 700, 0.2),
    "code_review": Use("code", 600, 0.2),
    "code_debugging": Use("code", 500, 0.3),
    "code_documentation": Use("code", 500, 0.3),
    "research": Use("knowledge", 900, 0.1),
    "analysis": Use("data_analysis", 700, 0.1),
    "synthesis": Use("writing", 700, 0.2),
    "documentation": Use("writing", 900, 0.1),
    "creative_writing": Use("writing", 900, 0.1),
    "technical_writing": Use("writing", 900, 0.1),
    "problem_solving": Use("reasoning", 600, 0.1),
    "planning": Use("reasoning", 900, 0.1),
    "decision_support": Use("reasoning", 600, 0.1),
    "image_generation": Use("default", 200, 0.0),
    "vision_analysis": Use("default", 300, 0.0),
    "question_answering": Use("knowledge", 250, 0.02),
    "summarization": Use("instruction_following", 150, 0.08),
    "translation": Use("writing", 50, 1.1),
    "unknown": Use("default", 400, 0.1),
}

UNKNOWN = Intent("unknown", 0.0, 0.5)

_LONG = 32_000
_ANSWER_LIMIT = 4000


def category_of(intent: Intent, input_tokens: int, tools: int) -> str:
    """The quality column that counts for a call.

    Above 32,000 input tokens it is the length that separates models, not the task; and
    code asked for with tools is agentic work.
    """
    if input_tokens > _LONG:
        return "long_context"
    category = intent.category or INTENTS[intent.name].category
    return "agentic_code" if tools and category == "code" else category


def expected_output(intent: Intent, input_tokens: int, max_output: int | None) -> int:
    """How many tokens the answer will probably have; never more than were allowed."""
    use = INTENTS[intent.name]
    expected = min(_ANSWER_LIMIT, int(use.answer_tokens + use.per_input * input_tokens))
    return max(1, expected if max_output is None else min(expected, max_output))
