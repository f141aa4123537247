"""What is read off answers with vectors, and that nothing breaks a face."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from operations_world import PROVIDERS, deployment, embedder, prepared, request

from federation.dialects.operations import table
from federation.errors import CallerError, UpstreamError, UpstreamGarbled
from federation.schema.http import WireReply
from federation.schema.operations import EMBEDDINGS, OperationGlance, Tokens

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


# Answers


def reply(body: Any, status: int = 200) -> WireReply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WireReply(status, {b"content-type": b"application/json"}, data)


GARBLED: list[tuple[str, Any]] = [
    ("openai", b""),
    ("openai", b"[]"),
    ("openai", {}),
    ("openai", {"data": None}),
    ("openai", {"data": []}),
    ("openai", {"data": [{"embedding": [1, 2]}, {"embedding": [1, 2]}]}),
    ("openai", {"data": [{"embedding": [1]}]}),
    ("openai", {"data": [{"index": 0}]}),
    ("cohere", {"id": "x"}),
    ("cohere", {"embeddings": {}}),
    ("cohere", {"embeddings": {"float": [[1]]}}),
    ("cohere", {"embeddings": {"float": [[1, 2], [1, 2]]}}),
    ("cohere", {"embeddings": 3}),
    ("gemini", {}),
    ("gemini", {"embeddings": []}),
    ("gemini", {"embeddings": [{"values": None}]}),
    ("gemini", {"embeddings": [{"values": [1]}]}),
    ("ollama", {"model": "m"}),
    ("ollama", {"embeddings": [[1]]}),
    ("titan", {"inputTextTokenCount": 3}),
    ("voyage", {"detail": "no"}),
]


@pytest.mark.parametrize(("provider", "body"), GARBLED)
def test_an_answer_without_the_vectors_is_no_answer(provider: str, body: Any) -> None:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    asked = request(PATHS["openai"], {"input": "a", "dimensions": 2})
    assert face.parse is not None
    seen = face.glance(asked)
    target = embedder(provider).target
    with pytest.raises(UpstreamGarbled):
        target.decode(face.parse(asked, seen), [reply(body)])
    if target.forwards:
        with pytest.raises(UpstreamGarbled):
            target.read_answer(seen, reply(body))


NO_VECTORS: list[list[Any]] = [
    [None, [1, 2]],
    [["a", "b"], [1, 2]],
    [[1, None], [1, 2]],
    [[[1], [2]], [1, 2]],
    [[], []],
    [[1, 2], [1]],
    ["", ""],
]


@pytest.mark.parametrize("values", NO_VECTORS)
@pytest.mark.parametrize("provider", ["openai", "cohere", "gemini", "ollama"])
def test_what_is_no_vector_or_of_another_length_is_no_answer(
    provider: str, values: list[Any]
) -> None:
    body = {
        "openai": {"data": [{"index": n, "embedding": one} for n, one in enumerate(values)]},
        "cohere": {"embeddings": {"float": values}},
        "gemini": {"embeddings": [{"values": one} for one in values]},
        "ollama": {"embeddings": values},
    }[provider]
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    asked = request(PATHS["openai"], {"input": ["a", "b"]})
    seen = face.glance(asked)
    assert face.parse is not None
    target = embedder(provider).target
    with pytest.raises(UpstreamGarbled):
        target.decode(face.parse(asked, seen), [reply(body)])
    if target.forwards:
        with pytest.raises(UpstreamGarbled):
            target.read_answer(seen, reply(body))


@pytest.mark.parametrize("places", [[0, 0], [0, None], [1, 2], [-1, 0]])
def test_vectors_that_may_be_of_any_input_are_no_answer(places: list[int | None]) -> None:
    data = [{"index": place, "embedding": [1, 2]} for place in places]
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    asked = request(PATHS["openai"], {"input": ["a", "b"]})
    seen = face.glance(asked)
    assert face.parse is not None
    target = embedder("openai").target
    with pytest.raises(UpstreamGarbled):
        target.decode(face.parse(asked, seen), [reply({"data": data})])
    with pytest.raises(UpstreamGarbled):
        target.read_answer(seen, reply({"data": data}))


def test_an_error_inside_an_answer_is_raised() -> None:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    asked = request(PATHS["openai"], {"input": "a"})
    body = {"error": {"message": "slow down", "code": 429}}
    with pytest.raises(UpstreamError) as caught:
        prepared(EMBEDDINGS).read_answer(face.glance(asked), reply(body))
    assert caught.value.upstream_status == 429


USAGES: list[tuple[str, Body, int | None]] = [
    ("openai", {"usage": {"prompt_tokens": 8, "total_tokens": 8}}, 8),
    ("openai", {"usage": {"prompt_tokens": 0, "total_tokens": 8}}, 8),
    ("openai", {"usage": {"total_tokens": 9}}, 9),
    ("openai", {"usage": {"prompt_tokens": 0, "total_tokens": 0}}, 0),
    ("openai", {"usage": {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}}, 5),
    ("openai", {"usage": None}, None),
    ("openai", {"usage": {"prompt_tokens": "8"}}, None),
    ("openai", {}, None),
    ("cohere", {"meta": {"billed_units": {"input_tokens": 3.0}}}, 3),
    ("cohere", {"meta": {"billed_units": {"input_tokens": 3, "image_tokens": 4}}}, 7),
    ("cohere", {"meta": {"tokens": {"input_tokens": 3}}}, None),
    ("cohere", {}, None),
    ("gemini", {"usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}}, 4),
    ("gemini", {}, None),
    ("ollama", {"prompt_eval_count": 6}, 6),
    ("ollama", {}, None),
]


@pytest.mark.parametrize(("provider", "more", "tokens"), USAGES)
def test_usage_is_what_the_provider_bills(provider: str, more: Body, tokens: int | None) -> None:
    vectors: dict[str, Body] = {
        "openai": {"data": [{"embedding": [1], "index": 0}]},
        "cohere": {"embeddings": {"float": [[1]]}},
        "gemini": {"embeddings": [{"values": [1]}]},
        "ollama": {"embeddings": [[1]]},
    }
    seen = glance("openai", {"input": "a"})
    answer = embedder(provider).target.read_answer(seen, reply({**vectors[provider], **more}))
    assert (answer.usage.input if answer.usage else None) == tokens


def test_vectors_out_of_order_are_put_in_order() -> None:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "ollama"]
    asked = request(PATHS["ollama"], {"input": ["a", "b"]})
    assert face.parse is not None
    assert face.render is not None
    canonical = face.parse(asked, face.glance(asked))
    data = [{"embedding": [2.50], "index": 1}, {"embedding": [1], "index": 0}]
    answered = prepared(EMBEDDINGS).decode(canonical, [reply({"data": data})])
    assert json.loads(face.render(answered, canonical))["embeddings"] == [[1], [2.5]]


def test_numbers_keep_the_text_that_the_provider_wrote() -> None:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "gemini"]
    asked = request(PATHS["gemini"], {"requests": [{"content": {"parts": [{"text": "a"}]}}]})
    assert face.parse is not None
    assert face.render is not None
    canonical = face.parse(asked, face.glance(asked))
    body = b'{"data":[{"embedding":[0.10, -1.50e-3 ,7],"index":0}]}'
    answered = prepared(EMBEDDINGS).decode(canonical, [reply(body)])
    assert b'{"values":[0.10, -1.50e-3 ,7]}' in face.render(answered, canonical)


def test_a_host_that_ignores_base64_is_understood() -> None:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    asked = request(PATHS["openai"], {"input": "a", "encoding_format": "base64"})
    assert face.parse is not None
    assert face.render is not None
    canonical = face.parse(asked, face.glance(asked))
    answered = prepared(EMBEDDINGS).decode(
        canonical, [reply({"data": [{"embedding": [1.0, 2.0]}]})]
    )
    assert json.loads(face.render(answered, canonical))["data"][0]["embedding"] == "AACAPwAAAEA="


def test_errors_are_read_by_the_chat_faces_reader_where_there_is_one() -> None:
    from federation.dialects.operations import upstream

    codec = table.OPERATION_UPSTREAMS[EMBEDDINGS, "cohere"]
    mine = UpstreamError("mine")
    row = deployment(EMBEDDINGS, "cohere", base_url="https://c.test/v2")
    target = upstream.prepare(codec, row, read_error=lambda *_: mine)
    assert target.decode_error(400, {}, b"") is mine
    plain = upstream.prepare(codec, row)
    assert plain.decode_error(429, {}, b'{"message":"slow"}').upstream_status == 429


# Anything at all

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text("ab"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["input", "texts", "images", "inputs", "content", "type", "text", "image_url", "url",
             "requests", "parts", "inlineData", "model", "dimensions", "truncate", "data",
             "embedding", "embeddings", "float", "values", "index", "usage", "meta", "federation"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
BODIES = st.dictionaries(
    st.sampled_from(
        ["input", "texts", "images", "inputs", "requests", "content", "model", "dimensions",
         "output_dimension", "truncate", "embedding_types", "encoding_format", "federation"]
    ),
    JSON,
    max_size=6,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(PATHS)), BODIES, st.sampled_from(sorted(PROVIDERS)))
def test_no_call_breaks_a_face(client: str, body: Body, provider: str) -> None:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, client]
    assert face.parse is not None
    asked = request(PATHS[client], body)
    target = embedder(provider).target
    try:
        seen = face.glance(asked)
        if target.forwards == client:
            target.forward(seen, asked)
        target.encode(face.parse(asked, seen))
    except CallerError as refused:
        error: CallerError | None = refused
    else:
        error = None
    assert error is None or face.render_error(error, "c").status in (400, 404, 413)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(PROVIDERS)), JSON | st.binary(max_size=20))
def test_no_answer_breaks_a_face(provider: str, body: Any) -> None:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    asked = request(PATHS["openai"], {"input": "a"})
    assert face.parse is not None
    assert face.render is not None
    seen = face.glance(asked)
    canonical = face.parse(asked, seen)
    target = embedder(provider).target
    try:
        target.read_answer(seen, reply(body))
    except UpstreamError as error:
        read: UpstreamError | None = error
    else:
        read = None
    assert read is None or read.upstream_status in range(600)
    try:
        answered = target.decode(canonical, [reply(body)])
    except UpstreamError:
        return
    assert json.loads(face.render(answered, canonical))["data"]


def test_tokens_keep_their_text() -> None:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    asked = request(PATHS["openai"], b'{"input":[[1, 2],[3]],"model":"m"}')
    assert face.parse is not None
    canonical = face.parse(asked, face.glance(asked))
    assert all(isinstance(item, Tokens) for item in canonical.inputs)
    sent = prepared(EMBEDDINGS).encode(structs.replace(canonical, dialect="other")).requests[0]
    assert b'"input":[[1, 2],[3]]' in sent.body
