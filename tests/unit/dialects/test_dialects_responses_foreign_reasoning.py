"""Reasoning that came from this dialect goes back as it came, through clients of another."""

from __future__ import annotations

import json
from typing import Any

from responses_world import check_request, upstream

from federation.schema.chat import ChatRequest, Message, Reasoning
from federation.schema.parts import Text, Thinking


def sent(*parts: Any, **changes: Any) -> dict[str, Any]:
    messages = (Message("user", (Text("Hi"),)), Message("assistant", parts))
    request = ChatRequest("anthropic", "m", (*messages, Message("user", (Text("?"),))), **changes)
    body: dict[str, Any] = json.loads(upstream().encode(request).request.body)
    check_request(body)
    return body


def test_sealed_reasoning_has_its_text_as_the_summary_that_it_was() -> None:
    body = sent(Thinking("I think.", sealed="c2VhbGVk", id="rs_1"), Text("Yes."))
    assert body["input"][1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "I think."}],
        "encrypted_content": "c2VhbGVk",
    }


def test_who_switches_reasoning_on_is_shown_it() -> None:
    assert sent(Text("a"), reasoning=Reasoning(enabled=True))["reasoning"] == {"summary": "auto"}
    hidden = Reasoning("low", enabled=True, show=False)
    assert sent(Text("a"), reasoning=hidden)["reasoning"] == {"effort": "low"}
