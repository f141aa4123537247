"""The words that a classifier gets to see."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from federation.dialects.openai.glance import glance
from federation.dialects.openai.prompt import prompt_text
from federation.schema.http import ClientRequest

LONG = "Write a function that sorts a list of numbers by their last digit, please, in Rust."


@pytest.fixture
def words(make_request: Callable[..., ClientRequest]) -> Callable[..., str]:
    """The prompt text of a conversation given as (role, content) pairs."""

    def read(*pairs: tuple[str, Any], limit: int = 8192) -> str:
        messages = [{"role": role, "content": content} for role, content in pairs]
        body = json.dumps({"messages": messages}).encode()
        return prompt_text(body, glance(make_request(body)), limit)

    return read


Words = Callable[..., str]


def test_the_last_user_message_comes_first_and_the_setting_after_it(words: Words) -> None:
    text = words(("system", "Be terse."), ("user", "Hi"), ("assistant", "Yes?"), ("user", LONG))
    assert text == f"{LONG}\n\nBe terse."


def test_a_short_last_message_brings_the_one_before_it(words: Words) -> None:
    text = words(("user", LONG), ("assistant", "fn ..."), ("user", "And in Go?"))
    assert text == f"{LONG}\nAnd in Go?"


def test_text_parts_are_joined_and_others_left_out(words: Words) -> None:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
        {"type": "text", "text": "Answer in one word."},
    ]
    assert words(("developer", "Look."), ("user", parts)) == (
        "What is this?\nAnswer in one word.\n\nLook."
    )


def test_without_a_user_the_last_message_counts(words: Words) -> None:
    assert words(("assistant", None)) == ""
    assert words(("system", "x"), ("assistant", "Once upon")) == "Once upon\n\nx"


def test_the_limit_holds(words: Words) -> None:
    assert len(words(("system", "s" * 9000), ("user", "u" * 9000))) == 8192
    text = words(("system", "s" * 900), ("user", "u" * 50), limit=100)
    assert text == "u" * 50 + "\n\n" + "s" * 12
    assert len(words(("user", "a" * 500), ("user", "b" * 10), limit=100)) == 100
