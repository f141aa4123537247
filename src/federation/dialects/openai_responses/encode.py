"""Writes a canonical request as a body of this dialect, and forwards one that is it already.

The API keeps every answer for 30 days unless it is told not to, so `store` is always sent:
false, unless the call asked for true. Without the store reasoning survives only in its
encrypted form, so that is asked for wherever the model reasons.

Reference: https://platform.openai.com/docs/guides/your-data
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.absent import note_strange
from federation.dialects.faces import Encoded
from federation.dialects.losses import Losses
from federation.dialects.openai_responses.efforts import effort_of
from federation.dialects.openai_responses.encode_items import ItemEncoder
from federation.dialects.openai_responses.encode_tools import encode_tools
from federation.dialects.openai_responses.tables import (
    ENCRYPTED,
    LIMIT,
    LOGPROBS,
    LOSSES,
    NAME,
)
from federation.dialects.openai_responses.wire import Wire
from federation.dialects.openai_responses.write_items import Item
from federation.schema.chat import ChatRequest, OutputFormat, Sampling
from federation.schema.http import WireRequest

_TIERS: Final = {
    "auto": "auto",
    "default": "default",
    "standard": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "fast",
}
_SAMPLING: Final = (
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "logit_bias",
)
_NO_SAMPLING: Final = Sampling()
_FEATURES: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    LIMIT: "output_limit",
    "tools": "tools",
    "parallel_tool_calls": "parallel_tools",
    "reasoning": "reasoning",
    "top_logprobs": "logprobs",
    "user": "user",
    "metadata": "metadata",
    "service_tier": "service_tier",
    "prompt_cache_key": "cache_key",
}
"""Field to the feature that is lost where a row does not take it."""
_MERGED: Final = frozenset(("include", "text", "reasoning", "tool_choice"))
"""Extras that are written inside of another field."""
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_NAMES: Final = msgspec.json.Decoder(list[str])


def encode(wire: Wire, request: ChatRequest) -> Encoded:
    """The request that asks a deployment for what a canonical call asks.

    Raises `InvalidRequest` for what the loss table refuses.
    """
    losses = Losses(LOSSES)
    body = write_body(wire, request, losses)
    host = wire.host
    return Encoded(
        WireRequest(
            "POST",
            host.origin,
            host.target,
            host.streamed if request.stream else host.whole,
            msgspec.json.encode(body),
        ),
        losses.found(),
    )


def write_body(wire: Wire, request: ChatRequest, losses: Losses) -> Item:
    """The body of a call as an object, within what its row takes."""
    return _within_row(_body(wire, request, losses), wire, request, losses)


def _body(wire: Wire, request: ChatRequest, losses: Losses) -> Item:
    own = request.dialect == NAME
    writer = ItemEncoder(request, wire, losses)
    writer.encode(request.messages)
    body: Item = {"model": Raw(wire.host.model)} if wire.host.model else {}
    body["input"] = writer.items
    if writer.instructions:
        body["instructions"] = writer.instructions
    if request.stream:
        body["stream"] = True
    body["store"] = request.store is True
    body |= encode_tools(request, wire.host.row, losses)
    plain = {
        "parallel_tool_calls": request.parallel_tools,
        LIMIT: request.max_output,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "top_logprobs": request.sampling.top_logprobs,
        "metadata": request.metadata or None,
        "service_tier": _tier(request, losses),
        "prompt_cache_key": request.cache_key or None,
        "user": request.user or None,
        "include": _include(wire, request) or None,
        "text": _text(request) or None,
        "reasoning": _reasoning(wire, request, losses) or None,
    }
    body.update({name: value for name, value in plain.items() if value is not None})
    _note_sampling(request.sampling, losses)
    if "audio" in request.modalities:
        losses.note("audio_output", "modalities")
    if own:
        extra = request.extra
        body.update({name: raw for name, raw in extra.items() if name not in _MERGED})
    else:
        note_strange(request, losses)
    return body


def _note_sampling(sampling: Sampling, losses: Losses) -> None:
    if sampling == _NO_SAMPLING:
        return
    for name in _SAMPLING:
        if getattr(sampling, name) is not None:
            losses.note(name, name)
    if sampling.stop:
        losses.note("stop", "stop")
    if sampling.choices is not None and sampling.choices > 1:
        losses.note("choices", "n")


def _tier(request: ChatRequest, losses: Losses) -> str | None:
    tier = request.service_tier
    if not tier or request.dialect == NAME:
        return tier or None
    known = _TIERS.get(tier)
    if known is None:
        losses.note("service_tier", "service_tier")
    return known


def _include(wire: Wire, request: ChatRequest) -> list[str]:
    names = [ENCRYPTED] if wire.seals else []
    if request.sampling.logprobs:
        names.append(LOGPROBS)
    if request.dialect == NAME and "include" in request.extra:
        names += _NAMES.decode(request.extra["include"])
    return names


def _text(request: ChatRequest) -> Item:
    found: Item = {}
    if request.format is not None:
        found["format"] = format_item(request.format)
    if request.verbosity:
        found["verbosity"] = request.verbosity
    return found | _unread(request, "text")


def format_item(wanted: OutputFormat) -> Item:
    """What the answer's text must be."""
    if wanted.kind != "schema":
        return {"type": "json_object" if wanted.kind == "json" else "text"}
    found: Item = {
        "type": "json_schema",
        "name": wanted.name or "answer",
        "schema": wanted.schema if wanted.schema is not None else {},
    }
    if wanted.description:
        found["description"] = wanted.description
    if wanted.strict is not None:
        found["strict"] = wanted.strict
    return found


def _reasoning(wire: Wire, request: ChatRequest, losses: Losses) -> Item:
    found: Item = {}
    wanted = request.reasoning
    if wanted is not None:
        effort = effort_of(wanted, wire.host.row, losses)
        if effort:
            found["effort"] = effort
        # Who switches reasoning on in another dialect is shown it there.
        asked = wanted.enabled is True and not wanted.is_off
        shown = asked if wanted.show is None else wanted.show
        summary = wanted.summary or ("auto" if shown else "")
        if summary:
            found["summary"] = summary
    return found | _unread(request, "reasoning")


def _unread(request: ChatRequest, name: str) -> dict[str, Raw]:
    """What the client wrote in an object beside what the canonical form holds."""
    if request.dialect != NAME or name not in request.extra:
        return {}
    return _MEMBERS.decode(request.extra[name])


def _within_row(body: Item, wire: Wire, request: ChatRequest, losses: Losses) -> Item:
    """The body with what the row drops, renames, defaults and sets."""
    host = wire.host
    if host.drop or host.accepts is not None:
        for name in [name for name in body if name in host.drop or _is_alien(wire, name)]:
            _note_dropped(name, body, request, losses)
            del body[name]
    for name, value in host.default.items():
        if name not in body and not _is_alien(wire, name):
            body[name] = Raw(value)
    for name, value in host.set.items():
        if not _is_alien(wire, name):
            body[name] = Raw(value)
    for name, new in host.rename.items():
        if name in body and new not in body:
            body[new] = body.pop(name)
    return body


def _is_alien(wire: Wire, name: str) -> bool:
    return wire.host.accepts is not None and name not in wire.host.accepts


def _note_dropped(name: str, body: dict[str, Any], request: ChatRequest, losses: Losses) -> None:
    feature = _FEATURES.get(name)
    if feature is not None:
        losses.note(feature, name)
    elif name == "text":
        _note_text(request, losses)
    elif name == "tool_choice":
        _note_choice(request, losses)
    elif name == "store":
        if request.store:
            losses.note("store", name)
    elif name == "include":
        if request.sampling.logprobs:
            losses.note("logprobs", name)
    elif name == "instructions":
        # Only a row that can do without them says so; the words then stand in the input.
        body["input"].insert(0, {"role": "system", "content": body["instructions"]})
    elif name != "stream":
        losses.note("unknown_field", name)


def _note_text(request: ChatRequest, losses: Losses) -> None:
    wanted = request.format
    if wanted is not None and wanted.kind != "text":
        losses.note("json_schema" if wanted.kind == "schema" else "json_mode", "text.format")
    if request.verbosity:
        losses.note("verbosity", "text.verbosity")


def _note_choice(request: ChatRequest, losses: Losses) -> None:
    choice = request.tool_choice
    if choice is not None and choice.mode in ("required", "named"):
        losses.note(f"tool_choice_{choice.mode}", "tool_choice")
