"""Who answers in the lab: sixty numbered words, so that a seam can be checked exactly.

Voices differ in what they make of an answer that somebody else began. `lab-prefill` goes on
where the caller's assistant turn ends; the others refuse such a turn, or do not heed it, and
begin anew: with the same words, or with other ones. Those that follow a prompt go on after
the last numbered word that stands in it. Everything is decided from the request alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from federation.sandbox.asking import Asked
from federation.sandbox.instances import instance
from federation.sandbox.script import Choice, Script
from federation.sandbox.tokens import pieces

TOKENS: Final = 60
_TOKENS_MAX: Final = 5_000
_NUMBERED = re.compile(r"\b([wx])(\d{2,})\b")
_NUMBERED_BYTES = re.compile(rb"\b[wx]\d{2,}\b")
_WORDS = re.compile(r"\s*\S+")
_NAME = re.compile(r"(?P<voice>lab-[a-z]+)(?:-(?P<tokens>\d{1,4}))?")

CONTINUE, REFUSE, IGNORE = "continue", "refuse", "ignore"


@dataclass(frozen=True, slots=True)
class Voice:
    """One manner of speaking."""

    name: str
    meaning: str
    letter: str = "w"
    """What its numbered words begin with."""
    prefill: str = REFUSE
    """continue | refuse | ignore an assistant turn at the end"""
    follows: bool = False
    """Goes on where a prompt asks it to."""
    repeats: int = 0
    """Words that it says again before it goes on."""
    context: int = 128_000


VOICES: Final[dict[str, Voice]] = {
    voice.name: voice
    for voice in (
        Voice("lab-prefill", "continues an assistant turn exactly", "w", CONTINUE, follows=True),
        Voice("lab-same", "refuses an assistant turn; always says the same"),
        Voice("lab-other", "refuses an assistant turn; says something else; follows a prompt",
              "x", follows=True),
        Voice("lab-repeats", "as lab-other, and says the last three words again",
              "x", follows=True, repeats=3),
        Voice("lab-deaf", "refuses an assistant turn; says something else, whatever is asked",
              "x"),
        Voice("lab-ignores", "takes an assistant turn and begins anew with the same words",
              "w", IGNORE),
        Voice("lab-small", "has room for 1,000 tokens only", context=1_000),
        Voice("lab-large", "has room for 1,000,000 tokens", context=1_000_000),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a request holds of an answer that was begun elsewhere."""

    kind: str = ""
    """`prefill` (an assistant turn at the end) | `prompt` (numbered words in a turn) | empty"""
    begun: str = ""


def find_voice(name: str) -> tuple[Voice, int] | None:
    """The voice and its number of tokens (`lab-same-200`); None for a name that is none."""
    match = _NAME.fullmatch(name)
    voice = VOICES.get(match["voice"]) if match is not None else None
    if match is None or voice is None:
        return None
    tokens = int(match["tokens"] or TOKENS)
    return (voice, tokens) if 0 < tokens <= _TOKENS_MAX else None


def numbered(letter: str, count: int = TOKENS) -> str:
    """The answer in full."""
    return " ".join(f"{letter}{number:02d}" for number in range(1, count + 1))


def count_tokens(data: bytes) -> int:
    """How many numbered words stand in a piece of an answer, in whatever language."""
    return len(_NUMBERED_BYTES.findall(data))


def place_after(data: bytes, count: int) -> int:
    """Where the numbered word with this count ends; the length where there are fewer."""
    if count <= 0:
        return 0
    found = list(islice(_NUMBERED_BYTES.finditer(data), count))
    return found[-1].end() if len(found) == count else len(data)


def continuation(asked: Asked) -> Continuation:
    """Whether a request asks for the rest of an answer."""
    if not asked.turns:
        return Continuation()
    role, text = asked.turns[-1]
    if role == "assistant":
        return Continuation("prefill", text)
    for wanted in ("assistant", "user"):
        said = next((text for role, text in reversed(asked.turns) if role == wanted), "")
        if _NUMBERED.search(said):
            return Continuation("prompt", said)
    return Continuation()


def answer(asked: Asked, voice: Voice, tokens: int, serial: int) -> Script:
    """What the voice says to a request that it takes; `serial` makes the answer's id."""
    calls, said = _begin(asked, voice, tokens, serial)
    finish = "tool_calls" if calls else "stop"
    if asked.limit is not None and asked.limit < len(said):
        said, finish = said[: asked.limit], "length"
    return script_of(asked, said, finish, calls, serial)


def script_of(
    asked: Asked,
    said: list[str],
    finish: str,
    calls: tuple[tuple[str, str], ...],
    serial: int,
) -> Script:
    """A script of these pieces, which are a call's arguments where `calls` has its id and name."""
    made = tuple((call, name, "".join(said)) for call, name in calls)
    choice = Choice(tuple(said), finish, made)
    return Script(
        id=f"chatcmpl-sim{serial:016x}",
        model=asked.model,
        choices=(choice,) * asked.choices,
        input_tokens=asked.input_tokens,
        output_tokens=len(said) * asked.choices,
        reasoning_tokens=0,
        include_usage=asked.include_usage,
        first_s=0.0,
        token_s=0.0,
    )


def _begin(
    asked: Asked, voice: Voice, tokens: int, serial: int
) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    begun = continuation(asked)
    goes_on = (begun.kind == "prefill" and voice.prefill == CONTINUE) or (
        begun.kind == "prompt" and voice.follows
    )
    letter = voice.letter
    if goes_on and (found := _NUMBERED.findall(begun.begun)):
        letter = found[-1][0]
    words = numbered(letter, tokens)
    tool = _tool(asked)
    if tool is not None:
        arguments = _structured(tool[1], words, asked.prompt)
        return ((f"call_{serial:016x}", tool[0]),), pieces(arguments)
    full = words
    if asked.schema is not None:
        full = _structured(asked.schema, words, asked.prompt)
    elif asked.json_object:
        full = _compact({"text": words})
    if goes_on:
        full = rest_of(full, begun.begun, voice.repeats if begun.kind == "prompt" else 0)
    return (), _WORDS.findall(full) if asked.schema is None else pieces(full)


def rest_of(full: str, begun: str, repeats: int = 0) -> str:
    """What is missing of an answer, with so many of the last words said again."""
    found = _NUMBERED.findall(begun)
    if not repeats and full.startswith(begun):
        return full[len(begun) :]
    if not found:
        return full
    last = int(found[-1][1])
    if repeats:
        start = full.find(f"{found[-1][0]}{max(1, last - repeats + 1):02d}")
        return full[max(start, 0) :]
    word = f"{found[-1][0]}{last:02d}"
    return full[full.find(word) + len(word) :] if word in full else full


def _tool(asked: Asked) -> tuple[str, dict[str, Any]] | None:
    """The tool to call, where tools are offered: the first, or the one that is demanded."""
    if not asked.tools or asked.tool_choice == "none" or asked.results:
        return None
    named = [tool for tool in asked.tools if tool.name == asked.tool_choice]
    tool = (named or list(asked.tools))[0]
    return tool.name, {"type": "object", **tool.parameters}


def _structured(schema: dict[str, Any], words: str, prompt: str) -> str:
    """A value of the schema, with the numbered words as the first text in it."""
    value = instance(schema, prompt)
    if isinstance(value, dict):
        name = next((name for name, inner in value.items() if isinstance(inner, str)), "text")
        value[name] = words
    return _compact(value)


def _compact(value: object) -> str:
    return msgspec.json.encode(value).decode()
