"""A canonical call as a request of this language.

The order in which the parts are written is the order of the prompt (tools, system, turns),
because of the vendor's limit of cache marks: the last ones are kept. What a row demands is
done last.

Reference: types.message_create_params of the official SDK 2.11
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.absent import note_strange
from federation.dialects.anthropic.forward import with_betas
from federation.dialects.anthropic.losses import DROPPED, LOSSES
from federation.dialects.anthropic.reasoning import Plan, plan
from federation.dialects.anthropic.sampling import sample
from federation.dialects.anthropic.schemas import fitted
from federation.dialects.anthropic.tables import ANSWER_TOOL, NAME
from federation.dialects.anthropic.tools import (
    answer_tool,
    answers_by_tool,
    bad_schema,
    choose,
    is_forced,
    offered,
    write_tool,
)
from federation.dialects.anthropic.turns import (
    is_begun,
    is_complete,
    rendered,
    simplified,
    write_turns,
)
from federation.dialects.anthropic.wire import Wire
from federation.dialects.anthropic.write import Writer
from federation.dialects.faces import Encoded
from federation.dialects.losses import Losses
from federation.dialects.row_changes import leave_out
from federation.schema.chat import ChatRequest
from federation.schema.http import WireRequest

_TIERS: Final = {
    "auto": "auto",
    "priority": "auto",
    "default": "standard_only",
    "standard": "standard_only",
    "standard_only": "standard_only",
}
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_VERSION: Final = "anthropic_version"
"""What clouds have in the body of every request, in the place of a header."""
_COUNTED: Final = frozenset(
    (
        "cache_control",
        "context_management",
        "mcp_servers",
        "messages",
        "model",
        "output_config",
        "output_format",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    )
)
"""Fields of a count; the vendor refuses others (types.beta.message_count_tokens_params)."""


def encode(wire: Wire, request: ChatRequest) -> Encoded:
    """Write a canonical call. Raises `InvalidRequest` for what the loss table refuses."""
    body, losses = write(wire, request)
    if request.stream:
        body["stream"] = True
    if wire.accepts is not None:
        body = {name: value for name, value in body.items() if name in wire.accepts}
    body.update({name: Raw(value) for name, value in wire.set.items()})
    sent = WireRequest(
        "POST",
        wire.origin,
        wire.stream_target if request.stream else wire.target,
        with_betas(wire, wire.streamed if request.stream else wire.whole, request.betas),
        msgspec.json.encode(body),
    )
    return Encoded(sent, losses.found())


def encode_count(wire: Wire, request: ChatRequest) -> Encoded:
    """Write the count of a canonical call's input; its model stands in the body at every host."""
    body, losses = write(wire, request)
    body = {name: value for name, value in body.items() if name in _COUNTED}
    body["model"] = Raw(wire.model)
    if _VERSION in wire.set:
        body[_VERSION] = Raw(wire.set[_VERSION])
    sent = WireRequest(
        "POST",
        wire.origin,
        wire.count_target,
        with_betas(wire, wire.whole, request.betas),
        msgspec.json.encode(body),
    )
    return Encoded(sent, losses.found())


def write(wire: Wire, request: ChatRequest) -> tuple[dict[str, Any], Losses]:
    """The body as an object, and what was left out."""
    losses = Losses(LOSSES)
    writer = Writer(wire, losses, own=request.dialect == NAME)
    tools = [write_tool(writer, wire, tool, i) for i, tool in enumerate(offered(request))]
    system, turns = write_turns(writer, wire, request.messages)
    forced = is_forced(request, tools)
    by_tool = answers_by_tool(wire, request, losses, tools)
    thought = plan(
        wire,
        request,
        losses,
        forced=forced or by_tool or is_begun(turns),
        complete=request.reasoning is None or is_complete(request.messages),
    )
    body: dict[str, Any] = {}
    if "model" not in wire.drop:
        body["model"] = Raw(wire.model)
    body["max_tokens"] = thought.max_tokens
    if system:
        body["system"] = simplified(system)
    body["messages"] = rendered(turns)
    if by_tool and request.format is not None:
        tools.append(answer_tool(request))
        body["tool_choice"] = {"type": "tool", "name": ANSWER_TOOL}
    elif tools:
        choose(body, wire, request, losses)
    if tools:
        body["tools"] = tools
    _think(body, request, thought, by_tool=by_tool)
    sample(body, wire, request, losses, thought)
    _rest(body, writer, request)
    writer.trim_marks(wire.marks - ("cache_control" in body))
    _apply_row(body, wire, losses)
    return body, losses


def _apply_row(body: dict[str, Any], wire: Wire, losses: Losses) -> None:
    leave_out(body, wire, losses, DROPPED)
    for name, new in wire.rename.items():
        if name in body:
            body[new] = body.pop(name)
    for name, value in wire.default.items():
        if name != "temperature":
            body.setdefault(name, Raw(value))


def _think(body: dict[str, Any], request: ChatRequest, thought: Plan, *, by_tool: bool) -> None:
    own = request.dialect == NAME
    config: dict[str, Any] = {}
    if own and "output_config" in request.extra:
        config.update(_OBJECT.decode(request.extra["output_config"]))
        config.pop("effort", None)
        config.pop("format", None)
    if thought.thinking is not None:
        raw = request.extra.get("thinking") if own else None
        same = raw is not None and thought.thinking["type"] != "enabled"
        body["thinking"] = raw if same else thought.thinking
    if thought.effort:
        config["effort"] = thought.effort
    wanted = request.format
    if wanted is not None and wanted.kind == "schema" and wanted.schema and not by_tool:
        try:
            schema = wanted.schema if own else fitted(wanted.schema)
        except (ValueError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise bad_schema("response_format") from None
        config["format"] = {"type": "json_schema", "schema": schema}
    if config:
        body["output_config"] = config


_MAPPED: Final = frozenset(("thinking", "output_config", "metadata"))


def _rest(body: dict[str, Any], writer: Writer, request: ChatRequest) -> None:
    losses = writer.losses
    if writer.own:
        body.update({name: raw for name, raw in request.extra.items() if name not in _MAPPED})
    else:
        note_strange(request, losses)
    if writer.own and "metadata" in request.extra:
        body["metadata"] = request.extra["metadata"]
    elif request.user:
        body["metadata"] = {"user_id": request.user}
    tier = request.service_tier
    if tier:
        known = _TIERS.get(tier) or (tier if writer.own else "")
        if known:
            body["service_tier"] = known
        else:
            losses.note("service_tier", "service_tier")
    spoken = "audio" in request.modalities or request.audio is not None
    for feature, said in (
        ("metadata", bool(request.metadata)),
        ("verbosity", bool(request.verbosity)),
        ("store", request.store is True),
        ("cache_key", bool(request.cache_key)),
        ("audio_output", spoken),
    ):
        if said:
            losses.note(feature, feature)
