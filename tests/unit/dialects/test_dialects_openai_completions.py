"""The legacy completions face: one prompt in, text out, whatever stands behind it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from json_mutations import mutated
from loopback_face import Told, serving, told
from msgspec import Raw
from openai import AsyncOpenAI, OpenAI
from openai.types import Completion

from federation.dialects.openai_completions.client import CLIENT
from federation.errors import CallerError, InvalidRequest, UpstreamFailed
from federation.schema.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    TokenLogprob,
    TopToken,
)
from federation.schema.chunks import (
    Begun,
    Chunk,
    Delta,
    Finished,
    Logprobs,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest
from federation.schema.parts import Text, Thinking
from federation.schema.usage import Usage

TOKENS = (
    TokenLogprob("Li", -0.5, None, (TopToken("Li", -0.5), TopToken("Qu", -2.0))),
    TokenLogprob("ma", -0.1),
)
ANSWER = ChatResponse(
    "gemini",
    "r-1",
    "acme-large",
    (Choice(0, (Thinking("Hm"), Text("Lima")), "length", logprobs=TOKENS),),
    created=1_790_000_000,
    usage=Usage(9, 3, cached=4),
)
STREAM: list[list[Chunk]] = [
    [Begun("r-1", "acme-large", 1_790_000_000), PartBegun(0, 0, Thinking()), Delta(0, 0, "Hm")],
    [PartEnded(0, 0), PartBegun(0, 1, Text("")), Delta(0, 1, "Li"), Logprobs(0, TOKENS[:1])],
    [Delta(0, 1, "ma"), Logprobs(0, TOKENS[1:]), PartEnded(0, 1), Finished(0, "stop")],
    [UsageSeen(Usage(9, 3))],
]


def request(**body: Any) -> ClientRequest:
    data = json.dumps({"model": "chat", "prompt": "The capital of Peru is", **body}).encode()
    return ClientRequest("POST", "/v1/completions", "", {}, data)


def look(**body: Any) -> Glance:
    return CLIENT.glance(request(**body))


def parse(**body: Any) -> ChatRequest:
    return CLIENT.parse(request(**body), look(**body))


@pytest.mark.parametrize("prompt", ["Hello", ["Hello"]])
def test_a_prompt_is_one_user_message(prompt: Any) -> None:
    seen = look(prompt=prompt, max_tokens=5, stream=True, n=2, user="u", top_k=3, acme=1)
    assert (seen.model, seen.stream, seen.max_output, seen.choices) == ("chat", True, 5, 2)
    assert (seen.messages, seen.text_bytes, seen.user) == (1, 5, "u")
    assert seen.unlisted == ("acme",)
    assert not seen.usage_asked
    assert CLIENT.prompt(request(prompt=prompt), look(prompt=prompt)) == "Hello"
    assert parse(prompt=prompt).messages == (Message("user", (Text("Hello"),)),)


def test_the_fields_are_read() -> None:
    asked = parse(
        temperature=0.5,
        top_p=0.9,
        seed=3,
        stop="x",
        logprobs=2,
        logit_bias={"5": 1},
        frequency_penalty=0.1,
        presence_penalty=0.2,
        best_of=1,
        stream_options={"include_usage": True},
        min_p=0.1,
        suffix=None,
        guided_regex="a",
    )
    sampling = asked.sampling
    assert (sampling.temperature, sampling.top_p, sampling.seed) == (0.5, 0.9, 3)
    assert (sampling.stop, sampling.logprobs, sampling.top_logprobs) == (("x",), True, 2)
    assert (sampling.min_p, sampling.logit_bias) == (0.1, Raw(b'{"5": 1}'))
    assert set(asked.extra) == {"guided_regex"}


def test_governed_fields_are_those_of_the_chat_language() -> None:
    assert look(provider={"order": ["a"]}, models=[]).governed == ("provider",)
    assert look(best_of=2, n=2).governed == ()


REFUSED = [
    ({"prompt": ["a", "b"]}, "prompt", "not_expressible"),
    ({"prompt": [1, 2]}, "prompt", "not_expressible"),
    ({"prompt": [[1, 2]]}, "prompt", "not_expressible"),
    ({"prompt": None}, "prompt", "missing_field"),
    ({"prompt": ""}, "prompt", "invalid_value"),
    ({"prompt": []}, "prompt", "invalid_value"),
    ({"prompt": {}}, "prompt", "invalid_type"),
    ({"suffix": "end"}, "suffix", "not_expressible"),
    ({"best_of": 3}, "best_of", "not_expressible"),
    ({"echo": True, "logprobs": 1}, "logprobs", "not_expressible"),
    ({"logprobs": True}, "logprobs", "invalid_type"),
    ({"max_tokens": "many"}, "max_tokens", "invalid_type"),
]


@pytest.mark.parametrize(("body", "param", "code"), REFUSED)
def test_what_a_chat_cannot_say_is_refused(body: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        look(**body)
    assert (caught.value.param, caught.value.code) == (param, code)


def test_an_answer_is_text_alone() -> None:
    found = Completion.model_validate_json(CLIENT.render(ANSWER, parse(logprobs=2)), strict=True)
    (choice,) = found.choices
    assert (choice.text, choice.finish_reason) == ("Lima", "length")
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["Li", "ma"]
    assert choice.logprobs.text_offset == [0, 2]
    assert choice.logprobs.top_logprobs == [{"Li": -0.5, "Qu": -2.0}, {}]
    assert found.usage is not None
    assert found.usage.prompt_tokens_details is not None
    assert found.usage.prompt_tokens_details.cached_tokens == 4


def test_an_echo_stands_before_the_answer() -> None:
    asked = parse(prompt="Peru: ", echo=True)
    assert json.loads(CLIENT.render(ANSWER, asked))["choices"][0]["text"] == "Peru: Lima"
    renderer = CLIENT.renderer(asked)
    text = b"".join(renderer.render(chunks) for chunks in STREAM).decode()
    assert '"text":"Peru: Li"' in text
    assert text.count("Peru") == 1


def answering(sent: ClientRequest) -> Told:
    try:
        asked = CLIENT.parse(sent, CLIENT.glance(sent))
    except InvalidRequest as error:
        return told(CLIENT.render_error(error, "call-1"))
    if not asked.stream:
        return Told(200, "application/json", [CLIENT.render(ANSWER, asked)])
    renderer = CLIENT.renderer(asked)
    pieces = [*(renderer.render(chunks) for chunks in STREAM), renderer.close()]
    return Told(200, CLIENT.stream_type(sent).decode(), pieces)


def test_the_official_client_reads_answers_and_refusals() -> None:
    with serving(answering) as address:
        client = OpenAI(api_key="sk-test", base_url=f"{address}/v1", max_retries=0)
        with client:
            found = client.completions.create(model="chat", prompt="Hi", logprobs=2)
            assert found.choices[0].text == "Lima"
            with pytest.raises(openai.BadRequestError, match="several prompts"):
                client.completions.create(model="chat", prompt=["a", "b"])


async def test_the_official_client_reads_a_stream() -> None:
    with serving(answering) as address:
        async with AsyncOpenAI(api_key="sk-test", base_url=f"{address}/v1") as client:
            stream = await client.completions.create(
                model="chat",
                prompt="Hi",
                stream=True,
                logprobs=1,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.text for choice in choices) == "Lima"
    assert choices[-1].finish_reason == "stop"
    offsets = [choice.logprobs.text_offset for choice in choices if choice.logprobs]
    assert offsets == [[0], [2]]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 12


def test_a_broken_stream_ends_with_its_error() -> None:
    renderer = CLIENT.renderer(parse())
    renderer.render(STREAM[0])
    assert b"It broke" in renderer.fail(UpstreamFailed("It broke."))
    assert renderer.close() == b""


def test_usage_that_nobody_asked_for_is_withheld() -> None:
    renderer = CLIENT.renderer(parse(stream=True))
    text = b"".join(renderer.render(chunks) for chunks in STREAM) + renderer.close()
    assert b"usage" not in text
    assert text.endswith(b"data: [DONE]\n\n")


FULL = {
    "model": "chat",
    "prompt": ["Hi"],
    "echo": True,
    "stop": ["a"],
    "stream": True,
    "stream_options": {"include_usage": True},
    "logit_bias": {"5": 1},
    "user": "u",
    "federation": {"tags": {"a": "b"}},
}


@settings(deadline=None, max_examples=200)
@given(body=mutated([FULL]))
def test_a_body_out_of_shape_is_read_or_refused(body: Any) -> None:
    sent = ClientRequest("POST", "/", "", {}, json.dumps(body).encode())
    with suppress(CallerError):
        CLIENT.parse(sent, CLIENT.glance(sent))
