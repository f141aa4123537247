"""Deployments, requests and comparisons for the tests of dialects that are not OpenAI's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, structs

from federation.dialects.faces import Prepare, StreamDecoder, Upstream
from federation.domain.catalogue import Ability, Auth, Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.schema.chat import ChatRequest, ChatResponse, Message, Tool
from federation.schema.chunks import Chunk, Collector
from federation.schema.http import ClientRequest
from federation.schema.parts import Foreign, Part, ToolResult

GOLDEN = Path(__file__).parents[1] / "golden"
Case = dict[str, Any]


def make_upstream(
    prepare: Prepare,
    dialect: str,
    *,
    quirks: dict[str, object] | None = None,
    model: str = "acme-large",
    base_url: str = "https://api.acme.test/v2",
    reasons: bool = True,
    context: int | None = None,
    settings: Settings | None = None,
    secret: str = "",
    auth: Auth | None = None,
) -> Upstream:
    """An upstream face for a row with the given quirks."""
    provider = Provider(
        "acme", "Acme", Tier.FRONTIER, dialect, base_url, auth=auth or Auth(), quirks=quirks or {}
    )
    abilities = frozenset({Ability.REASONING} if reasons else ())
    deployment = Deployment(
        f"acme/{model}",
        provider,
        Model(model, context=context, abilities=abilities),
        usable=True,
    )
    return prepare(
        deployment,
        settings or Settings(),
        headers=((b"authorization", b"Bearer key"),),
        query="",
        secret=secret,
        private=True,
    )


def client_request(
    body: bytes | Case, path: str, headers: dict[bytes, bytes] | None = None
) -> ClientRequest:
    """A call with this body."""
    rendered = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return ClientRequest("POST", path, "", headers or {}, rendered)


def golden(dialect: str, kind: str) -> dict[str, Case]:
    """The golden files of one kind, by name."""
    paths = sorted((GOLDEN / dialect).glob(f"{kind}_*.json"))
    assert paths
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths}


def plain(value: Any) -> Any:
    """A canonical object as JSON values, raw members included."""
    return json.loads(msgspec.json.encode(value))


def collected(dialect: str, chunks: list[Chunk]) -> ChatResponse:
    """The answer that chunks add up to."""
    collector = Collector(dialect)
    collector.add(chunks)
    return collector.response()


def fed(decoder: StreamDecoder, pieces: list[bytes]) -> list[Chunk]:
    """All chunks of a stream that arrives in these pieces."""
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.close()


def merged(chunks: list[Chunk]) -> Any:
    """Chunks as JSON values. Cuts between two reads change no chunk, so nothing is joined."""
    return [(type(chunk).__name__, plain(chunk)) for chunk in chunks]


def canonical(found: Case) -> ChatRequest:
    """A canonical call from its JSON form. Raw members that may be absent are put in apart."""
    body = json.loads(json.dumps(found))
    tools = body.pop("tools", [])
    wanted = body.get("format") or {}
    schema = wanted.pop("schema", None)
    extra = {name: _raw(value) for name, value in body.pop("extra", {}).items()}
    bias = body.get("sampling", {}).pop("logit_bias", None)
    messages = tuple(_message(message) for message in body.pop("messages"))
    request = msgspec.convert({**body, "messages": ()}, ChatRequest)
    changes: dict[str, Any] = {
        "extra": extra,
        "messages": messages,
        "tools": tuple(_tool(tool) for tool in tools),
    }
    if schema is not None and request.format is not None:
        changes["format"] = structs.replace(request.format, schema=_raw(schema))
    if bias is not None:
        changes["sampling"] = structs.replace(request.sampling, logit_bias=_raw(bias))
    return structs.replace(request, **changes)


def _message(found: Case) -> Message:
    parts = tuple(_part(part) for part in found.pop("parts"))
    extra = {name: _raw(value) for name, value in found.pop("extra", {}).items()}
    return structs.replace(
        msgspec.convert({**found, "parts": ()}, Message), parts=parts, extra=extra
    )


def _part(found: Case) -> Any:
    if found["type"] == "foreign":
        return Foreign(found["dialect"], _raw(found["raw"]))
    if found["type"] == "tool_result":
        inner = tuple(_part(part) for part in found.pop("parts", ()))
        return structs.replace(msgspec.convert(found, ToolResult), parts=inner)
    return msgspec.convert(found, Part)


def _tool(found: Case) -> Tool:
    raws = {name: _raw(found.pop(name)) for name in ("schema", "raw") if name in found}
    return structs.replace(msgspec.convert(found, Tool), **raws)


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))
