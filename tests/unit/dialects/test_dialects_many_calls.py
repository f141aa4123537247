"""Conversations of thousands of calls and results: each is looked at a few times, not each for
each. A client could hold a worker for seconds with a body of some hundred kilobytes."""

from __future__ import annotations

from typing import Any

import pytest
from cross_world import WIRES
from msgspec import structs

from federation.dialects.anthropic import turns
from federation.dialects.gemini.parse import _Calls
from federation.dialects.losses import Losses
from federation.dialects.openai.arrange import arrange
from federation.dialects.openai.row import Row
from federation.schema.chat import ASSISTANT, TOOL, USER, ChatRequest, Message
from federation.schema.parts import Text, ToolCall, ToolResult

COUNT = 400


def result(call_id: str, text: str = "r") -> ToolResult:
    return ToolResult(call_id, (Text(text),), name=call_id)


def calls(*ids: str) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(each, "f", "{}") for each in ids)


def test_results_that_come_one_by_one_are_joined_without_counting_them_all_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    is_result = turns._is_result

    def looking(block: Any) -> bool:
        nonlocal looks
        looks += 1
        return is_result(block)

    monkeypatch.setattr(turns, "_is_result", looking)
    ids = [f"c{n}" for n in range(COUNT)]
    request = ChatRequest(
        "openai",
        "m",
        (
            Message(USER, (Text("Hello"),)),
            Message(ASSISTANT, calls(*ids)),
            *(Message(TOOL, (result(each),)) for each in ids),
            Message(USER, (Text("And?"),)),
        ),
    )
    WIRES["anthropic"].upstream.encode(request)
    assert looks < 4 * COUNT


def test_each_result_follows_its_call_and_those_of_none_come_last() -> None:
    given = (
        Message(ASSISTANT, (Text("a"), *calls("c1", "c2", "c3"))),
        Message(TOOL, (result("c3"), result("odd"), result("c1"))),
        Message(TOOL, (result("c1", "again"),)),
    )
    arranged = arrange(given, Row(results_apart=True), Losses({}))
    assert [
        "".join(part.id if isinstance(part, ToolCall) else "" for part in message.parts)
        if message.role == ASSISTANT
        else f"<{message.parts[0].call_id}"  # type: ignore[union-attr]
        for message in arranged
    ] == ["c1", "<c1", "<c1", "c2", "c3", "<c3", "<odd"]


def test_neighbors_of_one_role_are_joined() -> None:
    said = [Message(USER, (Text(word),)) for word in "ab"]
    told = [Message(ASSISTANT, (Text(word),)) for word in "cd"]
    joined = arrange((*said, *told, said[0]), Row(alternate=True), Losses({}))
    texts = [[part.text for part in each.parts if isinstance(part, Text)] for each in joined]
    assert texts == [["a", "b"], ["c", "\n\n", "d"], ["a"]]
    assert joined[-1] is said[0]


def test_a_result_without_an_id_answers_the_first_call_of_its_name() -> None:
    open_calls = _Calls()
    for call in calls("call_0_0", "call_0_1"):
        open_calls.opened(call)
    open_calls.opened(ToolCall("call_0_2", "g", "{}"))
    unnamed = structs.replace(result(""), name="f")
    assert open_calls.answered(result("call_0_0"), "x").call_id == "call_0_0"
    assert open_calls.answered(unnamed, "x").call_id == "call_0_1"
    assert open_calls.answered(unnamed, "x").call_id == "x"
    assert open_calls.answered(structs.replace(unnamed, name="g"), "x").call_id == "call_0_2"
