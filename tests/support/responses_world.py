"""Deployments, calls and the vendor's own types, for the tests of the Responses dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from openai.types.responses import (
    Response,
    ResponseItemList,
    ResponseStreamEvent,
    response_create_params,
)
from pydantic import ConfigDict, TypeAdapter

from federation.dialects.openai_responses.client import CLIENT
from federation.dialects.openai_responses.upstream import ResponsesUpstream, prepare
from federation.domain.catalogue import Ability, Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.schema.chat import ChatRequest
from federation.schema.glance import Glance
from federation.schema.http import ClientRequest

Body = dict[str, Any]
TOOL: Body = {
    "type": "function",
    "name": "weather",
    "description": "How warm it is.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}


def upstream(
    *,
    quirks: dict[str, object] | None = None,
    reasons: bool = True,
    dialect: str = "openai_responses",
    settings: Settings | None = None,
    secret: str = "",
) -> ResponsesUpstream:
    """A deployment of one model, whose row has these quirks."""
    provider = Provider(
        "acme", "Acme", Tier.FRONTIER, dialect, "https://api.acme.test/v1", quirks=quirks or {}
    )
    abilities = frozenset((Ability.REASONING,)) if reasons else frozenset()
    model = Model("acme-large", abilities=abilities)
    deployment = Deployment("acme/acme-large", provider, model, usable=True)
    return prepare(deployment, settings or Settings(), secret=secret)


def encoded(body: Body) -> bytes:
    """A body as compact JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def call(body: Body | bytes, headers: dict[bytes, bytes] | None = None) -> ClientRequest:
    """A client's call with this body."""
    data = body if isinstance(body, bytes) else encoded(body)
    return ClientRequest("POST", "/v1/responses", "", headers or {}, data)


def glanced(body: Body | bytes) -> Glance:
    """What a glance at this body sees."""
    return CLIENT.glance(call(body))


def parsed(body: Body | bytes) -> ChatRequest:
    """The canonical form of this body."""
    request = call(body)
    return CLIENT.parse(request, CLIENT.glance(request))


def materialized(value: Any) -> Any:
    """The value with its lazily validated iterables drawn, so that every item is checked."""
    if isinstance(value, Mapping):
        return {name: materialized(item) for name, item in value.items()}
    if isinstance(value, list | tuple | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [materialized(item) for item in value]
    return value


@cache
def _request_type() -> TypeAdapter[Any]:
    kind: Any = response_create_params.ResponseCreateParamsBase
    kind.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(kind)


@cache
def _event_type() -> TypeAdapter[Any]:
    return TypeAdapter(ResponseStreamEvent)


def check_request(body: Body) -> None:
    """Assert that the vendor's types know all of a request."""
    known = {name: value for name, value in body.items() if name != "stream"}
    assert materialized(_request_type().validate_python(known)) == known


def check_response(body: bytes) -> Response:
    """Assert that the vendor's model takes a response, strictly."""
    return Response.model_validate_json(body)


def check_listing(body: bytes) -> ResponseItemList:
    """Assert that the vendor's model takes a page of items."""
    return ResponseItemList.model_validate_json(body)


def events_of(stream: bytes) -> list[Body]:
    """The events of a stream. Asserts their framing, numbers and the vendor's types."""
    found: list[Body] = []
    blocks = stream.split(b"\n\n")
    assert blocks.pop() == b""
    for number, block in enumerate(blocks):
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        assert event["sequence_number"] == number
        _event_type().validate_python(event)
        found.append(event)
    return found
