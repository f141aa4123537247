"""Keyword rules: the baseline that a trained classifier has to beat, and a sorter of code.

The first rule that matches wins.
"""

# ruff: noqa: E501 - patterns and templates are easier to read unbroken
from __future__ import annotations

import re

_CODE = (
    r"```|\bdef \w+\(|#include|\bpublic class\b|\bfunction\s*\(|\bimport \w+|</\w+>|\bSELECT\b.*\bFROM\b"
    r"|\b(code|python|javascript|typescript|java|c\+\+|c#|rust|golang|kotlin|swift|php|ruby|sql|html|css"
    r"|bash|regex|api|script|function|class|algorithm|program|docker|kubernetes|react|django|flask)\b"
)
_BROKEN = r"\b(error|exception|traceback|bug|debug|fix|fails?|failed|failing|crash(es|ed)?|not work(ing)?|doesn'?t work|wrong|segfault|undefined|issue|problem)\b"
_REVIEW = r"\b(review|refactor|improve|optimi[sz]e|clean ?up|best practices?|vulnerab\w+|what do you think|suggestions?|readab\w+|simplify)\b"
_EXPLAIN = r"\b(docstrings?|document(ation)?|comments?|readme|explain (this|the) (code|function|script|query)|what does this (code|function|script) do|line by line)\b"

CODE_RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (intent, re.compile(pattern, re.IGNORECASE))
    for intent, pattern in (
        ("code_documentation", _EXPLAIN),
        ("code_review", _REVIEW),
        ("code_debugging", _BROKEN),
    )
)
RULES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (intent, re.compile(pattern, re.IGNORECASE))
    for intent, pattern in (
        (
            "image_generation",
            r"\b(draw|paint|generate|create|make|render)\b.{0,40}\b(image|picture|logo|illustration|drawing|poster|photo)\b",
        ),
        ("vision_analysis", r"\b(this|the) (image|picture|photo|screenshot|x-?ray)\b"),
        ("translation", r"\btranslat\w+|\bhow do you say\b"),
        ("summarization", r"\bsummar\w+|\btl;?dr\b|\bkey points\b|\bgist\b|\bshorten\b"),
        (
            "creative_writing",
            r"\b(poem|story|song|lyrics|haiku|limerick|dialogue|novel|screenplay|role-?play|fairy tale|fiction)\b",
        ),
        (
            "planning",
            r"\b(plan|roadmap|schedule|itinerary|curriculum|agenda|milestones|strategy|workshop)\b",
        ),
        (
            "decision_support",
            r"\b(should i|pros and cons|which (one )?is better|recommend|worth it|trade-?offs?|decide)\b",
        ),
        ("research", r"\b(literature review|peer-reviewed|state of the art|studies|citations)\b"),
        (
            "documentation",
            r"\b(user manual|how-to guide|standard operating|faq|release notes|user stor(y|ies)|specification)\b",
        ),
        ("synthesis", r"\b(combine|merge|synthesi[sz]e|integrate|consolidate)\b"),
        (
            "analysis",
            r"\b(analy[sz]e|analysis|swot|trends?|evaluate|classify|sentiment|categori[sz]e|compare)\b",
        ),
        (
            "technical_writing",
            r"\b(essay|article|blog|e-?mail|letter|abstract|proposal|paper|report|rewrite|proofread)\b",
        ),
        (
            "problem_solving",
            r"\b(solve|prove|calculate|compute|equation|probability|integral|theorem|how many|how much)\b|\$.+\$|\d+ ?[+*/^=] ?\d+",
        ),
        ("question_answering", r"\?|\b(what|who|when|where|why|how|explain|describe)\b"),
    )
)
_CODE_PATTERN = re.compile(_CODE, re.IGNORECASE | re.DOTALL)


def code_kind(text: str) -> str:
    """Which of the four code intents a prompt about code has."""
    for intent, pattern in CODE_RULES:
        if pattern.search(text):
            return intent
    return "code_implementation"


def by_rules(text: str) -> str:
    """The intent by keywords, or `unknown`."""
    head = text[:1600]
    if _CODE_PATTERN.search(head):
        return code_kind(head)
    for intent, pattern in RULES:
        if pattern.search(head):
            return intent
    return "unknown"
