"""How much a model is to think, in either of the two ways to say it."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_calls import HI, NEWER, TOOL, asking, write
from anthropic_vendor import VendorRequests

from federation.domain.catalogue import Ability
from federation.schema.chat import (
    Message,
    Reasoning,
    Sampling,
    ToolChoice,
)
from federation.schema.parts import (
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


@pytest.mark.parametrize(
    ("wish", "row", "thinking", "effort", "losses"),
    [
        (None, {}, None, None, ()),
        (Reasoning("low"), {}, {"type": "enabled", "budget_tokens": 2048}, None, ()),
        (Reasoning("max"), {}, {"type": "enabled", "budget_tokens": 62_976}, None, ()),
        (Reasoning(budget=5000), {}, {"type": "enabled", "budget_tokens": 5000}, None, ()),
        (Reasoning(budget=10), {}, {"type": "enabled", "budget_tokens": 1024}, None, ()),
        (Reasoning(enabled=True), {}, {"type": "enabled", "budget_tokens": 16_384}, None, ()),
        (Reasoning("none"), {}, None, None, ()),
        (
            Reasoning("high"),
            {"quirks": NEWER},
            {"type": "adaptive", "display": "summarized"},
            "high",
            (),
        ),
        (
            Reasoning("minimal"),
            {"quirks": {**NEWER, "effort_levels": ["low", "high"]}},
            {"type": "adaptive", "display": "summarized"},
            "low",
            (),
        ),
        (
            Reasoning("xhigh"),
            {"quirks": {**NEWER, "effort_levels": ["low", "high", "max"]}},
            {"type": "adaptive", "display": "summarized"},
            "high",
            (),
        ),
        (
            Reasoning(budget=5000),
            {"quirks": NEWER},
            {"type": "adaptive", "display": "summarized"},
            "medium",
            ("reasoning_budget",),
        ),
        (
            Reasoning("high", summary="auto"),
            {"quirks": NEWER},
            {"type": "adaptive", "display": "summarized"},
            "high",
            (),
        ),
        (
            Reasoning("high", show=False),
            {"quirks": NEWER},
            {"type": "adaptive", "display": "omitted"},
            "high",
            (),
        ),
        (Reasoning(enabled=False), {"quirks": NEWER}, {"type": "disabled"}, None, ()),
        (
            Reasoning("none"),
            {"quirks": {**NEWER, "thinking_always_on": True}},
            None,
            "low",
            ("reasoning_off",),
        ),
        (
            Reasoning("none"),
            {"quirks": {**NEWER, "thinking_always_on": True, "effort_none_value": "between_tools"}},
            {"type": "between_tools"},
            None,
            (),
        ),
        (Reasoning("high"), {"abilities": frozenset((Ability.TOOLS,))}, None, None, ("reasoning",)),
    ],
)
def test_thinking_is_asked_for_in_the_models_own_way(
    wish: Reasoning | None,
    row: dict[str, Any],
    thinking: Any,
    effort: str | None,
    losses: tuple[str, ...],
    vendor: VendorRequests,
) -> None:
    body, lost = write(asking(reasoning=wish), **row)
    vendor.check(body)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort
    assert lost == losses


@pytest.mark.parametrize(
    ("limit", "budget"),
    [(20_000, 16_384), (16_384, 15_360), (2048, 1536), (1400, 1050), (1024, None)],
)
def test_a_budget_stays_below_the_limit_which_stays_what_it_was(
    limit: int, budget: int | None
) -> None:
    body, losses = write(asking(reasoning=Reasoning("high"), max_output=limit))
    assert body["max_tokens"] == limit
    assert body.get("thinking", {}).get("budget_tokens") == budget
    assert losses == (() if budget else ("reasoning",))


def test_no_sampling_beside_thinking() -> None:
    sampling = Sampling(temperature=0.2, top_k=5, top_p=0.5)
    body, losses = write(asking(reasoning=Reasoning("low"), sampling=sampling))
    assert not {"temperature", "top_k", "top_p"} & set(body)
    assert losses == ("temperature", "top_p", "top_k")
    body, losses = write(asking(reasoning=Reasoning("low"), sampling=Sampling(top_p=0.97)))
    assert (body["top_p"], losses) == (0.97, ())


@pytest.mark.parametrize("row", [{}, {"quirks": {"reasoning_control": "adaptive"}}])
def test_a_forced_tool_wins_over_thinking(row: dict[str, Any]) -> None:
    body, losses = write(
        asking(reasoning=Reasoning("high"), tools=(TOOL,), tool_choice=ToolChoice("required")),
        **row,
    )
    assert body.get("thinking", {"type": "disabled"}) == {"type": "disabled"}
    assert losses == ("reasoning",)


def test_an_answer_that_the_caller_began_wins_over_thinking() -> None:
    begun = Message("assistant", (Text("The"),))
    body, losses = write(asking(HI, begun, reasoning=Reasoning("high")))
    assert "thinking" not in body
    assert losses == ("reasoning",)


def test_a_turn_that_was_cut_off_while_thinking_loses_its_thoughts() -> None:
    cut = Message("assistant", (Text("x"), Thinking("hm", "s")))
    only = Message("assistant", (Thinking("hm", "s"),))
    body, losses = write(asking(HI, cut, HI, only, HI))
    assert [turn["content"] for turn in body["messages"]] == [
        "Hi",
        "x",
        [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Hi"}],
    ]
    assert losses == ("thinking_history",)


def test_results_stand_first_in_their_turn() -> None:
    body, _ = write(asking(HI, Message("assistant", (CALL,)), HI, RESULT))
    kinds = [block["type"] for block in body["messages"][2]["content"]]
    assert kinds == ["tool_result", "text"]


CALL = ToolCall("a", "look", "{}")
RESULT = Message("tool", (ToolResult("a", (Text("x"),)),))


@pytest.mark.parametrize(
    ("history", "thinks"),
    [
        ((HI,), True),
        ((HI, Message("assistant", (Text("x"),)), HI), True),
        ((HI, Message("assistant", (CALL,)), RESULT), False),
        ((HI, Message("assistant", (Thinking("hm"), CALL)), RESULT), False),
        ((HI, Message("assistant", (Thinking("hm", "s"), CALL)), RESULT), True),
        ((HI, Message("assistant", (Thinking(sealed="s"), CALL)), RESULT), True),
        (
            (
                HI,
                Message("assistant", (Thinking("hm", "s"), CALL)),
                RESULT,
                Message("assistant", (CALL,)),
                RESULT,
            ),
            True,
        ),
        ((HI, Message("assistant", (CALL,)), RESULT, HI), False),
        ((HI, Message("assistant", (CALL,)), RESULT, Message("assistant", (Text("x"),)), HI), True),
    ],
)
def test_a_turn_of_calls_without_its_thinking_is_answered_without_thinking(
    history: tuple[Message, ...], thinks: bool
) -> None:
    body, losses = write(asking(*history, reasoning=Reasoning("low"), tools=(TOOL,)))
    assert ("thinking" in body) == thinks
    assert ("thinking_state" in losses) == (not thinks)
    adaptive, losses = write(
        asking(*history, reasoning=Reasoning("low"), tools=(TOOL,)), quirks=NEWER
    )
    assert adaptive["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert "thinking_state" not in losses
