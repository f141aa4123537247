"""Deployments of Converse and calls to it, made from the few facts that matter."""

from __future__ import annotations

import json
from typing import Any

from bedrock_vendor import check_request
from msgspec import Raw

from federation.dialects.bedrock.upstream import BedrockUpstream, prepare
from federation.domain.catalogue import Ability, Deployment, Model, Price, Provider, Rates, Tier
from federation.domain.routes import Settings
from federation.schema.chat import ChatRequest, Message, Tool
from federation.schema.http import ClientRequest
from federation.schema.parts import Part, Text, ToolCall, ToolResult

MODEL = "eu.acme.large-v1:0"
ALL = frozenset(Ability)
OBJECT = Raw(b'{"type":"object","properties":{"a":{"type":"integer"}}}')
WEATHER = Tool("weather", "Looks it up.", OBJECT)
HELLO = Message("user", (Text("Hello"),))
CALL = Message("assistant", (ToolCall("t1", "weather", '{"a":1}'),))
RESULT = Message("tool", (ToolResult("t1", (Text("20"),)),))


def upstream(
    quirks: dict[str, object] | None = None,
    abilities: frozenset[Ability] = ALL,
    cached: int | None = 1,
    secret: str = "",
    **settings: Any,
) -> BedrockUpstream:
    """A deployment whose row has these quirks; `settings` are the operator's."""
    provider = Provider(
        "acme",
        "Acme",
        Tier.CLOUD,
        "bedrock",
        "https://bedrock-runtime.eu-west-1.amazonaws.com",
        quirks=quirks or {},
    )
    model = Model(MODEL, abilities=abilities, price=Price(Rates(cached=cached)))
    deployment = Deployment("acme/large", provider, model, usable=True)
    return prepare(deployment, Settings(**settings), secret=secret)


def call(
    body: bytes | dict[str, Any],
    *,
    stream: bool = False,
    model: str = MODEL,
    headers: dict[bytes, bytes] | None = None,
) -> ClientRequest:
    """A client's call."""
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    operation = "converse-stream" if stream else "converse"
    return ClientRequest("POST", f"/model/{model}/{operation}", "", headers or {}, data)


def ask(*messages: Message, dialect: str = "openai", **fields: Any) -> ChatRequest:
    """A canonical call; without messages it says hello."""
    return ChatRequest(dialect, "large", messages or (HELLO,), **fields)


def sent(request: ChatRequest, **row: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The checked body, and the losses."""
    encoded = upstream(**row).encode(request)
    body = check_request(encoded.request.target, encoded.request.body, model=MODEL)
    return body, encoded.losses


def user(*parts: Part) -> Message:
    """A user's turn."""
    return Message("user", parts)
