"""A long conversation with tools, in the words of each dialect: about 100,000 tokens, 200 calls.

What agents send: every turn the model says a little and calls two tools, whose results are
long. Texts are made by a seeded generator, so that every run translates the same bytes.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec
from msgspec import Raw, structs

from federation.dialects.faces import Upstream
from federation.dialects.table import CLIENTS, UPSTREAMS
from federation.domain.catalogue import Ability, Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.schema.chat import ASSISTANT, SYSTEM, TOOL, USER, ChatRequest, Message, Tool
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Text, ToolCall, ToolResult

DIALECTS: Final = ("openai", "openai_responses", "anthropic", "gemini", "bedrock", "cohere")
PAIRS: Final = tuple((one, other) for one in DIALECTS for other in DIALECTS if one != other)
TOKENS: Final = 100_000
CALLS: Final = 200
CHARACTERS_PER_TOKEN: Final = 4
_ADDRESSES: Final = {
    "bedrock": "https://bedrock-runtime.eu-west-1.amazonaws.com",
    "gemini": "https://acme.test/v1beta",
}
_WORDS: Final = (
    "the", "file", "has", "no", "line", "that", "ends", "here,", "and", '"quoted"', "text",
    "stands", "between\n\ttabs;", "größer", "als", "before:", "def", "read(path:", "str)", "->",
    "bytes:", "return", "open(path).read()", "#", "東京",
)  # fmt: skip


def upstream(dialect: str) -> Upstream:
    """A deployment that takes all of it."""
    address = _ADDRESSES.get(dialect, "https://acme.test/v1")
    provider = Provider("acme", "Acme", Tier.FRONTIER, dialect, address)
    model = Model("acme-large", abilities=frozenset(Ability))
    deployment = Deployment("acme/acme-large", provider, model, usable=True)
    return UPSTREAMS[dialect](
        deployment, Settings(), headers=(), query="", secret="key", private=True
    )


def conversation(calls: int = CALLS, tokens: int = TOKENS) -> ChatRequest:
    """The call in the canonical form. The last turn is the user's."""
    rng = Random(7)
    room = tokens * CHARACTERS_PER_TOKEN // calls
    tools = tuple(_tool(number) for number in range(12))
    messages = [Message(SYSTEM, (Text(_text(rng, 4000)),)), Message(USER, (Text("Begin."),))]
    for number in range(0, calls, 2):
        pair = (number, number + 1)
        asked = tuple(_call(at, tools[at % len(tools)].name, rng) for at in pair)
        results = tuple(
            ToolResult(f"call_{at:04}", (Text(_text(rng, room - 150)),), asked[at % 2].name)
            for at in pair
        )
        messages.append(Message(ASSISTANT, (Text(_text(rng, 120)), *asked)))
        messages.append(Message(TOOL, results))
    messages.append(Message(USER, (Text("Go on."),)))
    return ChatRequest("bench", "chat", tuple(messages), tools=tools, max_output=4096)


def written(dialect: str, request: ChatRequest) -> tuple[ClientRequest, Glance]:
    """The call as a client of a dialect sends it, glanced at."""
    sent = upstream(dialect).encode(structs.replace(request, dialect=dialect)).request
    path = sent.target.partition("?")[0]
    asked = ClientRequest("POST", path, "", {}, sent.body)
    return asked, CLIENTS[dialect].glance(asked)


def _tool(number: int) -> Tool:
    schema = {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where it is."},
            "lines": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["path"],
    }
    return Tool(f"tool_{number}", "Does one thing.", Raw(msgspec.json.encode(schema)))


def _call(at: int, name: str, rng: Random) -> ToolCall:
    arguments = {"path": f"src/{_text(rng, 20)}", "lines": [at, at + 40]}
    return ToolCall(f"call_{at:04}", name, msgspec.json.encode(arguments).decode())


def _text(rng: Random, characters: int) -> str:
    words: list[str] = []
    length = 0
    while length < characters:
        word = rng.choice(_WORDS)
        words.append(word)
        length += len(word) + 1
    return " ".join(words)
