"""A mended answer in every client's language: the model that goes on, and the mark at the end."""

from __future__ import annotations

import pytest

from federation.dialects.table import CLIENTS
from federation.schema.chat import ChatRequest, Message
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    PartBegun,
    PartEnded,
    Resumed,
    UsageSeen,
)
from federation.schema.parts import Text
from federation.schema.usage import Usage

BEFORE: list[Chunk] = [Begun("r1", "first-model"), PartBegun(0, 0, Text("")), Delta(0, 0, "one ")]
AFTER: list[Chunk] = [
    Resumed("second-model"),
    Delta(0, 0, "two"),
    PartEnded(0, 0),
    Finished(0, "stop"),
    UsageSeen(Usage(input=3, output=2)),
]


def request(dialect: str) -> ChatRequest:
    return ChatRequest(dialect, "chat", (Message("user", (Text("Count."),)),), stream=True)


@pytest.mark.parametrize("dialect", sorted(CLIENTS))
def test_the_end_of_a_mended_answer_says_so_and_names_the_model(dialect: str) -> None:
    renderer = CLIENTS[dialect].renderer(request(dialect))
    before = renderer.render(list(BEFORE))
    after = renderer.render(list(AFTER)) + renderer.close()
    assert b"mended" not in before
    assert after.count(b'"federation":{"mended":true,"model":"second-model"}') == 1
    assert b"first-model" not in after


@pytest.mark.parametrize("dialect", sorted(CLIENTS))
def test_an_answer_that_was_not_mended_says_nothing(dialect: str) -> None:
    renderer = CLIENTS[dialect].renderer(request(dialect))
    whole = renderer.render(BEFORE + AFTER[1:]) + renderer.close()
    assert b"mended" not in whole
