"""Any provider's answer through any client's face, whole and streamed, and what is compared."""

from __future__ import annotations

import json
from typing import Any, Final

from cross_world import WIRES, Facts, squeezed
from msgspec import structs

from federation.dialects.faces import StreamRenderer
from federation.schema.chat import ChatRequest, ChatResponse, Choice, Message
from federation.schema.chunks import (
    Begun,
    Chunk,
    Collector,
    Delta,
    Finished,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import Refusal, Text, Thinking, ToolCall
from federation.schema.usage import Usage

_PLAIN: Final = ChatRequest("none", "m", (Message("user", (Text("Hi"),)),))


def _asked(dialect: str, *, stream: bool) -> ChatRequest:
    """A client's plain call, as its face reads it."""
    found = WIRES[dialect].through(structs.replace(_PLAIN, stream=stream))
    if found is None:
        raise AssertionError(dialect)
    return found[0]


ASKED: Final = {name: _asked(name, stream=False) for name in WIRES}
STREAMED: Final = {name: _asked(name, stream=True) for name in WIRES}

CANNOT: Final[dict[str, frozenset[str]]] = {
    "openai": frozenset({"cache_write_long", "signed"}),
    "openai_responses": frozenset({"cache_write_long", "signed"}),
    "anthropic": frozenset(),
    "gemini": frozenset({"cache_write", "cache_write_long"}),
    "bedrock": frozenset({"reasoning", "model"}),
    "cohere": frozenset({"cache_write", "cache_write_long", "reasoning", "signed", "model"}),
}
"""What a vendor's answer has no member for (response types of the official SDKs)."""
STREAM_CANNOT: Final[dict[str, frozenset[str]]] = {
    **CANNOT,
    "anthropic": frozenset({"cache_write_long"}),
}
"""The same for streams. `MessageDeltaUsage` has no details of what was written to the cache,
and what came before it was sent when nobody knew any count."""
FINISHES: Final[dict[str, frozenset[str]]] = {"cohere": frozenset({"stop", "length", "tool_calls"})}
"""Ends that a vendor knows, where they are few: its others are failures."""


def whole(response: ChatResponse, dialect: str) -> ChatResponse:
    """An answer, written and read in a dialect."""
    wire = WIRES[dialect]
    return wire.upstream.decode(wire.face.render(response, ASKED[dialect]))


def streamed(chunks: list[Chunk], dialect: str, cuts: list[int]) -> list[Chunk]:
    """A stream, written in a dialect and read again from pieces cut there."""
    wire = WIRES[dialect]
    renderer: StreamRenderer = wire.face.renderer(STREAMED[dialect])
    data = b"".join([renderer.render([chunk]) for chunk in chunks]) + renderer.close()
    decoder = wire.upstream.decoder()
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    pieces = [
        data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)
    ]
    out = [chunk for piece in pieces for chunk in decoder.feed(piece)] + decoder.close()
    if not (decoder.complete and decoder.started):
        raise AssertionError((dialect, data))
    return out


def collected(chunks: list[Chunk]) -> ChatResponse:
    collector = Collector("none")
    collector.add(chunks)
    return collector.response()


def chunks_of(response: ChatResponse, size: int) -> list[Chunk]:
    """An answer as it could come in pieces of some characters."""
    choice = response.choices[0]
    out: list[Chunk] = [Begun(response.id, response.model, response.created)]
    for number, part in enumerate(choice.parts):
        match part:
            case Text() | Refusal() | Thinking():
                text = part.text
                head: Any = structs.replace(part, text="")
                if isinstance(part, Thinking):
                    head = structs.replace(head, signature="")
            case ToolCall():
                text, head = part.arguments, structs.replace(part, arguments="")
            case _:
                raise AssertionError(part)
        out.append(PartBegun(0, number, head))
        out += [Delta(0, number, text[at : at + size]) for at in range(0, len(text), size)]
        if isinstance(part, Thinking) and part.signature:
            out.append(Delta(0, number, signature=part.signature))
        out.append(PartEnded(0, number))
    out.append(Finished(0, choice.finish, choice.reason))
    if response.usage is not None:
        out.append(UsageSeen(response.usage))
    return out


def answer_facts(response: ChatResponse) -> Facts:
    """An answer as facts that can be compared."""
    choice = response.choices[0] if response.choices else Choice(0, ())
    thoughts = [part for part in choice.parts if isinstance(part, Thinking)]
    said = [part for part in choice.parts if isinstance(part, Text | Refusal)]
    calls = [part for part in choice.parts if isinstance(part, ToolCall)]
    usage = response.usage or Usage()
    text = squeezed("".join(part.text for part in said))
    thought = squeezed("".join(part.text for part in thoughts))
    return {
        "choices": len(response.choices),
        "said": thought + text if calls else text,
        "thought": "" if calls else thought,
        "signed": sum(bool(part.signature) for part in thoughts),
        "calls": [(part.name, json.loads(part.arguments or "{}")) for part in calls],
        "ids": len({part.id for part in calls}),
        "finish": choice.finish,
        "input": usage.input,
        "output": usage.output,
        "cached": usage.cached,
        "cache_write": usage.cache_write,
        "cache_write_long": usage.cache_write_long,
        "reasoning": usage.reasoning,
        "model": response.model,
    }


def ends(response: ChatResponse, dialect: str) -> bool:
    """Whether a dialect knows how this answer ended."""
    known = FINISHES.get(dialect)
    return known is None or response.choices[0].finish in known


def changed(
    before: Facts, after: Facts, *dialects: str, stream: bool = False
) -> dict[str, tuple[Any, Any]]:
    """The facts that changed, but for those that one of these dialects cannot hold."""
    table = STREAM_CANNOT if stream else CANNOT
    lost = {name for dialect in dialects for name in table[dialect]}
    return {
        name: (was, after[name])
        for name, was in before.items()
        if was != after[name] and name not in lost
    }
