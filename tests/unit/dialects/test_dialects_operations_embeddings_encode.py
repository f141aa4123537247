"""What goes to a provider of another language, and what is refused or left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ollama._types import EmbedRequest
from openai.types import embedding_create_params
from operations_world import embedder, prepared, request
from pydantic import TypeAdapter

from federation.dialects.operations import table
from federation.dialects.operations.embeddings import purposes
from federation.errors import InvalidRequest
from federation.schema.operations import EMBEDDINGS, OperationGlance

PICTURE = "data:image/png;base64,iVBORw0KGgo="
PATHS = {
    "openai": "/v1/embeddings",
    "cohere": "/v2/embed",
    "gemini": "/v1beta/models/route:batchEmbedContents",
    "ollama": "/api/embed",
}
Body = dict[str, Any]


def glance(dialect: str, body: Body, path: str = "") -> OperationGlance:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, dialect]
    return face.glance(request(path or PATHS[dialect], body))


def encoded(client: str, provider: str, body: Body, **facts: Any) -> tuple[list[Body], set[str]]:
    """The bodies that a provider gets for a client's call, and what was left out."""
    face = table.OPERATION_CLIENTS[EMBEDDINGS, client]
    asked = request(PATHS[client], body)
    assert face.parse is not None
    canonical = face.parse(asked, face.glance(asked))
    target = embedder(provider, **facts).target
    written = target.encode(canonical)
    return [json.loads(one.body) for one in written.requests], set(written.losses)


# Encoding


VENDOR: TypeAdapter[Any] = TypeAdapter(embedding_create_params.EmbeddingCreateParams)


def materialized(value: Any) -> Any:
    """The value with its lazily validated iterables drawn, so that every item is checked."""
    if isinstance(value, Mapping):
        return {name: materialized(item) for name, item in value.items()}
    if isinstance(value, str | int | float) or value is None:
        return value
    return [materialized(item) for item in value]


FULL: dict[str, Body] = {
    "openai": {"model": "route", "input": ["a"], "dimensions": 8, "encoding_format": "base64",
               "user": "u"},
    "cohere": {"model": "route", "texts": ["a"], "input_type": "classification",
               "embedding_types": ["float"], "output_dimension": 8, "truncate": "START"},
    "gemini": {"requests": [{"model": "models/route", "content": {"parts": [{"text": "a"}]},
                             "taskType": "CODE_RETRIEVAL_QUERY", "title": "t",
                             "outputDimensionality": 8}]},
    "ollama": {"model": "route", "input": ["a"], "truncate": False, "dimensions": 8},
}  # fmt: skip


@pytest.mark.parametrize("client", FULL)
def test_what_openai_gets_is_its_clients_kind_of_request(client: str) -> None:
    (body,), _ = encoded(client, "openai", FULL[client])
    assert materialized(VENDOR.validate_python(body)) == body
    assert (body["model"], body["input"], body["dimensions"]) == ("acme-1", ["a"], 8)


@pytest.mark.parametrize("client", FULL)
def test_what_ollama_gets_is_its_clients_kind_of_request(client: str) -> None:
    (body,), _ = encoded(client, "ollama", FULL[client])
    assert EmbedRequest.model_validate(body).model_dump(exclude_none=True) == body


@pytest.mark.parametrize("dialect", FULL)
def test_parse_and_encode_in_one_language_change_nothing_but_the_name(dialect: str) -> None:
    (body,), losses = encoded(dialect, dialect, FULL[dialect], model="route")
    assert body == FULL[dialect]
    assert losses == set()


def test_what_each_provider_cannot_say_is_named() -> None:
    lost = {
        provider: encoded("gemini", provider, FULL["gemini"])[1]
        for provider in ("openai", "cohere", "ollama", "titan", "voyage", "jina")
    }
    assert lost == {
        "openai": {"embedding_purpose", "embedding_title"},
        "cohere": {"embedding_title"},
        "ollama": {"embedding_purpose", "embedding_title"},
        "titan": {"embedding_purpose", "embedding_title"},
        "voyage": {"embedding_title"},
        "jina": {"embedding_title"},
    }
    assert encoded("cohere", "voyage", FULL["cohere"])[1] == {"embedding_purpose", "truncate"}
    assert encoded("cohere", "gemini", FULL["cohere"])[1] == {"truncate"}
    assert encoded("openai", "cohere", {**FULL["openai"], "x": 1})[1] == {"user", "unknown_field"}


@pytest.mark.parametrize(
    ("client", "provider", "body"),
    [
        ("openai", "cohere", {"input": [1, 2]}),
        ("openai", "gemini", {"input": [[1, 2]]}),
        ("openai", "ollama", {"input": [[1]]}),
        ("openai", "titan", {"input": [[1]]}),
        ("openai", "voyage", {"input": [[1]]}),
        ("openai", "jina", {"input": [[1]]}),
        ("openai", "cohere", {"input": [{"image": "x"}]}),
        ("cohere", "openai", {"texts": ["a"], "embedding_types": ["int8"]}),
        ("cohere", "gemini", {"texts": ["a"], "embedding_types": ["float", "binary"]}),
        ("cohere", "titan", {"texts": ["a"], "embedding_types": ["ubinary"]}),
        ("cohere", "voyage", {"texts": ["a"], "embedding_types": ["int8", "float"]}),
        ("cohere", "openai", {"images": [PICTURE]}),
        ("cohere", "voyage", {"images": [PICTURE]}),
        ("cohere", "cohere", {"images": ["https://x.test/a.png"]}),
        ("cohere", "openai", {"images": ["file:///etc/passwd"]}),
        ("gemini", "openai", {"requests": [
            {"content": {"parts": [{"text": "a"}, {"text": "b"}]}}]}),
        ("gemini", "openai", {"requests": [
            {"content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING"},
            {"content": {"parts": [{"text": "b"}]}}]}),
    ],
)  # fmt: skip
def test_what_would_change_the_vectors_is_refused(client: str, provider: str, body: Body) -> None:
    with pytest.raises(InvalidRequest):
        encoded(client, provider, body)


def test_pictures_go_where_they_are_embedded() -> None:
    shown = {"inline_data": {"mime_type": "image/png", "data": "iVBORw0KGgo="}}
    gemini: Body = {"requests": [{"content": {"parts": [{"text": "hat"}, shown]}}]}
    (sent,), _ = encoded("gemini", "cohere", gemini)
    content = [
        {"type": "text", "text": "hat"},
        {"type": "image_url", "image_url": {"url": PICTURE}},
    ]
    assert sent["inputs"] == [{"content": content}]
    (sent,), _ = encoded("cohere", "gemini", {"inputs": [{"content": content}]})
    inline = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    assert sent["requests"][0]["content"] == {"parts": [{"text": "hat"}, inline]}
    (sent,), _ = encoded("cohere", "jina", {"images": [PICTURE, "https://x.test/a.png"]})
    assert sent["input"] == [{"image": "iVBORw0KGgo="}, {"image": "https://x.test/a.png"}]
    (sent,), _ = encoded("cohere", "gemini", {"images": ["https://x.test/a.png"]})
    remote = {"fileData": {"fileUri": "https://x.test/a.png"}}
    assert sent["requests"][0]["content"] == {"parts": [remote]}


@pytest.mark.parametrize("provider", ["cohere", "jina", "voyage", "openai", "titan", "ollama"])
def test_sound_goes_to_nobody_who_cannot_hear(provider: str) -> None:
    heard = {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}
    with pytest.raises(InvalidRequest):
        encoded("gemini", provider, {"requests": [{"content": {"parts": [heard]}}]})


def test_a_picture_without_its_bytes_is_refused() -> None:
    parts: list[Body] = [{"inlineData": {}}, {"fileData": {"mimeType": "image/png"}}]
    for part in parts:
        with pytest.raises(InvalidRequest, match="inlineData or fileData"):
            encoded("gemini", "gemini", {"requests": [{"content": {"parts": [part]}}]})


def test_quantized_vectors_come_from_who_has_them() -> None:
    body: Body = {"texts": ["a"], "input_type": "search_query", "embedding_types": ["int8"]}
    (sent,), _ = encoded("cohere", "voyage", body)
    assert sent == {
        "model": "acme-1", "input": ["a"], "input_type": "query", "output_dtype": "int8"
    }  # fmt: skip
    (sent,), _ = encoded("cohere", "bedrock_cohere", body)
    assert sent == {"texts": ["a"], "input_type": "search_query", "embedding_types": ["int8"]}


def test_a_caller_who_says_no_purpose_gets_vectors_of_documents() -> None:
    (sent,), losses = encoded("openai", "cohere", {"input": "a"})
    assert (sent["input_type"], losses) == ("search_document", set())
    (sent,), _ = encoded("cohere", "cohere", {"images": [PICTURE]})
    assert sent["input_type"] == "image"


def test_a_row_says_which_purposes_its_field_takes() -> None:
    body: Body = {"input": "a", "input_type": "search_document"}
    (sent,), losses = encoded(
        "openai", "openai", body, quirks={"embedding_input_type": ["query", "passage"]}
    )
    assert (sent["input_type"], losses) == ("passage", set())
    (sent,), losses = encoded("openai", "openai", body)
    assert ("input_type" in sent, losses) == (False, {"embedding_purpose"})


def test_every_languages_words_name_one_purpose_each() -> None:
    for words in (purposes.COHERE, purposes.GEMINI, purposes.VOYAGE, purposes.JINA):
        assert {purposes.read(word): word for word in words.values()} == words


def test_titan_gets_a_request_for_each_text() -> None:
    bodies, _ = encoded("openai", "titan", {"input": ["a", "b"], "dimensions": 256})
    assert bodies == [
        {"inputText": "a", "dimensions": 256},
        {"inputText": "b", "dimensions": 256},
    ]
    with pytest.raises(InvalidRequest, match="100 inputs"):
        encoded("openai", "titan", {"input": ["a"] * 101})


def test_a_row_may_take_fewer_inputs() -> None:
    bodies, _ = encoded(
        "openai", "gemini", {"input": ["a", "b", "c"]}, quirks={"embedding_batch": 2}
    )
    assert [len(body["requests"]) for body in bodies] == [2, 1]


def test_a_bedrock_row_that_names_no_body_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="invoke_body"):
        encoded("openai", "titan", {"input": "a"}, quirks={"invoke_body": ""})


def test_the_path_of_a_bedrock_model_is_encoded() -> None:
    target = prepared(
        EMBEDDINGS, "bedrock", base_url="https://b.test", model="amazon.titan-embed-text-v2:0",
        model_quirks={"invoke_body": "titan"},
    )  # fmt: skip
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    asked = request(PATHS["openai"], {"input": "a"})
    assert face.parse is not None
    sent = target.encode(face.parse(asked, face.glance(asked))).requests[0]
    assert sent.target == "/model/amazon.titan-embed-text-v2%3A0/invoke"
