"""The official clients ask for vectors, whichever provider answers."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import cohere
import httpx
import ollama
import openai
import pytest
from google import genai
from operations_world import PROVIDERS, Miniature, embedder, loopback, vector_of

TEXTS = ["Hello there", "Grüße, 世界", ""]
Ask = Callable[..., list[list[float]]]


def ask_openai(address: str, **more: Any) -> list[list[float]]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="k", max_retries=0) as client:
        answer = client.embeddings.create(model="route", input=TEXTS, **more)
    assert answer.object == "list"
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0
    return [item.embedding for item in answer.data]


@contextmanager
def cohere_client(address: str) -> Iterator[cohere.ClientV2]:
    with httpx.Client() as transport:
        yield cohere.ClientV2(api_key="k", base_url=address, httpx_client=transport)


def ask_cohere(address: str, **more: Any) -> list[list[float]]:
    dimensions = more.pop("dimensions", None)
    if dimensions:
        more["output_dimension"] = dimensions
    with cohere_client(address) as client:
        answer = client.embed(
            model="route",
            texts=TEXTS,
            input_type="search_document",
            embedding_types=["float", "base64"],
            **more,
        )
    assert answer.response_type == "embeddings_by_type"
    assert answer.texts == TEXTS
    assert answer.meta is not None
    assert answer.meta.billed_units is not None
    assert answer.meta.billed_units.input_tokens
    assert answer.embeddings.base64 is not None
    assert answer.embeddings.float_ is not None
    for text, numbers in zip(answer.embeddings.base64, answer.embeddings.float_, strict=True):
        packed = base64.b64decode(text)
        assert list(struct.unpack(f"<{len(packed) // 4}f", packed)) == numbers
    return answer.embeddings.float_


def ask_gemini(address: str, **more: Any) -> list[list[float]]:
    client = genai.Client(api_key="k", http_options={"base_url": address})
    dimensions = more.pop("dimensions", None)
    config: Any = {"task_type": "RETRIEVAL_DOCUMENT"}
    if dimensions:
        config["output_dimensionality"] = dimensions
    # The client refuses an empty text itself.
    contents: Any = [text or " " for text in TEXTS]
    answer = client.models.embed_content(model="route", contents=contents, config=config)
    client.close()
    assert answer.embeddings is not None
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.prompt_token_count
    found = [item.values or [] for item in answer.embeddings]
    assert found[2] == vector_of(" ", len(found[2]))
    return [*found[:2], vector_of("", len(found[2]))]


def ask_ollama(address: str, **more: Any) -> list[list[float]]:
    client = ollama.Client(host=address)
    answer = client.embed(model="route", input=TEXTS, **more)
    client._client.close()
    assert answer.prompt_eval_count
    return [list(vector) for vector in answer.embeddings]


CLIENTS: dict[str, Ask] = {
    "openai": ask_openai,
    "cohere": ask_cohere,
    "gemini": ask_gemini,
    "ollama": ask_ollama,
}


@pytest.fixture
def serve() -> Iterator[Callable[[Miniature], str]]:
    with pytest.MonkeyPatch.context() as patch:
        opened: list[Any] = []
        patch.delenv("GOOGLE_API_KEY", raising=False)

        def start(gateway: Miniature) -> str:
            context = loopback(gateway)
            opened.append(context)
            return str(context.__enter__())

        yield start
        for context in opened:
            context.__exit__(None, None, None)


Serve = Callable[[Miniature], str]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_gets_its_vectors_from_every_provider(
    client: str, provider: str, serve: Serve
) -> None:
    gateway = embedder(provider)
    found = CLIENTS[client](serve(gateway))
    assert found == [vector_of(text) for text in TEXTS]
    assert all(b"route" not in sent.body for sent in gateway.sent)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_number_of_dimensions_reaches_every_provider(
    client: str, provider: str, serve: Serve
) -> None:
    found = CLIENTS[client](serve(embedder(provider)), dimensions=8)
    assert found == [vector_of(text, 8) for text in TEXTS]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("form", ["float", "base64"])
def test_the_openai_client_gets_the_form_that_it_asks_for(
    provider: str, form: Any, serve: Serve
) -> None:
    found = ask_openai(serve(embedder(provider)), encoding_format=form)
    vectors: list[list[float]] = []
    for item in found:
        data: Any = item
        if form == "base64":
            packed = base64.b64decode(data)
            data = list(struct.unpack(f"<{len(packed) // 4}f", packed))
        vectors.append(data)
    assert vectors == [vector_of(text) for text in TEXTS]


def test_more_inputs_than_a_provider_takes_become_several_requests(serve: Serve) -> None:
    gateway = embedder("cohere")
    texts = [f"text {number}" for number in range(200)]
    with openai.OpenAI(base_url=f"{serve(gateway)}/v1", api_key="k", max_retries=0) as client:
        answer = client.embeddings.create(model="route", input=texts)
    assert [item.embedding for item in answer.data] == [vector_of(text) for text in texts]
    assert [len(json.loads(sent.body)["texts"]) for sent in gateway.sent] == [96, 96, 8]
    assert answer.usage.prompt_tokens == sum(map(len, texts))


def test_pictures_reach_a_provider_that_embeds_them(serve: Serve) -> None:
    picture = "data:image/png;base64,iVBORw0KGgo="
    gateway = embedder("bedrock_cohere")
    with cohere_client(serve(gateway)) as client:
        client.embed(model="route", images=[picture], input_type="image", embedding_types=["float"])
    assert json.loads(gateway.sent[0].body) == {
        "images": [picture],
        "input_type": "image",
        "embedding_types": ["float"],
    }


def test_a_refusal_is_told_in_each_clients_words(serve: Serve) -> None:
    tokens: Any = [[1, 2, 3]]
    address = serve(embedder("cohere"))
    with (
        openai.OpenAI(base_url=f"{address}/v1", api_key="k", max_retries=0) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.embeddings.create(model="route", input=tokens)
    assert caught.value.code == "not_expressible"
    picture = "data:image/png;base64,iVBORw0KGgo="
    with (
        cohere_client(serve(embedder("openai"))) as asking,
        pytest.raises(cohere.errors.BadRequestError) as denied,
    ):
        asking.embed(model="route", images=[picture], input_type="image", embedding_types=["float"])
    assert "cannot take" in denied.value.body["message"]
    google = genai.Client(api_key="k", http_options={"base_url": serve(embedder("openai"))})
    with pytest.raises(genai.errors.ClientError) as refused:
        google.models.embed_content(
            model="route",
            contents=[
                genai.types.Content(parts=[genai.types.Part(text="a"), genai.types.Part(text="b")])
            ],
        )
    google.close()
    assert refused.value.code == 400
    assert refused.value.status == "INVALID_ARGUMENT"
    local = ollama.Client(host=serve(embedder("openai")))
    with pytest.raises(ollama.ResponseError, match="empty"):
        local.embed(model="route", input=[])
    local._client.close()
