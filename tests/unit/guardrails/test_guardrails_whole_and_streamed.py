"""Whatever a whole text does not tell, a stream does not tell either: many texts, cut at random."""

from __future__ import annotations

import json
from random import Random

import pytest

from federation.guardrails import entities as kind
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.streams import ChunkFilter
from federation.schema.chunks import Chunk, Delta, PartBegun, PartEnded
from federation.schema.parts import Text, ToolCall

GUARD = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"k")
VALUES = (
    "4539 1488 0343 6467", "4539-1488-0343-6467", "374245455400126",
    "**4539** **1488** **0343** **6467**",
    "+44 20 7946 0958", "(802) 555-0123", "phone 8025550123", "jane.doe@example.org",
    "jane [at] example [dot] org", "jane%40example.org", "DE89 3704 0044 0532 0130 00",
    "GB29NWBK60161331926819", "536-22-8741", "536228741 is my SSN", "ssn: 536228741",
    "name,phone\nAnn,8025550123\nBo of the North,8025550124", "192.0.2.17", "2001:db8::17",
)  # fmt: skip
AROUND = (
    *("the", "and so", "Hello!", "Well,", "configuration", "I", "12", "3.5", "2024-05-06", "$5"),
    *("請問", "déjà", "x_y", "{", "]", "\n", "- ", "| ", "```", "“", "key", "may", "of", "at", "@"),
    *("%", "&", "x" * 40, "😀", "e.g.", "\t", "\\", "<b>", "</b>", "is", "my", "for", "phone,"),
)


def made(random: Random) -> str:
    parts: list[str] = []
    for _ in range(random.randint(1, 4)):
        parts += random.choices(AROUND, k=random.randint(0, 10))
        parts.append(random.choice(VALUES))
    return "".join(part + random.choice((" ", " ", "\n", ", ")) for part in parts)


def digits_and_signs(text: str) -> list[str]:
    """What of the values is left in a text, by its parts that tell."""
    return [each for each in ("1488", "2454", "7946", "555012", "jane", "3704", "60161", "228741",
                              "192.0.2", "db8::17") for _ in range(text.count(each))]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_no_planted_value_leaves_in_any_choice_or_call_of_a_tool(seed: int) -> None:
    random = Random(seed)
    texts = {(choice, 0): made(random) for choice in range(3)}
    calls = {(choice, 1): json.dumps({"a": made(random)}) for choice in range(2)}
    left = texts | calls
    chunks: list[Chunk] = [PartBegun(*key, Text("")) for key in texts]
    chunks += [PartBegun(*key, ToolCall("1", "f", "")) for key in calls]
    while left:
        key, size = random.choice(list(left)), random.randint(1, 40)
        chunks.append(Delta(*key, left[key][:size]))
        left[key] = left[key][size:]
        left = {key: text for key, text in left.items() if text}
    stream, said = ChunkFilter(GUARD, Screening.begin(b"s")), dict.fromkeys(texts | calls, "")
    for chunk in [*chunks, *(PartEnded(*key) for key in said)]:
        for out in stream.feed([chunk]):
            if isinstance(out, Delta):
                said[out.choice, out.part] += out.text
    for key, text in texts.items():
        assert digits_and_signs(said[key]) == digits_and_signs(
            GUARD.text(text, "x", Screening.begin(b"s"))
        )
    for key, text in calls.items():
        assert said[key] == GUARD.json_text(text, "x", Screening.begin(b"s"))
