"""What a simulated model says: templates, fuller where its quality for the topic is higher.

Deterministic in prompt, model and seed. Every answer opens by saying that it is simulated,
so that a copied sentence cannot be taken for a model's.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from federation.sandbox.asking import Asked, Tool
from federation.sandbox.instances import instance
from federation.sandbox.profiles import SimModel

_LEVELS = (0.55, 0.7, 0.85)
_WORDS_OF = {
    "code": r"```|\b(code|function|bug|python|sql|class|script|regex|compile)",
    "math": r"\d\s*[-+*/^=]\s*\d|\b(solve|equation|integral|probability|how many)",
    "reasoning": r"\b(plan|decide|should (we|i)|steps?|strategy|why)\b",
    "writing": r"\b(write|story|poem|translate|summar|essay|e-?mail|draft)",
    "knowledge": r"\b(what|who|when|where|which|capital|explain|define)\b",
}
_TOPICS = {name: re.compile(words, re.IGNORECASE) for name, words in _WORDS_OF.items()}
_POINTS = (
    "say what is wanted, and what would count as done",
    "list what is known and what is only assumed",
    "begin with the part that everything else depends on",
    "check each step against a small example",
    "name what could go wrong, and how one would notice",
    "keep the result short enough to be read twice",
    "compare with the simplest alternative before going on",
    "write down the decision and its reason",
)
_WORD = re.compile(r"[^\W\d_]+")
_STOP_WORDS = frozenset(
    ("a", "an", "the", "of", "for", "to", "in", "on", "and", "or", "get", "set", "is", "with", "by")
)


def digest(asked: Asked, model: SimModel, choice: int = 0) -> int:
    """The number that everything about one answer is drawn from."""
    parts = (model.id, str(asked.seed), str(choice), asked.system, asked.prompt, *asked.results)
    raw = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "big")


def topic(prompt: str) -> str:
    """A category of quality, by the crudest of looks."""
    return next((name for name, pattern in _TOPICS.items() if pattern.search(prompt)), "default")


def level(model: SimModel, category: str) -> int:
    """How complete this model's answers are in a category: 1 to 4."""
    quality = model.quality.get(category, model.quality["default"])
    return 1 + sum(quality >= bound for bound in _LEVELS)


def calls(asked: Asked, number: int) -> list[tuple[str, str, str]]:
    """Tool calls as (id, name, arguments); none where text is the answer."""
    if not asked.tools or asked.tool_choice == "none":
        return []
    if asked.tool_choice in ("auto", "required"):
        chosen = [] if asked.results else [tool for tool in asked.tools if _wanted(tool, asked)]
        if not chosen and asked.tool_choice == "required":
            chosen = [asked.tools[0]]
        chosen = chosen if asked.parallel else chosen[:1]
    else:
        chosen = [tool for tool in asked.tools if tool.name == asked.tool_choice]
    return [
        (
            f"call_{number:016x}{index:02d}",
            tool.name,
            _compact(instance({"type": "object", **tool.parameters}, asked.prompt)),
        )
        for index, tool in enumerate(chosen)
    ]


def _wanted(tool: Tool, asked: Asked) -> bool:
    """The prompt names the tool, or a word that its name or description is made of."""
    prompt = asked.prompt.casefold()
    if tool.name.casefold() in prompt:
        return True
    described = f"{tool.name.replace('_', ' ')} {tool.description}".casefold()
    words = set(_WORD.findall(described)) - _STOP_WORDS
    return not words.isdisjoint(_WORD.findall(prompt))


def _compact(value: object) -> str:
    return msgspec.json.encode(value).decode()


def text(asked: Asked, model: SimModel, number: int) -> str:
    """The answer in words, or as JSON where that was asked for."""
    if asked.schema is not None:
        return _compact(instance(asked.schema, asked.prompt))
    if asked.json_object:
        return _compact({"simulated": True, "model": model.id, "about": _subject(asked.prompt)})
    opening = f"(Simulated answer from {model.id}.) "
    if asked.results:
        given = "; ".join(" ".join(result.split())[:200] for result in asked.results)
        return f"{opening}The tools returned: {given}."
    category = topic(asked.prompt)
    return opening + _body(asked, category, level(model, category), number)


def _subject(prompt: str) -> str:
    words = prompt.split()
    return " ".join(words[:12])[:120] + (" ..." if len(words) > 12 else "")


def _body(asked: Asked, category: str, depth: int, number: int) -> str:
    sentences = [f'You asked about: "{_subject(asked.prompt)}".']
    if asked.images:
        noun = "image" if asked.images == 1 else "images"
        sentences.append(f"I was given {asked.images} {noun}; a simulation does not look at them.")
    first = number % len(_POINTS)
    points = [_POINTS[(first + step) % len(_POINTS)] for step in range(2 * depth - 1)]
    parts = [" ".join(sentences)]
    if depth == 1:
        return f"{parts[0]} In short: {points[0]}."
    parts.append("\n".join(f"{place}. {point}." for place, point in enumerate(points, 1)))
    if depth >= 3:
        parts.append(_example(category, number))
    if depth == 4:
        parts.append(f"In summary: {points[0]}, then {points[-1]}.")
    return "\n\n".join(parts)


def _example(category: str, number: int) -> str:
    if category == "code":
        name = f"step_{number % 97}"
        return f"```python\ndef {name}(items: list[int]) -> int:\n    return sum(items)\n```"
    if category == "math":
        left, right = number % 41 + 2, number % 29 + 3
        return f"For example: {left} x {right} = {left * right}, and so on for the rest."
    return "For example: take the smallest case first, and see whether the rest follows from it."
