"""The built-in classifier: reads a prompt, says what it is for and how hard it is.

`load` is the only way in; what it returns satisfies `intents.Classifier`.
"""

from __future__ import annotations

from federation.routing.intents import UNKNOWN, Classifier, Intent

_CUES = {
    "summarize": "summarization",
    "summary": "summarization",
    "translate": "translation",
    "code": "code_implementation",
    "function": "code_implementation",
    "python": "code_implementation",
    "bug": "code_debugging",
    "error": "code_debugging",
    "review": "code_review",
    "docstring": "code_documentation",
    "poem": "creative_writing",
    "story": "creative_writing",
    "plan": "planning",
    "what": "question_answering",
    "who": "question_answering",
}


def _by_cue(text: str) -> Intent:
    for word in text.lower().split():
        name = _CUES.get(word.strip(".,:;?!'\""))
        if name is not None:
            return Intent(name, 0.5, min(1.0, 0.3 + len(text) / 4000))
    return UNKNOWN


def load() -> Classifier:
    """Read the classifier; call it off the hot path (worker warm-up, first `auto` call)."""
    return _by_cue
