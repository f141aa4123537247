"""Golden exchanges of operations but chat: a client's call, what goes up, what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cohere
import msgspec
import ollama
import pytest
from google.genai import types as google
from openai.types import CreateEmbeddingResponse, ImagesResponse
from operations_world import prepared, request

from federation.dialects.operations import table
from federation.schema.http import WireReply
from federation.schema.usage import Usage

FOLDER = Path(__file__).parents[2] / "golden" / "operations"
PATHS = sorted(FOLDER.glob("*.json"))
Case = dict[str, Any]


def cases() -> list[Any]:
    return [pytest.param(json.loads(path.read_text("utf-8")), id=path.stem) for path in PATHS]


def reply(body: Any, headers: dict[str, str]) -> WireReply:
    kind = {"content-type": "application/json", **headers}
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return WireReply(200, {name.encode(): value.encode() for name, value in kind.items()}, data)


def check_shape(path: str, body: Any) -> None:
    """The vendor's own model of the answer takes it."""
    if path == "/v1/embeddings" and isinstance(body["data"][0]["embedding"], list):
        CreateEmbeddingResponse.model_validate(body)
    elif path == "/v2/embed":
        cohere.EmbedByTypeResponse.model_validate(body)
    elif path == "/v2/rerank":
        cohere.V2RerankResponse.model_validate(body)
    elif path == "/api/embed":
        ollama.EmbedResponse.model_validate(body)
    elif path.endswith(":batchEmbedContents"):
        google.EmbedContentResponse.model_validate(body)
    elif path == "/v1/images/generations":
        ImagesResponse.model_validate(body)


@pytest.mark.parametrize("case", cases())
def test_an_exchange_goes_as_it_should(case: Case) -> None:
    path, row = case["client"], case["provider"]
    face = table.find_client(path)
    assert face is not None
    asked = request(path, case["request"])
    seen = face.glance(asked)
    fields = msgspec.to_builtins(seen)
    assert {name: fields[name] for name in case["glance"]} == {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["glance"].items()
    }
    target = prepared(
        case["operation"],
        row["dialect"],
        base_url=row["base_url"],
        model=row["model"],
        model_quirks=row["quirks"],
    )
    replies = [reply(body, case["reply_headers"]) for body in case["replies"]]
    assert table.serves(case["operation"], seen.dialect, row["dialect"])
    face = table.client_of(seen)
    if target.forwards == seen.dialect:
        assert case["answer"] is None
        sent = [target.forward(seen, asked)]
        usage = target.read_answer(seen, replies[0]).usage
        if replies[0].body.startswith(b"{"):
            check_shape(path, json.loads(replies[0].body))
    else:
        assert face.parse is not None
        assert face.render is not None
        canonical = face.parse(asked, seen)
        encoded = target.encode(canonical)
        sent = list(encoded.requests)
        assert list(encoded.losses) == case["losses"]
        answered = target.decode(canonical, replies)
        usage = answered.usage
        rendered = json.loads(face.render(answered, canonical))
        assert rendered == case["answer"]
        check_shape(path, rendered)
    assert [json.loads(one.body) for one in sent] == case["sent"]
    assert {one.target for one in sent} <= {case.get("target", sent[0].target)}
    assert usage == (None if case["usage"] is None else Usage(**case["usage"]))


def test_every_golden_file_names_its_source() -> None:
    assert len(PATHS) >= 15
    for path in PATHS:
        assert json.loads(path.read_text("utf-8"))["source"], path.name


def test_the_tables_agree_with_themselves() -> None:
    for path, key in table.CLIENT_PATHS.items():
        assert table.OPERATION_CLIENTS[key] is table.find_client(path)
    for path in ("/v1/models/m", "/v1beta/models/acme/m:8b", "/v1beta1/publishers/acme/models/m"):
        assert table.find_client(f"{path}:embedContent") is not None
    assert table.find_client("/v1beta/models/m:generateContent") is None
    assert table.find_client("/v1/chat/completions") is None
    for (operation, dialect), face in table.OPERATION_CLIENTS.items():
        assert (face.operation, face.dialect) == (operation, dialect)
        assert (face.parse is None) == (face.render is None)
    for (operation, dialect), codec in table.OPERATION_UPSTREAMS.items():
        assert (codec.operation, codec.dialect) == (operation, dialect)
        assert (codec.encode is None) == (codec.decode is None)
        assert bool(codec.forwards) == (codec.forward is not None)
        assert not codec.forwards or (operation, codec.forwards) in table.OPERATION_CLIENTS


def test_every_client_of_a_translated_operation_reaches_every_provider() -> None:
    for operation in ("embeddings", "rerank"):
        clients = [key[1] for key in table.OPERATION_CLIENTS if key[0] == operation]
        providers = [key[1] for key in table.OPERATION_UPSTREAMS if key[0] == operation]
        assert all(table.serves(operation, c, p) for c in clients for p in providers)
    assert table.serves("speech", "openai", "openai")
    assert not table.serves("speech", "openai", "elevenlabs")
    assert not table.serves("image", "gemini", "openai")
    assert not table.serves("chat", "openai", "openai")
