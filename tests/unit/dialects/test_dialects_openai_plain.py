"""Plain calls and answers, read for their words alone: the same words as the long way reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from federation.dialects.openai.answers import read_answer
from federation.dialects.openai.client import CLIENT
from federation.dialects.openai.decode import decode
from federation.dialects.openai.plain import words_of_answer, words_of_call
from federation.dialects.openai.wire import Wire
from federation.guardrails.chat import texts_of
from federation.schema.http import ClientRequest
from federation.schema.parts import Text
from federation.schema.words import Words

MakeWire = Callable[..., Wire]
TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": 'Say "hi"\n\u00e9 \U0001f600'},
    {"role": "assistant", "content": ""},
    {"role": "developer", "content": "Now."},
]


def asked(body: bytes) -> Words | None:
    request = ClientRequest("POST", "/v1/chat/completions", "", {}, body)
    return words_of_call(request, CLIENT.glance(request))


def call(**members: Any) -> bytes:
    return json.dumps({"model": "m", "messages": TALK, **members}).encode()


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(
    "members",
    [
        {},
        {"temperature": 0.5, "n": 2, "seed": 4, "stop": ["x"], "logprobs": True},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"federation": {"tags": {"a": "b"}}},
    ],
)
def test_the_words_of_a_plain_call_are_those_of_its_canonical_form(
    members: dict[str, Any], ascii_only: bool
) -> None:
    body = json.dumps({"messages": TALK, **members}, ensure_ascii=ascii_only).encode()
    request = ClientRequest("POST", "/v1/chat/completions", "", {}, body)
    glance = CLIENT.glance(request)
    words = words_of_call(request, glance)
    assert words is not None
    canonical = CLIENT.parse(request, glance)
    said = [text for text in (*words.texts, *words.beside) if text]
    assert said == [text for text, _ in texts_of(canonical)]
    assert words.places == [0, 1, 2, 3]
    assert words.speakers == ["system", "user", "assistant", "developer"]


def test_a_users_name_stands_beside_the_conversation() -> None:
    words = asked(call(user="jane"))
    assert words is not None
    assert words.beside == ["jane"]


@pytest.mark.parametrize("stop", ["me", ["me"]])
def test_stop_texts_and_keys_of_caches_stand_beside_it_too(stop: Any) -> None:
    words = asked(call(stop=stop, prompt_cache_key="her"))
    assert words is not None
    assert words.beside == ["me", "her"]


@pytest.mark.parametrize(
    "members",
    [
        {"metadata": {"a": "b"}},
        {"safety_identifier": "x"},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"top_k": 4},
        {"seed": 411111111111},
        {"temperature": 4.1e22},
        {"unheard": "of"},
        {"reasoning_effort": "low"},
        {"response_format": {"type": "json_object"}},
        {"stream": True, "stream_options": {"include_usage": True, "x": "y"}},
        {"user": 'a "name"'},
        {"stop": "é"},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
        {"messages": [{"role": "user", "content": "a", "name": "bob"}]},
        {"messages": [{"role": "assistant", "content": None, "refusal": "no"}]},
        {"messages": [{"role": "tool", "content": "a", "tool_call_id": "c"}]},
    ],
)
def test_a_call_that_may_say_more_is_not_plain(members: dict[str, Any]) -> None:
    assert asked(call(**members)) is None


def answer(
    *messages: dict[str, Any], choice: dict[str, Any] | None = None, **members: Any
) -> bytes:
    choices = [
        {"index": index, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        | (choice or {})
        for index, message in enumerate(messages)
    ]
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    top = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    return json.dumps({**top, "choices": choices, **members}).encode()


@pytest.mark.parametrize(
    "body",
    [
        answer({"content": "Hello."}),
        answer({"content": "Hello."}, {"content": "Bye."}),
        answer({"content": None}),
        answer({"content": ""}, choice={"logprobs": None, "finish_reason": "length"}),
        answer({"content": "é", "refusal": None, "annotations": [], "tool_calls": None}),
        answer({"content": "a", "tool_calls": []}, service_tier="default", system_fingerprint="f"),
        answer({"content": "a"}, usage=None),
        answer({"content": "a"}, choice={"index": 3}),
    ],
)
def test_the_words_of_a_plain_answer_are_all_that_the_long_way_reads(
    make_wire: MakeWire, body: bytes
) -> None:
    wire = make_wire()
    words, whole, seen = words_of_answer(wire, body), decode(wire, body), read_answer(wire, body)
    assert words is not None
    said = [(choice.index, part) for choice in whole.choices for part in choice.parts]
    assert said == [(at, Text(text)) for at, text in zip(words.places, words.texts, strict=True)]
    assert not any(choice.extra or choice.logprobs for choice in whole.choices)
    assert (seen.model, seen.finish, seen.usage) == (
        whole.model,
        whole.choices[0].finish,
        whole.usage,
    )


@pytest.mark.parametrize(
    "body",
    [
        answer(),
        answer({"content": [{"type": "text", "text": "a"}]}),
        answer({"content": "a", "refusal": "no"}),
        answer({"content": "a", "reasoning_content": "hm"}),
        answer({"content": "a", "annotations": [{"type": "url_citation"}]}),
        answer({"content": "a", "unheard": "of"}),
        answer({"content": "a"}, choice={"finish_reason": "content_filter"}),
        answer({"content": "a"}, choice={"finish_reason": None}),
        answer({"content": "a"}, choice={"logprobs": {"content": []}}),
        answer({"content": "a"}, choice={"unheard": "of"}),
        answer({"content": "a"}, error={"message": "no"}),
        answer({"content": "a"}, model=5),
        answer({"content": "a"}, x_groq={"usage": {}}),
        answer({"content": "a"}, usage={"jane@example.org": 1}),
        answer({"content": "a"}, usage={"prompt_tokens_details": {"jane@example.org": 1}}),
        answer({"content": "a"}).replace(b'"m"', b'"\xff"'),
        b"\xef\xbb\xbf" + answer({"content": "a"}),
        b"no JSON",
    ],
)
def test_an_answer_that_may_say_more_is_not_plain(make_wire: MakeWire, body: bytes) -> None:
    assert words_of_answer(make_wire(), body) is None


def test_thoughts_in_tags_are_read_the_long_way(make_wire: MakeWire) -> None:
    wire = make_wire(quirks={"reasoning_field": "think_tags"})
    assert words_of_answer(wire, answer({"content": "<think>a</think>b"})) is None
