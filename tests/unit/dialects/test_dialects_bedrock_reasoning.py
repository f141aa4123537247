"""Reasoning in requests to Converse: how it is asked for, and how it goes back.

Every body is judged by the official client's model, validator and serializer.
"""

from __future__ import annotations

from typing import Any

import pytest
from bedrock_world import CALL, HELLO, RESULT, WEATHER, ask, sent, user

from federation.schema.chat import (
    Message,
    Reasoning,
    Sampling,
    ToolChoice,
)
from federation.schema.parts import (
    Part,
    Text,
    Thinking,
)


def reasoned(wish: Reasoning, quirks: dict[str, object], **fields: Any) -> tuple[Any, Any, Any]:
    """The maker's own fields, the effort, and the losses."""
    body, losses = sent(ask(reasoning=wish, **fields), quirks=quirks)
    output = body.get("outputConfig", {})
    return body.get("additionalModelRequestFields"), output.get("effort"), losses


BUDGET: dict[str, object] = {"reasoning_control": "budget"}
ADAPTIVE: dict[str, object] = {"reasoning_control": "adaptive"}
EFFORT: dict[str, object] = {"reasoning_control": "effort"}


@pytest.mark.parametrize(
    ("wish", "quirks", "extra", "effort", "losses"),
    [
        (Reasoning(budget=5000), BUDGET,
         {"thinking": {"type": "enabled", "budget_tokens": 5000}}, None, ()),
        (Reasoning(budget=10), BUDGET,
         {"thinking": {"type": "enabled", "budget_tokens": 1024}}, None, ()),
        (Reasoning(effort="high"), {"reasoning_control": "thinking"},
         {"thinking": {"type": "enabled", "budget_tokens": 16384}}, None, ()),
        (Reasoning(enabled=False), BUDGET, {"thinking": {"type": "disabled"}}, None, ()),
        (Reasoning(effort="minimal"), ADAPTIVE, {"thinking": {"type": "adaptive"}}, "low", ()),
        (Reasoning(budget=9000), ADAPTIVE, {"thinking": {"type": "adaptive"}}, "high", ()),
        (Reasoning(effort="max", summary="auto"), ADAPTIVE,
         {"thinking": {"type": "adaptive", "display": "summarized"}}, "max", ()),
        (Reasoning(effort="none"), {**ADAPTIVE, "thinking_always_on": True}, None, None,
         ("reasoning_off",)),
        (Reasoning(effort="low"), EFFORT, {"reasoning_effort": "low"}, None, ()),
        (Reasoning(effort="none"), {**EFFORT, "effort_none_value": "off"},
         {"reasoning_effort": "off"}, None, ()),
        (Reasoning(effort="none"), {**EFFORT, "effort_none": False}, None, None,
         ("reasoning_off",)),
        (Reasoning(effort="medium"), {**EFFORT, "effort_levels": ["low", "high", "max"]},
         {"reasoning_effort": "high"}, None, ()),
        (Reasoning(effort="xhigh"), {**EFFORT, "effort_rename": {"xhigh": "max"}},
         {"reasoning_effort": "max"}, None, ()),
        (Reasoning(effort="xhigh"), {"reasoning_control": "reasoning_object"},
         {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, None, ()),
        (Reasoning(enabled=False), {"reasoning_control": "reasoning_object"},
         {"reasoningConfig": {"type": "disabled"}}, None, ()),
        (Reasoning(enabled=True), {"reasoning_control": "enable_thinking"},
         {"enable_thinking": True}, None, ()),
        (Reasoning(effort="none"), {"reasoning_control": "chat_template_kwargs"},
         {"chat_template_kwargs": {"enable_thinking": False}}, None, ()),
        (Reasoning(effort="high"), {}, None, None, ("reasoning_effort",)),
        (Reasoning(budget=2000), {}, None, None, ("reasoning_budget",)),
        (Reasoning(enabled=True), {}, None, None, ("reasoning",)),
        (Reasoning(effort="none"), {}, None, None, ()),
        (Reasoning(effort="low", summary="auto"), EFFORT, {"reasoning_effort": "low"}, None,
         ("reasoning_summary",)),
    ],
)  # fmt: skip
def test_reasoning_is_asked_for_as_the_row_says(
    wish: Reasoning, quirks: dict[str, object], extra: Any, effort: Any, losses: Any
) -> None:
    assert reasoned(wish, quirks) == (extra, effort, losses)


def test_a_budget_stays_below_the_answers_limit() -> None:
    extra, _, losses = reasoned(Reasoning(budget=9000), BUDGET, max_output=4000)
    assert extra["thinking"]["budget_tokens"] == 2000
    assert losses == ()
    assert reasoned(Reasoning(budget=9000), BUDGET, max_output=1000) == (
        None, None, ("reasoning",),
    )  # fmt: skip


def test_thinking_takes_no_sampling_and_no_forced_tool() -> None:
    body, losses = sent(
        ask(reasoning=Reasoning(budget=2000), sampling=Sampling(temperature=0.2, top_k=4)),
        quirks={**BUDGET, "extra_fields": {"top_k": "top_k"}},
    )
    assert "inferenceConfig" not in body
    assert losses == ("temperature", "top_k")
    body, losses = sent(
        ask(reasoning=Reasoning(budget=2000), tools=(WEATHER,), tool_choice=ToolChoice("required")),
        quirks=BUDGET,
    )
    assert "additionalModelRequestFields" not in body
    assert losses == ("reasoning",)


def test_thinking_is_off_for_a_tool_loop_that_lacks_its_reasoning() -> None:
    wish = Reasoning(budget=2000)
    body, losses = sent(ask(HELLO, CALL, RESULT, tools=(WEATHER,), reasoning=wish), quirks=BUDGET)
    assert "additionalModelRequestFields" not in body
    assert losses == ("reasoning",)
    thought = Message("assistant", (Thinking("Hm.", signature="c2ln"), *CALL.parts))
    body, losses = sent(
        ask(HELLO, thought, RESULT, tools=(WEATHER,), reasoning=wish), quirks=BUDGET
    )
    assert "thinking" in body["additionalModelRequestFields"]
    assert losses == ()


def answer_with(part: Part) -> Message:
    return Message("assistant", (part, Text("So.")))


def test_reasoning_goes_back_with_its_state_only() -> None:
    signed = answer_with(Thinking("Hm.", signature="c2ln"))
    sealed = answer_with(Thinking(sealed="aGk="))
    bare = answer_with(Thinking("Hm."))
    other = answer_with(Thinking(sealed="not base64!"))
    again = user(Text("And?"))
    body, losses = sent(ask(HELLO, signed, again, sealed, again, bare, again, other, again))
    assert [len(turn["content"]) for turn in body["messages"]] == [1, 2, 1, 2, 1, 1, 1, 1, 1]
    assert body["messages"][1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}
    }
    assert body["messages"][3]["content"][0] == {"reasoningContent": {"redactedContent": "aGk="}}
    assert losses == ("thinking_history", "thinking_state")


@pytest.mark.parametrize(("replay", "kept"), [("always", 2), ("tool_turns", 1), ("signed", 0)])
def test_a_row_says_which_bare_reasoning_is_sent(replay: str, kept: int) -> None:
    body, _ = sent(
        ask(
            HELLO,
            answer_with(Thinking("Hm.")),
            user(Text("And?")),
            Message("assistant", (Thinking("Tool."), *CALL.parts)),
            RESULT,
            tools=(WEATHER,),
        ),
        quirks={"reasoning_replay": replay},
    )
    blocks = [block for turn in body["messages"] for block in turn["content"]]
    assert sum("reasoningContent" in block for block in blocks) == kept
