"""A script as a canonical answer, whole or in timed chunks, for a dialect to put into words.

A model that reasons shows a sentence of it to a caller who asked for reasoning, with a
signature as a real one would have: what comes of both on the way is then seen in full.
"""

from __future__ import annotations

from collections.abc import Iterator

from federation.sandbox.script import Choice, Script, token_groups
from federation.sandbox.tokens import pieces
from federation.schema import chat
from federation.schema.chat import ChatResponse
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

CREATED = 1_767_225_600
"""2026-01-01: a moment that never moves, so that the same request has the same bytes."""
THOUGHT = "(Simulated reasoning: the question is read once more, and then answered.)"

_COUNTED_FIRST = frozenset({"anthropic"})
"""Languages whose streams open with the count of the input, so that a broken one has it, too."""

Step = tuple[float, list[Chunk]]
"""Seconds to wait, and what then comes."""


def response(script: Script, dialect: str) -> ChatResponse:
    """The whole answer."""
    return ChatResponse(
        dialect,
        answer_id(script),
        script.model,
        tuple(
            chat.Choice(index, tuple(_parts(script, choice)), _finish(choice))
            for index, choice in enumerate(script.choices)
        ),
        CREATED,
        usage(script),
    )


def steps(script: Script, dialect: str) -> Iterator[Step]:
    """The same as a stream's chunks, each group with the seconds to wait before it."""
    begun: list[Chunk] = [Begun(answer_id(script), script.model, CREATED, dialect=dialect)]
    if dialect in _COUNTED_FIRST:
        begun.append(UsageSeen(Usage(script.input_tokens, 0)))
    yield 0.0, begun
    for index, choice in enumerate(script.choices):
        first = script.first_s if index == 0 else 0.0
        for place, part in enumerate(_parts(script, choice)):
            for wait, chunks in _part_steps(script, index, place, part):
                yield first + wait, chunks
                first = 0.0
        yield first, [Finished(index, _finish(choice))]
    yield 0.0, [UsageSeen(usage(script))]


def usage(script: Script) -> Usage:
    """Counts that add up: reasoning is part of the output."""
    return Usage(script.input_tokens, script.output_tokens, reasoning=script.reasoning_tokens)


def answer_id(script: Script) -> str:
    """The answer's id without the prefix of any language."""
    return script.id.removeprefix("chatcmpl-")


def _finish(choice: Choice) -> str:
    """The canonical word; a script has OpenAI's."""
    return chat.FILTER if choice.finish == "content_filter" else choice.finish


def _parts(script: Script, choice: Choice) -> Iterator[Part]:
    if script.shows_reasoning:
        yield Thinking(THOUGHT, signature=f"c2ltdWxhdGVk{answer_id(script)[-8:]}")
    for call, name, arguments in choice.calls:
        yield ToolCall(call, name, arguments)
    if not choice.calls:
        yield Text("".join(choice.pieces))


def _part_steps(script: Script, index: int, place: int, part: Part) -> Iterator[Step]:
    signature = ""
    head: Part
    said: tuple[str, ...]
    match part:
        case Thinking():
            head, said, signature = Thinking(), (part.text,), part.signature
        case ToolCall():
            head, said = ToolCall(part.id, part.name, ""), tuple(pieces(part.arguments))
        case Text():
            head, said = Text(""), script.choices[index].pieces
        case _:
            return
    yield 0.0, [PartBegun(index, place, head)]
    for count, text in token_groups(script, said):
        # Reasoning is waited for before the first token, and is not waited for twice.
        wait = 0.0 if signature else count * script.token_s
        yield wait, [Delta(index, place, text)]
    if signature:
        yield 0.0, [Delta(index, place, signature=signature)]
    yield 0.0, [PartEnded(index, place)]
