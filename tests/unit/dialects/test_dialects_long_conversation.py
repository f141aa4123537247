"""A conversation of 100,000 tokens with 200 calls of tools loses nothing in any pair of languages.

How long that takes is measured by `make bench-translation`, not here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from long_conversation import CALLS, DIALECTS, PAIRS, TOKENS, conversation, upstream, written

from federation.dialects.table import CLIENTS
from federation.schema.chat import ASSISTANT, SYSTEM, ChatRequest
from federation.schema.http import ClientRequest
from federation.schema.parts import Text, Thinking, ToolCall, ToolResult


@cache
def read(dialect: str) -> ChatRequest:
    """The conversation as a client of a dialect wrote it."""
    asked, glance = written(dialect, conversation())
    return CLIENTS[dialect].parse(asked, glance)


def facts(request: ChatRequest) -> list[tuple[Any, ...]]:
    """What was said, in order, without the words of one language."""
    return [fact for message in request.messages for fact in _facts(message.role, message.parts)]


def _facts(role: str, parts: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    for part in parts:
        match part:
            case Text() | Thinking():  # what is said beside a call is a plan in one of them
                yield role, part.text
            case ToolCall():
                yield "call", part.id, part.name, json.loads(part.arguments)
            case ToolResult():
                yield (
                    "result",
                    part.call_id,
                    "".join(one.text for one in part.parts if isinstance(one, Text)),
                )


def test_the_conversation_is_as_long_as_it_says() -> None:
    request = conversation()
    said = facts(request)
    assert sum(fact[0] == "call" for fact in said) == CALLS == 200
    assert sum(fact[0] == "result" for fact in said) == CALLS
    assert TOKENS <= sum(len(str(fact)) for fact in said) / 4 <= 1.2 * TOKENS
    assert request.messages[0].role == SYSTEM
    assert len({fact[1] for fact in said if fact[0] == "call"}) == CALLS


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_says_all_of_it_in_its_own_words(dialect: str) -> None:
    assert facts(read(dialect)) == facts(conversation())


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_all_of_it_reaches_a_provider_of_another_language(client: str, provider: str) -> None:
    encoded = upstream(provider).encode(read(client))
    assert encoded.losses == ()
    sent = encoded.request
    call = ClientRequest("POST", sent.target.partition("?")[0], "", {}, sent.body)
    face = CLIENTS[provider]
    taken = face.parse(call, face.glance(call))
    assert facts(taken) == facts(conversation())
    assert [tool.name for tool in taken.tools] == [tool.name for tool in conversation().tools]
    assert taken.max_output == 4096
    assert sum(message.role == ASSISTANT for message in taken.messages) == CALLS // 2
