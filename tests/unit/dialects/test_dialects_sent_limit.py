"""The limit of output is read off what is sent, in each language."""

from __future__ import annotations

import json

import pytest
from native_dialects import make_upstream

from federation.dialects.sent_limit import sent_limit
from federation.dialects.table import UPSTREAMS
from federation.domain.routes import Settings
from federation.schema.chat import USER, ChatRequest, Message
from federation.schema.parts import Text

ASKED = ChatRequest(model="acme-large", messages=(Message(USER, (Text("Hi"),)),), dialect="none")


@pytest.mark.parametrize("dialect", UPSTREAMS)
def test_what_operators_give_calls_without_a_limit_is_found_in_every_language(dialect: str) -> None:
    settings = Settings(max_tokens_default=321)
    upstream = make_upstream(UPSTREAMS[dialect], dialect, settings=settings, reasons=False)
    assert sent_limit(upstream.forwards, upstream.encode(ASKED).request.body) == 321


@pytest.mark.parametrize(
    ("language", "body"),
    [
        ("openai", {"options": {"num_predict": 5}}),
        ("openai", {"max_tokens": None}),
        ("openai", {"max_tokens": 0}),
        ("openai", {"max_tokens": 5.5}),
        ("openai", {"max_tokens": 5, "max_completion_tokens": 50}),
        ("gemini", {"generationConfig": None}),
        ("ollama", {"options": {"num_predict": -1}}),
        ("nobody", {"max_tokens": 5}),
    ],
)
def test_no_limit_is_made_out_of_something_else(language: str, body: dict[str, object]) -> None:
    assert sent_limit(language, json.dumps(body).encode()) is None
    assert sent_limit(language, b"no JSON") is None
