"""Bodies that a schema allows, and bodies that it does not, at every face that has one: the
gateway's own OpenAPI document, and those that the vendors' own request types amount to.

Made by schemathesis, always the same ones, so that a run can be repeated; whatever comes, the
gateway answers or refuses in the client's own words, without a fault and without silence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
import schemathesis
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from fuzz_faces import FACES, Face, Loopback, Reply, place
from google.genai.types import Content, FunctionDeclaration, GenerationConfig
from hypothesis import HealthCheck, Phase, given, settings
from ollama._types import ChatRequest as OllamaRequest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter
from schemathesis import GenerationMode

from federation.api.inference_docs import add_inference

SLOWEST_S = 20.0
"""Silence; a busy machine is no silence."""
REF: Final = "#/components/schemas/{model}"
Json = dict[str, Any]
bounded = settings(
    max_examples=4,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MODES: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    loopback = Loopback()
    yield loopback
    loopback.close()


def gemini() -> Json:
    """The vendor publishes no type of a whole body that is not its client's own."""
    parts: dict[str, TypeAdapter[Any]] = {
        "contents": TypeAdapter(list[Content]),
        "generationConfig": TypeAdapter(GenerationConfig),
        "functions": TypeAdapter(list[FunctionDeclaration]),
    }
    schemas = {name: part.json_schema(ref_template=REF) for name, part in parts.items()}
    definitions: Json = {}
    for schema in schemas.values():
        definitions |= schema.pop("$defs", {})
    functions = {"functionDeclarations": schemas.pop("functions")}
    tools = {"type": "array", "items": {"type": "object", "properties": functions}}
    return {
        "type": "object",
        "properties": {**schemas, "tools": tools},
        "required": ["contents"],
        "$defs": definitions,
    }


def typed(kind: Any) -> Json:
    """The schema of a vendor's request type."""
    kind.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(kind).json_schema(ref_template=REF)


def closed(schema: Any) -> Any:
    """A schema that allows no members but its own: random ones are another test's."""
    if isinstance(schema, dict):
        found = {name: closed(value) for name, value in schema.items()}
        if isinstance(found.get("properties"), dict) and found.get("type") == "object":
            found.setdefault("additionalProperties", False)
        return found
    return [closed(value) for value in schema] if isinstance(schema, list) else schema


def operation(schema: Json) -> Any:
    """A call whose body is of this schema."""
    schema = closed(schema)
    definitions = schema.pop("$defs", {})
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "vendor", "version": "1"},
        "paths": {"/": {"post": {"requestBody": body, "responses": {}}}},
        "components": {"schemas": definitions},
    }
    return schemathesis.openapi.from_dict(document)["/"]["POST"]


def own(path: str) -> Any:
    """A call of the gateway's own document."""
    document: Json = {"openapi": "3.1.0", "info": {"title": "f", "version": "1"}, "paths": {}}
    add_inference(document)
    return schemathesis.openapi.from_dict(document)[path]["POST"]


def said(body: Any, face: Face, provider: str) -> bytes:
    """The body as bytes, for a model that is there: else nothing of it would be read."""
    if isinstance(body, dict):
        if face.name not in ("gemini", "bedrock"):
            body = body | {"model": f"to-{provider}", "stream": body.get("stream") is True}
        return json.dumps(body).encode()
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def check(face: Face, reply: Reply, body: bytes) -> None:
    """A reply that a client of this face can live with."""
    assert reply.whole or b"error" in reply.body.lower(), body
    assert reply.status < 500, (reply, body)
    if reply.status != 200:
        assert reply.status >= 400
        assert face.read_error(reply.status, reply.headers, reply.body)
        assert reply.headers["content-type"].startswith("application/json")


def put(loopback: Loopback, face: Face, path: str, body: bytes) -> None:
    began = time.monotonic()
    reply = loopback.post(path, body)
    assert time.monotonic() - began < SLOWEST_S, body
    check(face, reply, body)


VENDORS: Final[dict[str, Callable[[], Json]]] = {
    "openai": lambda: typed(CompletionCreateParamsNonStreaming),
    "openai_responses": lambda: typed(ResponseCreateParamsNonStreaming),
    "anthropic": lambda: typed(MessageCreateParamsNonStreaming),
    "gemini": gemini,
    "ollama": lambda: OllamaRequest.model_json_schema(ref_template=REF),
}


@pytest.mark.parametrize("name", VENDORS)
def test_what_a_vendors_types_allow_is_answered_or_refused(name: str, loopback: Loopback) -> None:
    face = FACES[name]
    provider = "openai" if name == "anthropic" else "anthropic"

    @bounded
    @given(operation(VENDORS[name]()).as_strategy(generation_mode=GenerationMode.POSITIVE))
    def one(case: Any) -> None:
        path = place(face, f"to-{provider}", stream=False)
        put(loopback, face, path, said(case.body, face, provider))

    one()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/route"])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_what_our_own_document_allows_or_forbids_is_answered_or_refused(
    path: str, mode: GenerationMode, loopback: Loopback
) -> None:
    face = FACES["openai"]

    @bounded
    @given(own(path).as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        put(loopback, face, path, said(case.body, face, "anthropic"))

    one()
