"""From a canonical call to a provider's request.

The model and whether to stream stand in the path, so the body says neither. What the client's
dialect put into `extra` is written back where that dialect is this one, and is a loss
otherwise.

Reference: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.absent import note_strange
from federation.dialects.faces import Encoded
from federation.dialects.gemini.encode_config import write_config
from federation.dialects.gemini.encode_parts import Job, write_contents
from federation.dialects.gemini.encode_tools import write_choice, write_tools
from federation.dialects.gemini.losses import LOSSES
from federation.dialects.gemini.tables import NAME, TIERS
from federation.dialects.gemini.wire import Wire
from federation.dialects.gemini.write_parts import Json
from federation.dialects.losses import Losses
from federation.schema.chat import ChatRequest
from federation.schema.http import WireRequest

_OWN_TIERS: Final = {"auto": "unspecified", **TIERS}
_MERGED: Final = ("generationConfig", "toolConfig")


def encode(wire: Wire, request: ChatRequest) -> Encoded:
    """The request that asks a deployment for what a canonical call asks. Raises
    `InvalidRequest` for what the loss table refuses."""
    job = Job(wire, request, Losses(LOSSES), request.dialect == NAME)
    body = write_body(job)
    stream = request.stream
    return Encoded(
        WireRequest(
            "POST",
            wire.origin,
            wire.events if stream else wire.whole,
            wire.stream_headers if stream else wire.whole_headers,
            msgspec.json.encode(body),
        ),
        job.losses.found(),
    )


def write_body(job: Job) -> Json:
    """The body of a call."""
    request = job.request
    contents, system = write_contents(job)
    body: Json = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    tools = write_tools(job) if request.tools else []
    if tools:
        body["tools"] = tools
    choice = write_choice(job, tools)
    if choice:
        body["toolConfig"] = choice
    config = write_config(job, tools=bool(tools))
    if config:
        body["generationConfig"] = config
    _write_rest(job, body)
    return body


def _write_rest(job: Job, body: Json) -> None:
    """The call's own members, and what the row drops, adds and sets."""
    request, wire = job.request, job.wire
    if job.own:
        body.update({k: v for k, v in request.extra.items() if k not in _MERGED})
        if request.metadata:
            body["labels"] = request.metadata
        if request.store is not None:
            body["store"] = request.store
        if request.service_tier:
            body["serviceTier"] = _OWN_TIERS.get(request.service_tier, request.service_tier)
    else:
        _note_rest(job)
        if request.service_tier in TIERS:
            body["serviceTier"] = TIERS[request.service_tier]
    for name in wire.drop & body.keys():
        job.losses.note("tools" if name == "tools" else "unknown_field", name)
        del body[name]
    for name, value in wire.default.items():
        body.setdefault(name, Raw(value))
    for name, value in wire.set.items():
        body[name] = Raw(value)


def _note_rest(job: Job) -> None:
    request = job.request
    said: dict[str, Any] = {
        "user": request.user,
        "metadata": request.metadata,
        "store": request.store,
        "cache_key": request.cache_key,
    }
    for feature, value in said.items():
        if value:
            job.losses.note(feature, feature)
    if request.service_tier and request.service_tier not in (*TIERS, "auto"):
        job.losses.note("service_tier", "service_tier")
    note_strange(request, job.losses)
