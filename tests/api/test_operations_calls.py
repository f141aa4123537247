"""Operations other than chat through the whole gateway: forwarded, translated, recorded."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from gateway_rig import at_rest, eventually, status
from operations_rig import PER_TOKEN, Place, answering, offers, places, vectors
from operations_world import vector_of
from scripted import Talk

from federation.dialects.operations.upstream import OperationUpstream
from federation.domain.catalogue import Limits, Price
from federation.domain.routes import Settings
from federation.schema.http import WireReply, WireRequest

EMBED = {"model": "work", "input": ["alpha", "beta!"]}
JSON = {b"content-type": b"application/json"}


def embedders(*dialects: str, **facts: Any) -> list[Place]:
    return [Place(vectors(d), offers("embeddings", **facts), d) for d in dialects]


async def test_the_clients_bytes_go_on_and_the_call_is_in_the_books() -> None:
    async with places(*embedders("openai")) as (gateway, client, (upstream,)):
        body = json.dumps(EMBED | {"encoding_format": "float", "user": "u-1"}).encode()
        reply = await client.post("/v1/embeddings", content=body)
        assert reply.status_code == 200
        rows = reply.json()["data"]
        assert [row["embedding"] for row in rows] == [vector_of("alpha"), vector_of("beta!")]
        assert upstream.seen[0].body == body.replace(b'"work"', b'"acme-1"')
        assert upstream.seen[0].head.startswith("POST /v1/embeddings")
        assert upstream.seen[0].headers["authorization"] == "Bearer upstream-secret"
        (started,), (ended,) = gateway.books.started, gateway.books.ended
        assert started.operation == ended.operation == "embeddings"
        assert (ended.outcome, ended.deployment, ended.requested) == ("ok", "p0/acme-1", "work")
        assert ended.usage.input == 10
        assert ended.cost_nano == 10 * PER_TOKEN // 1_000_000
        assert ended.user.startswith("p_")
        assert ended.decision is not None
        assert reply.headers["x-federation-call-id"] == ended.call
        assert reply.headers["x-federation-provider"] == "p0"
        assert reply.headers["x-federation-attempts"] == "1"
        assert reply.headers["x-federation-estimated-cost"] == "0.000000300"


CLIENTS: list[tuple[str, dict[str, Any], Any]] = [
    ("/v1/embeddings", EMBED, lambda b: [row["embedding"] for row in b["data"]]),
    (
        "/v2/embed",
        {"model": "work", "texts": ["alpha", "beta!"], "embedding_types": ["float"]},
        lambda b: b["embeddings"]["float"],
    ),
    (
        "/v1beta/models/work:batchEmbedContents",
        {
            "requests": [
                {"model": "models/work", "content": {"parts": [{"text": text}]}}
                for text in ("alpha", "beta!")
            ]
        },
        lambda b: [row["values"] for row in b["embeddings"]],
    ),
    ("/api/embed", {"model": "work", "input": ["alpha", "beta!"]}, lambda b: b["embeddings"]),
]


@pytest.mark.parametrize("dialect", ["openai", "cohere", "gemini", "ollama", "voyage", "jina"])
@pytest.mark.parametrize(("path", "body", "read"), CLIENTS, ids=[row[0] for row in CLIENTS])
async def test_every_client_reaches_every_provider(
    dialect: str, path: str, body: dict[str, Any], read: Any
) -> None:
    async with places(*embedders(dialect)) as (gateway, client, _):
        reply = await client.post(path, json=body)
        assert reply.status_code == 200, reply.text
        assert read(reply.json()) == [vector_of("alpha"), vector_of("beta!")]
        (ended,) = gateway.books.ended
        assert (ended.operation, ended.outcome) == ("embeddings", "ok")
        assert ended.usage.input > 0


async def test_many_inputs_become_several_requests_of_one_attempt() -> None:
    texts = [f"text {place}" for place in range(11)]
    place = Place(vectors("cohere"), offers("embeddings", quirks={"embedding_batch": 2}), "cohere")
    async with places(place) as (gateway, client, (upstream,)):
        reply = await client.post("/v1/embeddings", json={"model": "work", "input": texts})
        assert [row["embedding"] for row in reply.json()["data"]] == [*map(vector_of, texts)]
        assert len(upstream.seen) == 6
        assert upstream.connections <= 4
        (ended,) = gateway.books.ended
        assert len(ended.attempts) == 1
        assert ended.usage.input == sum(map(len, texts))
        at_rest(gateway)


async def test_a_batch_that_fails_falls_back_and_what_was_answered_is_charged() -> None:
    asked = 0

    async def breaks(talk: Talk) -> None:
        nonlocal asked
        asked += 1
        await (vectors("cohere") if asked == 1 else status(403))(talk)

    first = Place(breaks, offers("embeddings", quirks={"embedding_batch": 4}), "cohere")
    async with places(first, *embedders("openai")) as (gateway, client, _):
        texts = ["x" * 400] * 8
        reply = await client.post(
            "/v2/embed", json={"model": "p0/acme-1", "texts": texts, "embedding_types": ["float"]}
        )
        assert reply.status_code == 200, "forwarded, so in one piece"
        asked = 0
        reply = await client.post("/v1/embeddings", json={"model": "work", "input": texts})
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-federation-attempts"] == "2"
        failed, answered = gateway.books.ended[-1].attempts
        assert failed.error == "upstream_credential_refused"
        assert failed.usage.estimated
        assert 0 < failed.usage.input < answered.usage.input
        assert failed.cost_nano == failed.usage.input * PER_TOKEN // 1_000_000
        at_rest(gateway)


async def test_each_request_of_a_batch_counts_for_the_providers_limit() -> None:
    few = Place(
        vectors("cohere"),
        offers("embeddings", quirks={"embedding_batch": 1}),
        "cohere",
        limits=Limits(rpm=2),
    )
    async with places(few) as (gateway, client, (upstream,)):
        taken: list[int] = []
        gateway.leases.take = lambda name, amount=1: taken.append(amount) or amount < 2  # type: ignore[method-assign,func-returns-value]
        many = await client.post("/v1/embeddings", json={"model": "work", "input": ["a"] * 3})
        assert many.status_code == 429
        assert many.headers["retry-after"] == "60"
        assert taken == [1, 2]
        assert upstream.seen == []
        assert gateway.leases.returned == [("rpm/p0", 1)], "nobody was asked"
        assert gateway.world.live().down_until == [0.0], "and others may be"
        assert gateway.books.ended[-1].attempts == ()
        at_rest(gateway)
        one = await client.post("/v1/embeddings", json={"model": "work", "input": ["a"]})
        assert one.status_code == 200


async def test_a_failure_falls_back_to_the_same_vectors_and_never_to_others() -> None:
    ill = Place(status(503), offers("embeddings"))
    other = Place(vectors(), offers("embeddings", family="other"))
    same = Place(vectors("gemini"), offers("embeddings"), "gemini")
    async with places(ill, other, same) as (gateway, client, (_, untouched, _)):
        reply = await client.post("/v1/embeddings", json=EMBED)
        assert reply.status_code == 200
        assert reply.headers["x-federation-provider"] == "p2"
        assert untouched.seen == []
        (ended,) = gateway.books.ended
        assert ended.decision is not None
        assert ended.decision.removed == {"vectors": 1}


async def test_auto_works_for_one_kind_of_vectors_and_asks_for_a_name_where_there_are_more() -> (
    None
):
    async with places(*embedders("openai", "cohere")) as (_, client, _):
        reply = await client.post("/v1/embeddings", json={"input": "alpha"})
        assert reply.status_code == 200
        assert reply.json()["router_metadata"]["selected_model"] == "acme-1"
    two = [*embedders("openai"), *embedders("openai", family="other")]
    async with places(*two) as (_, client, _):
        reply = await client.post("/v1/embeddings", json={"input": "alpha", "model": "auto"})
        assert reply.status_code == 400
        assert reply.json()["error"]["code"] == "model_required"
        named = await client.post("/v1/embeddings", json={"input": "alpha", "model": "p1/acme-1"})
        assert named.status_code == 200
        assert "router_metadata" not in named.json()


async def test_an_unknown_price_stays_unknown() -> None:
    async with places(*embedders("openai", price=Price())) as (gateway, client, _):
        reply = await client.post("/v1/embeddings", json=EMBED)
        assert "x-federation-estimated-cost" not in reply.headers
        assert gateway.books.ended[0].cost_nano is None
        refused = await client.post(
            "/v1/embeddings", json=EMBED | {"federation": {"constraints": {"max_cost": 1}}}
        )
        assert refused.status_code == 403


async def test_fields_that_govern_and_fields_that_nobody_listed_are_refused_as_for_a_chat() -> None:
    async with places(*embedders("openai")) as (gateway, client, (upstream,)):
        governed = await client.post("/v1/embeddings", json=EMBED | {"service_tier": "flex"})
        assert governed.status_code == 403
        assert governed.json()["error"]["code"] == "governed_field"
        ruled = EMBED | {"novel": 1, "federation": {"constraints": {"gdpr_required": True}}}
        unlisted = await client.post("/v1/embeddings", json=ruled)
        assert unlisted.status_code == 400
        assert unlisted.json()["error"]["code"] == "unlisted_field"
        assert upstream.seen == []
        assert [row.error for row in gateway.books.ended] == ["governed_field", "unlisted_field"]
        free = await client.post("/v1/embeddings", json=EMBED | {"novel": 1})
        assert free.status_code == 200
        assert upstream.seen[0].json["novel"] == 1
    settings = Settings(allow_fields=("service_tier",))
    async with places(*embedders("openai"), settings=settings) as (_, client, _):
        allowed = await client.post("/v1/embeddings", json=EMBED | {"service_tier": "flex"})
        assert allowed.status_code == 200


async def test_a_key_reaches_its_models_and_providers_only() -> None:
    async with places(*embedders("openai", "openai")) as (gateway, client, _):
        gateway.keys.key = replace(gateway.keys.key, providers=("p1",))
        reply = await client.post("/v1/embeddings", json=EMBED)
        assert reply.headers["x-federation-provider"] == "p1"
        gateway.keys.key = replace(gateway.keys.key, providers=(), models=("else",))
        refused = await client.post("/v1/embeddings", json=EMBED)
        assert refused.status_code == 403
        client.headers["authorization"] = "Bearer nobody"
        assert (await client.post("/v1/embeddings", json=EMBED)).status_code == 401


async def test_a_loss_is_warned_of_and_refused_under_strict() -> None:
    asked = {"model": "work", "texts": ["a"], "input_type": "search_query"}
    async with places(*embedders("openai")) as (_, client, _):
        reply = await client.post("/v2/embed", json=asked)
        assert reply.headers["x-federation-warning"] == "dropped: embedding_purpose"
        other = await client.post("/v2/embed", json=asked | {"wibble": 1})
        assert other.headers["x-federation-warning"] == "dropped: embedding_purpose, wibble"
        strict = await client.post("/v2/embed", json=asked | {"federation": {"strict": True}})
        assert strict.status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "read"),
    [
        ("/v1/embeddings", {}, lambda b: b["error"]["message"]),
        ("/v2/embed", {"model": "work"}, lambda b: b["message"]),
        ("/v1beta/models/work:embedContent", {}, lambda b: b["error"]["message"]),
        ("/api/embed", {"model": "work"}, lambda b: b["error"]),
        ("/v1/rerank", {"model": "work"}, lambda b: b["detail"]),
        ("/v2/rerank", {"model": "work"}, lambda b: b["message"]),
    ],
)
async def test_an_error_is_written_in_the_words_of_the_path(
    path: str, body: dict[str, Any], read: Any
) -> None:
    async with places(*embedders("openai")) as (gateway, client, _):
        reply = await client.post(path, json=body)
        assert reply.status_code == 400
        assert read(reply.json())
        assert gateway.books.ended == []
        if "/models/" not in path:
            assert (await client.get(path)).status_code == 405


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
@pytest.mark.parametrize("name", ["p0/acme-1", "p0%2Facme-1", "work"])
@pytest.mark.parametrize("method", ["embedContent", "batchEmbedContents"])
async def test_every_name_that_gemini_lists_embeds(version: str, name: str, method: str) -> None:
    single = {"content": {"parts": [{"text": "alpha"}]}}
    batch = {"requests": [{"model": "models/" + name.replace("%2F", "/"), **single}]}
    async with places(*embedders("gemini")) as (_, client, (upstream,)):
        body = single if method == "embedContent" else batch
        reply = await client.post(f"/{version}/models/{name}:{method}", json=body)
        assert reply.status_code == 200, reply.text
        found = reply.json()
        (vector,) = found.get("embeddings") or [found["embedding"]]
        assert vector["values"] == vector_of("alpha")
        assert upstream.seen[0].head.split()[1].endswith(f"/models/acme-1:{method}")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/models/p0/acme-1:predict", 404),
        ("POST", "/v1beta/models/p0/acme-1:predict", 404),
        ("POST", "/v1alpha/nothing", 404),
        ("POST", "/v1/publishers/acme/models/m:rawPredict", 404),
        ("PUT", "/v1/models/p0/acme-1:embedContent", 405),
        ("POST", f"/v1/models/p0/{'m' * 254}:embedContent", 400),
    ],
)
async def test_an_error_on_a_path_of_gemini_is_in_its_words(
    method: str, path: str, expected: int
) -> None:
    async with places(*embedders("gemini")) as (_, client, _):
        reply = await client.request(method, path, json={})
        assert (reply.status_code, reply.json()["error"]["code"]) == (expected, expected)
        assert reply.json()["error"]["status"].isupper()
        other = await client.post("/v1/models/p0/acme:8b")
        assert (other.status_code, other.json()["error"]["code"]) == (405, "method_not_allowed")


async def test_the_providers_own_refusal_reaches_the_client() -> None:
    said = b'{"error": {"message": "too long", "code": "context_length_exceeded"}}'
    async with places(Place(status(400, body=said), offers("embeddings"))) as (gateway, client, _):
        reply = await client.post("/v1/embeddings", json=EMBED)
        assert reply.status_code == 400
        assert reply.json()["error"]["message"] == "too long"
        assert gateway.books.ended[0].cost_nano == 0


def _reranked(sent: WireRequest) -> WireReply:
    body = json.loads(sent.body)
    places_ = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    if sent.target.startswith("/v2"):
        meta = {"billed_units": {"search_units": 1}}
        return WireReply(200, JSON, json.dumps({"results": places_, "meta": meta}).encode())
    name = "data" if "top_k" in body else "results"
    used = {"total_tokens": 9}
    return WireReply(
        200,
        JSON,
        json.dumps({"model": "m", name: places_, "object": "list", "usage": used}).encode(),
    )


@pytest.mark.parametrize("dialect", ["cohere", "jina", "voyage", "openai"])
@pytest.mark.parametrize(
    ("path", "more", "name"),
    [
        ("/v2/rerank", {"top_n": 2}, "results"),
        ("/v1/rerank", {"top_n": 2}, "results"),
        ("/v1/rerank", {"top_k": 2}, "data"),
    ],
    ids=["cohere", "jina", "voyage"],
)
async def test_documents_are_ranked(
    dialect: str, path: str, more: dict[str, Any], name: str
) -> None:
    price = Price(units={"search": 2_000_000}) if dialect == "cohere" else None
    offered = offers("rerank")
    offered = offered if price is None else replace(offered, price=price)
    async with places(Place(answering(_reranked), offered, dialect)) as (gateway, client, _):
        body = {"model": "work", "query": "q", "documents": ["x", "y"], **more}
        reply = await client.post(path, json=body)
        assert reply.status_code == 200, reply.text
        assert [row["index"] for row in reply.json()[name]] == [1, 0]
        (ended,) = gateway.books.ended
        assert ended.operation == "rerank"
        assert ended.cost_nano == (2_000_000 if price else 9 * PER_TOKEN // 1_000_000)


async def test_a_big_answer_of_numbers_is_read_without_its_numbers() -> None:
    rows = [[round(n / 7 + place, 6) for n in range(1536)] for place in range(64)]
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(rows)]
    body = json.dumps({"data": data, "model": "m", "usage": {"prompt_tokens": 64}}).encode()
    assert len(body) > 524_288
    big = answering(lambda _: WireReply(200, JSON, body))
    ask = {"model": "work", "input": ["x"] * 64}
    async with places(Place(big, offers("embeddings", dimensions=1536))) as (gateway, client, _):
        reply = await client.post("/v1/embeddings", json=ask)
        assert reply.content == body
        assert gateway.books.ended[0].usage.input == 64
        told = await client.post("/v1/embeddings", json=ask | {"federation": {"metadata": True}})
        assert told.json()["data"] == data
        assert told.json()["router_metadata"]["selected_provider"] == "p0"
        other = await client.post(
            "/v2/embed", json={"model": "work", "texts": ["x"] * 64, "embedding_types": ["float"]}
        )
        assert other.json()["embeddings"]["float"] == rows
        short = await client.post("/v1/embeddings", json={"model": "work", "input": ["x"] * 63})
        assert short.status_code == 502


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/v1/embeddings", {"input": ["x"] * 64}),
        ("/v2/embed", {"texts": ["x"] * 64, "embedding_types": ["float"]}),
    ],
    ids=["forwarded", "translated"],
)
async def test_who_leaves_while_a_big_answer_is_read_pays_what_the_provider_counted(
    path: str, ask: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, left = threading.Event(), threading.Event()

    def slowly(read: Callable[..., Any]) -> Callable[..., Any]:
        def reads(*given: Any) -> Any:
            reading.set()
            left.wait(5)
            return read(*given)

        return reads

    for name in ("read_answer", "decode"):
        monkeypatch.setattr(OperationUpstream, name, slowly(getattr(OperationUpstream, name)))
    rows = [[round(n / 7 + place, 6) for n in range(1536)] for place in range(64)]
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(rows)]
    body = json.dumps({"data": data, "model": "m", "usage": {"prompt_tokens": 777}}).encode()
    big = answering(lambda _: WireReply(200, JSON, body))
    async with places(Place(big, offers("embeddings", dimensions=1536))) as (gateway, client, _):
        asking = asyncio.create_task(client.post(path, json=ask | {"model": "work"}))
        await eventually(reading.is_set)
        asking.cancel()
        await eventually(lambda: gateway.server.connections == 0)
        left.set()
        await eventually(lambda: bool(gateway.books.ended))
        (ended,) = gateway.books.ended
        assert (ended.outcome, ended.usage.input) == ("canceled", 777)
        assert not ended.usage.estimated


async def test_what_there_is_is_listed_with_what_it_does() -> None:
    async with places(*embedders("openai"), Place(vectors(), offers("speech", name="voice"))) as (
        _,
        client,
        _,
    ):
        rows = {
            row["id"]: row["federation"] for row in (await client.get("/v1/models")).json()["data"]
        }
        assert rows["p0/acme-1"]["operations"] == ["embeddings"]
        assert rows["p1/voice"]["operations"] == ["speech"]
        listed = (await client.get("/v1beta/models")).json()["models"]
        methods = {row["name"]: row["supportedGenerationMethods"] for row in listed}
        assert "embedContent" in methods["models/p0/acme-1"]
        tags = (await client.get("/api/tags")).json()["models"]
        assert [row["name"] for row in tags] == ["auto", "work", "p0/acme-1"]
        told = await client.get("/v1/models", headers={"anthropic-version": "2023-06-01"})
        assert [row["id"] for row in told.json()["data"]] == ["auto", "work"]
        fern = {"x-fern-sdk-name": "cohere"}
        told = await client.get("/v1/models?page_size=2.0", headers=fern)
        assert [row["name"] for row in told.json()["models"]] == ["auto", "work"]
        rest = await client.get("/v1/models?page_size=2&page_token=2", headers=fern)
        assert [(row["name"], row["endpoints"]) for row in rest.json()["models"]] == [
            ("p0/acme-1", ["embed"])
        ]
        assert told.json()["next_page_token"] == "2"
        assert "next_page_token" not in rest.json()
        assert (await client.get("/v1/models?page_size=x", headers=fern)).status_code == 400
        one = await client.get("/v1/models/p0/acme-1", headers=fern)
        assert one.json()["name"] == "p0/acme-1"
        assert (await client.get("/health/ready")).json()["deployments"] == 2
        chat = await client.post(
            "/v1/chat/completions",
            json={"model": "p0/acme-1", "messages": [{"role": "user", "content": "x"}]},
        )
        assert chat.status_code == 400
        assert "does not offer this operation" in chat.text
