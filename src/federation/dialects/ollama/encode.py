"""From the canonical call to this dialect's body, and the least change that forwarding needs.

Forbidding tools is leaving them out, and narrowing the choice is leaving some out; forcing a
call cannot be said at all.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.absent import note_absent, note_strange
from federation.dialects.faces import Encoded
from federation.dialects.function_tools import write_tool
from federation.dialects.losses import Losses
from federation.dialects.ollama.context import context_for
from federation.dialects.ollama.tables import DROPPED, LEVELS, LOSSES, NULL, OWN
from federation.dialects.ollama.turns_write import Turns
from federation.dialects.ollama.wire import Wire
from federation.dialects.row_changes import apply_row, dropped, edits_of
from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.schema.chat import NAMED, NONE, REQUIRED, ChatRequest, Reasoning
from federation.schema.glance import Edits, Glance
from federation.schema.http import WireRequest

_Body = dict[str, Any]
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_MOST_ALTERNATIVES: Final = 20
_EFFORTS: Final = {"minimal": "low", "xhigh": "max", "max": "max"}


def encode(wire: Wire, request: ChatRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
    losses = Losses(LOSSES)
    own = request.dialect in OWN
    turns = Turns(request, losses)
    body: _Body = {"model": wire.model, "messages": turns.messages, "stream": request.stream}
    tools = _tools(request, losses)
    if tools:
        body["tools"] = tools
    if request.format is not None:
        _write_format(body, request, wire, losses)
    if request.reasoning is not None:
        _write_reasoning(body, request.reasoning, wire, losses, own=own)
    _write_logprobs(body, request, losses)
    options = _options(request, wire, losses, own=own)
    _write_context(options, request, wire, turns)
    note_absent(request, losses)
    if own:
        body.update(request.extra)
    else:
        note_strange(request, losses)
    body.pop("options", None)
    if options:
        body["options"] = options
    apply_row(body, wire, losses, DROPPED)
    return Encoded(
        WireRequest(
            "POST",
            wire.origin,
            wire.target,
            wire.streamed if request.stream else wire.whole,
            msgspec.json.encode(body),
        ),
        losses.found(),
    )


def _tools(request: ChatRequest, losses: Losses) -> list[Any]:
    tools = request.tools
    choice = request.tool_choice
    if choice is not None:
        if choice.mode == NONE:
            return []
        if choice.mode == NAMED:
            losses.note("tool_choice_named", "tool_choice")
        if choice.mode == REQUIRED:
            losses.note("tool_choice_required", "tool_choice")
        if choice.allowed:
            tools = tuple(tool for tool in tools if tool.name in choice.allowed)
            if not tools:
                losses.note("tool_choice_allowed", "tool_choice")
    if any(tool.strict for tool in tools):
        losses.note("strict_tools", "tools")
    own = request.dialect in OWN
    return [write_tool(tool, losses, index, own=own) for index, tool in enumerate(tools)]


def _write_format(body: _Body, request: ChatRequest, wire: Wire, losses: Losses) -> None:
    wanted = request.format
    if wanted is None or wanted.kind == "text":
        return
    if wanted.kind == "schema" and wanted.schema is not None:
        body["format"] = wanted.schema
        return
    if not wire.json_mode:
        losses.note("json_mode", "response_format")
    body["format"] = "json"


def _write_reasoning(
    body: _Body, wanted: Reasoning, wire: Wire, losses: Losses, *, own: bool
) -> None:
    if own:
        body["think"] = wanted.effort or wanted.enabled
        return
    if wanted.summary:
        losses.note("reasoning_summary", "reasoning")
    if wanted.is_off:
        if wire.always_reasons:
            losses.note("reasoning_off", "reasoning")
        elif wire.reasons:
            body["think"] = False
        return
    if wanted.budget is not None:
        losses.note("reasoning_budget", "reasoning")
    if not (wanted.enabled or wanted.adaptive or wanted.effort or wanted.budget is not None):
        return
    if not wire.reasons:
        losses.note("reasoning", "reasoning")
        return
    body["think"] = _think(wanted.effort, wire, losses)


def _think(effort: str, wire: Wire, losses: Losses) -> bool | str:
    """A level where the row says that the model takes levels, else only that it is to think."""
    if not effort:
        return True
    level = _EFFORTS.get(effort, effort)
    if level == "max" and level not in wire.levels:
        level = "high"
    if level in wire.levels and level in LEVELS:
        return level
    losses.note("reasoning_effort", "reasoning_effort")
    return True


def _options(request: ChatRequest, wire: Wire, losses: Losses, *, own: bool) -> _Body:
    given = request.sampling
    options: _Body = {}
    rest = request.extra.get("options") if own else None
    if rest is not None:
        options.update(_OBJECT.decode(rest))
    for name in (
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
    ):
        value = getattr(given, name)
        if value is None:
            continue
        if name in wire.drop_options:
            losses.note(name, name)
            continue
        options[name] = value
    highest = wire.temperature_max
    if highest is not None and options.get("temperature", 0) > highest:
        losses.note("temperature", "temperature")
        options["temperature"] = highest
    if given.temperature is None and wire.temperature is not None:
        options["temperature"] = wire.temperature
    if given.seed is not None:
        options["seed"] = given.seed
    if given.stop:
        options["stop"] = given.stop
    limit = request.max_output
    if limit is None and "num_predict" not in options:
        limit = wire.max_output
    if limit is not None:
        options["num_predict"] = limit
    return options


def _write_context(options: _Body, request: ChatRequest, wire: Wire, turns: Turns) -> None:
    name = wire.context_option
    if not name or name in options:
        return
    text = turns.text + sum(
        len(tool.description) + (len(tool.schema) if tool.schema is not None else 0)
        for tool in request.tools
    )
    limit = options.get("num_predict")
    size = context_for(
        text,
        len(turns.messages),
        turns.images,
        limit if isinstance(limit, int) else None,
        wire.context,
    )
    if size is not None:
        options[name] = size


def _write_logprobs(body: _Body, request: ChatRequest, losses: Losses) -> None:
    given = request.sampling
    if given.logprobs is not None:
        body["logprobs"] = given.logprobs
    if given.top_logprobs is not None:
        if given.top_logprobs > _MOST_ALTERNATIVES:
            losses.note("logprobs", "top_logprobs")
        body["top_logprobs"] = min(given.top_logprobs, _MOST_ALTERNATIVES)


def forward(wire: Wire, glance: Glance, body: bytes) -> WireRequest:
    """The request that asks a deployment for what the client's own body asks."""
    spans = glance.spans
    values = {"model": bytes(wire.model), **wire.set}
    values.update({name: value for name, value in wire.default.items() if name not in spans})
    if wire.touches_options:
        options = _forwarded_options(wire, glance, body)
        if options:
            values["options"] = options
    return WireRequest(
        "POST",
        wire.origin,
        wire.target,
        wire.streamed if glance.stream else wire.whole,
        splice(body, spans, glance.end, edits_of(wire, spans, values, wire.rename)),
    )


def _forwarded_options(wire: Wire, glance: Glance, body: bytes) -> bytes:
    """The client's options with what the row and the operator add; empty where nothing is."""
    span = glance.spans.get("options")
    text = body[span.value : span.end] if span is not None else b"{}"
    found, spans, end = layout(text if text != b"null" else b"{}")
    added: dict[str, bytes] = {}
    if wire.max_output is not None and found.get("num_predict", NULL) == NULL:
        added["num_predict"] = b"%d" % wire.max_output
    if wire.temperature is not None and found.get("temperature", NULL) == NULL:
        added["temperature"] = msgspec.json.encode(wire.temperature)
    name = wire.context_option
    if name and found.get(name, NULL) == NULL:
        limit = glance.max_output or wire.max_output
        size = context_for(glance.text_bytes, glance.messages, glance.images, limit, wire.context)
        if size is not None:
            added[name] = b"%d" % size
    gone = tuple(name for name in found if name in wire.drop_options)
    if not added and not gone:
        return b""
    return splice(text if text != b"null" else b"{}", spans, end, Edits(added, gone))


def dropped_fields(wire: Wire, glance: Glance) -> tuple[str, ...]:
    """Fields of the client that this deployment does not take; for a warning header. An option
    that goes is not told apart from the others here."""
    gone = dropped(wire, glance.spans)
    if wire.drop_options and "options" in glance.spans and "options" not in gone:
        gone += ("options",)
    return gone
