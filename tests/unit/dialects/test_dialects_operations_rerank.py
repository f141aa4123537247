"""Rerank: every client over every provider, usage, refusals, and answers that are none."""

from __future__ import annotations

import json
from typing import Any

import cohere
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations_world import RERANKERS, loopback, prepared, request, reranker

from federation.dialects.operations import billing, table
from federation.errors import CallerError, InvalidRequest, UpstreamError
from federation.schema.http import WireReply
from federation.schema.operations import RERANK, OperationGlance

Body = dict[str, Any]
DOCUMENTS = ["one", "threefold", "seven!!"]
ORDER = [1, 2, 0]
PATHS = {"cohere": "/v2/rerank", "jina": "/v1/rerank", "voyage": "/voyage/v1/rerank"}


def glance(path: str, body: Body) -> OperationGlance:
    face = table.find_client(path)
    assert face is not None
    return face.glance(request(path, body))


def ask(address: str, dialect: str, **more: Any) -> Body:
    top = "top_k" if dialect == "voyage" else "top_n"
    body = {"model": "route", "query": "q", "documents": DOCUMENTS, top: 3, **more}
    answer = httpx.post(address + PATHS[dialect], json=body)
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    return found


@pytest.mark.parametrize("provider", RERANKERS)
def test_the_cohere_client_gets_its_order_from_every_provider(provider: str) -> None:
    gateway = reranker(provider)
    with loopback(gateway) as address, httpx.Client() as transport:
        client = cohere.ClientV2(api_key="k", base_url=address, httpx_client=transport)
        answer = client.rerank(model="route", query="q", documents=DOCUMENTS, top_n=2)
    assert [item.index for item in answer.results] == ORDER[:2]
    assert answer.results[0].relevance_score == 9 / 128
    assert answer.meta is not None
    assert json.loads(gateway.sent[0].body)["model"] == "acme-1"


@pytest.mark.parametrize("provider", RERANKERS)
def test_jinas_clients_get_its_shape(provider: str) -> None:
    with loopback(reranker(provider)) as address:
        answer = ask(address, "jina")
    assert [item["index"] for item in answer["results"]] == ORDER
    assert answer["model"] == "acme-1" or provider == "cohere"
    if provider not in ("jina", "openai"):
        assert answer["results"][0]["document"] == {"text": "threefold"}
        assert "total_tokens" in answer["usage"]


@pytest.mark.parametrize("provider", RERANKERS)
def test_voyages_clients_get_its_shape(provider: str) -> None:
    with loopback(reranker(provider)) as address:
        answer = ask(address, "voyage", return_documents=provider != "voyage")
    assert [item["index"] for item in answer["data"]] == ORDER
    if provider != "voyage":
        assert answer["object"] == "list"
        assert answer["data"][0]["document"] == "threefold"
        assert "total_tokens" in answer["usage"]


def test_one_path_serves_two_clients_told_apart_by_their_fields() -> None:
    body = {"model": "m", "query": "q", "documents": ["a"]}
    assert glance("/v1/rerank", body).dialect == "jina"
    assert glance("/v1/rerank", {**body, "top_n": 1}).dialect == "jina"
    assert glance("/v1/rerank", {**body, "top_k": 1}).dialect == "voyage"
    assert glance("/rerank", {**body, "truncation": True}).dialect == "voyage"
    assert glance("/voyage/v1/rerank", body).dialect == "voyage"


def test_a_glance_counts_the_query_beside_every_document() -> None:
    seen = glance("/v2/rerank", {"query": "éé", "documents": ["a", "b", "c"], "model": "m"})
    assert (seen.operation, seen.items, seen.model) == ("rerank", 3, "m")
    assert seen.text_bytes >= 3 * 4 + 3
    assert billing.estimate(seen).units == {"search": 1}
    many = glance("/v2/rerank", {"query": "q", "documents": ["a"] * 101})
    assert billing.bound(many).units == {"search": 2}
    assert not billing.makes_tokens(many)


@pytest.mark.parametrize("provider", RERANKERS)
def test_documents_may_be_objects_with_a_text(provider: str) -> None:
    face = table.OPERATION_CLIENTS[RERANK, "jina"]
    assert face.parse is not None
    asked = request("/v1/rerank", {"query": "q", "documents": [{"text": "a"}, "b"]})
    canonical = face.parse(asked, face.glance(asked))
    sent = reranker(provider).target.encode(canonical)
    assert json.loads(sent.requests[0].body)["documents"] == ["a", "b"]
    for odd in ({"text": "a", "title": "t"}, {"image": "x"}, {"text": 1}, 3):
        asked = request("/v1/rerank", {"query": "q", "documents": [odd]})
        with pytest.raises(InvalidRequest) as caught:
            reranker(provider).target.encode(face.parse(asked, face.glance(asked)))
        assert (caught.value.param or "").startswith("documents[0]")


def test_what_a_provider_cannot_say_is_named() -> None:
    asked = request(
        "/v2/rerank", {"query": "q", "documents": ["a"], "max_tokens_per_doc": 9, "priority": 1}
    )
    face = table.OPERATION_CLIENTS[RERANK, "cohere"]
    assert face.parse is not None
    canonical = face.parse(asked, face.glance(asked))
    lost = {name: set(reranker(name).target.encode(canonical).losses) for name in RERANKERS}
    assert lost == {
        "cohere": {"unknown_field"},
        "jina": {"max_tokens_per_doc", "unknown_field"},
        "openai": {"max_tokens_per_doc", "unknown_field"},
        "voyage": {"max_tokens_per_doc", "unknown_field"},
    }


def test_only_the_models_name_changes_between_equals() -> None:
    body = b'{"query":"q", "documents":[ "a" ],"model":"route","relevant_spans":{"mode":"x"}}'
    asked = request("/v2/rerank", body)
    seen = table.OPERATION_CLIENTS[RERANK, "cohere"].glance(asked)
    sent = reranker("cohere").target.forward(seen, asked)
    assert sent.body == body.replace(b"route", b"acme-1")
    assert sent.target == "/v2/rerank"
    assert seen.unlisted == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"documents": ["a"]}, "query"),
        ({"query": "q"}, "documents"),
        ({"query": "q", "documents": []}, "documents"),
        ({"query": ["q"], "documents": ["a"]}, "query"),
        ({"query": "q", "documents": "a"}, "documents"),
        ({"query": "q", "documents": ["a"], "top_n": 0}, "top_n"),
        ({"query": "q", "documents": ["a"], "top_n": 1, "top_k": 1}, "top_n"),
    ],
)
def test_a_wrong_call_names_its_field(body: Body, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        glance("/v1/rerank", body)
    assert caught.value.param == param


def test_a_member_of_a_document_that_stands_twice_is_refused() -> None:
    body = b'{"query":"q","documents":[{"text":"a","text":"b"}]}'
    with pytest.raises(InvalidRequest) as caught:
        table.OPERATION_CLIENTS[RERANK, "jina"].glance(request("/v1/rerank", body))
    assert caught.value.code == "duplicate_field"


def reply(body: Any) -> WireReply:
    return WireReply(200, {b"content-type": b"application/json"}, json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"results": None},
        {"results": []},
        {"results": [{"index": 3, "relevance_score": 1}]},
        {"results": [{"index": -1, "relevance_score": 1}]},
        {"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 1}]},
        {"results": [{"index": 0, "relevance_score": "high"}]},
        {"results": [{"index": 0}]},
        {"results": [{"relevance_score": 1}]},
        {"data": "x"},
        {"error": {"message": "no"}, "results": []},
    ],
)
def test_an_answer_without_an_order_is_no_answer(body: Any) -> None:
    seen = glance("/v1/rerank", {"query": "q", "documents": DOCUMENTS})
    with pytest.raises(UpstreamError):
        prepared(RERANK, "jina").read_answer(seen, reply(body))


@pytest.mark.parametrize(
    ("body", "tokens", "searches"),
    [
        ({"usage": {"total_tokens": 26}}, 26, None),
        ({"usage": {"prompt_tokens": 26, "total_tokens": 27}}, 27, None),
        ({"meta": {"billed_units": {"search_units": 2}}}, 0, 2),
        ({"meta": {"billed_units": {"search_units": 2.0}}, "usage": {"total_tokens": 5}}, 5, 2),
        ({"meta": {"tokens": {"input_tokens": 9}, "billed_units": {"total_tokens": 9}}}, 0, None),
        ({}, None, None),
    ],
)
def test_usage_is_tokens_or_searches(body: Body, tokens: int | None, searches: int | None) -> None:
    seen = glance("/v1/rerank", {"query": "q", "documents": DOCUMENTS})
    places = {"results": [{"index": 0, "relevance_score": 0.5}]}
    usage = prepared(RERANK, "openai").read_answer(seen, reply({**places, **body})).usage
    assert (usage.input if usage else None) == tokens
    assert (usage.units.get("search") if usage else None) == searches


def test_scores_keep_the_text_that_the_provider_wrote() -> None:
    face = table.OPERATION_CLIENTS[RERANK, "cohere"]
    asked = request("/v2/rerank", {"query": "q", "documents": DOCUMENTS})
    assert face.parse is not None
    assert face.render is not None
    canonical = face.parse(asked, face.glance(asked))
    body = b'{"data":[{"index":2,"relevance_score":0.50},{"index":0,"relevance_score":1.0e-4}]}'
    answered = prepared(RERANK, "voyage").decode(canonical, [WireReply(200, {}, body)])
    written = face.render(answered, canonical)
    assert b'"relevance_score":0.50}' in written
    assert b'"relevance_score":1.0e-4}' in written


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 5) | st.text("ab"),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["query", "documents", "text", "top_n", "top_k", "results", "data", "index",
                         "relevance_score", "score", "usage", "meta", "billed_units", "error"]),
        inner,
        max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(PATHS)), st.sampled_from(sorted(RERANKERS)), JSON, JSON, JSON)
def test_nothing_breaks_a_face(
    client: str, provider: str, query: Any, documents: Any, answer: Any
) -> None:
    face = table.OPERATION_CLIENTS[RERANK, client]
    assert face.parse is not None
    assert face.render is not None
    target = reranker(provider).target
    asked = request(PATHS[client], {"query": query, "documents": documents, "top_n": 1})
    try:
        seen = face.glance(asked)
        canonical = face.parse(asked, seen)
        target.encode(canonical)
    except CallerError:
        asked = request(PATHS[client], {"query": "q", "documents": DOCUMENTS})
        seen = face.glance(asked)
        canonical = face.parse(asked, seen)
    try:
        face.render(target.decode(canonical, [reply(answer)]), canonical)
    except UpstreamError:
        return


def test_an_error_is_told_as_these_clients_read_it() -> None:
    error = InvalidRequest("Send 'query'.", param="query")
    for dialect, member in (("jina", "detail"), ("voyage", "detail"), ("cohere", "message")):
        reply = table.OPERATION_CLIENTS[RERANK, dialect].render_error(error, "call-1")
        assert isinstance(reply.body, bytes)
        assert (reply.status, json.loads(reply.body)[member]) == (400, "Send 'query'.")
        assert (b"x-request-id", b"call-1") in reply.headers
