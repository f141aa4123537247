"""From the canonical call to this dialect's body, and the least change that forwarding needs.

A forced tool cannot be named and a choice cannot be narrowed, but a tool that is not listed
cannot be called: so only the named or allowed tools are sent, which says the same.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from federation.dialects.absent import note_absent, note_strange
from federation.dialects.cohere.tables import DROPPED, LOSSES, NAME
from federation.dialects.cohere.turns_write import Turns
from federation.dialects.cohere.wire import Wire
from federation.dialects.faces import Encoded
from federation.dialects.function_tools import write_tool
from federation.dialects.losses import Losses
from federation.dialects.row_changes import apply_row, dropped, edits_of
from federation.dialects.splice import splice
from federation.schema.chat import (
    AUTO,
    NAMED,
    NONE,
    REQUIRED,
    ChatRequest,
    Reasoning,
    Sampling,
)
from federation.schema.glance import Glance
from federation.schema.http import WireRequest

_Body = dict[str, Any]
_MOST_STOPS: Final = 5
_MOST_K: Final = 500
_LEAST_P, _MOST_P = 0.01, 0.99


def encode(wire: Wire, request: ChatRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
    losses = Losses(LOSSES)
    own = request.dialect == NAME
    wish = request.reasoning
    thinks = wire.reasons and (wish is None or not wish.is_off)
    turns = Turns(request, wire, losses, thinks=thinks)
    body: _Body = {"model": wire.model, "messages": turns.messages}
    if request.stream:
        body["stream"] = True
    if request.tools or request.tool_choice is not None:
        _write_tools(body, request, losses, wire)
    if turns.documents:
        body["documents"] = turns.documents
        if not own and not turns.cited:
            body["citation_options"] = {"mode": "OFF"}
    if request.format is not None:
        _write_format(body, request, wire, losses)
    _write_sampling(body, request, wire, losses)
    if request.max_output is not None:
        body["max_tokens"] = request.max_output
    if request.reasoning is not None:
        _write_reasoning(body, request.reasoning, wire, losses, own=own)
    note_absent(request, losses)
    if own:
        body.update(request.extra)
    else:
        note_strange(request, losses)
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


def _write_tools(body: _Body, request: ChatRequest, losses: Losses, wire: Wire) -> None:
    tools = request.tools
    choice = request.tool_choice
    word = ""
    if choice is not None:
        if choice.mode == NAMED:
            tools = tuple(tool for tool in tools if tool.name == choice.name)
            if not tools:
                losses.note("tool_choice_named", "tool_choice")
        elif choice.allowed:
            tools = tuple(tool for tool in tools if tool.name in choice.allowed)
            if not tools:
                losses.note("tool_choice_allowed", "tool_choice")
        word = "" if choice.mode == AUTO else "NONE" if choice.mode == NONE else "REQUIRED"
    if tools:
        body["tools"] = [
            write_tool(tool, losses, index, own=request.dialect == NAME)
            for index, tool in enumerate(tools)
        ]
        strict = [tool.strict for tool in tools]
        if all(strict):
            body["strict_tools"] = True
        elif any(strict):
            losses.note("strict_tools", "tools")
        elif request.dialect == NAME and strict[0] is False:
            body["strict_tools"] = False
    if word and (tools or request.dialect == NAME):
        if wire.tool_choices is not None and word.lower() not in wire.tool_choices:
            losses.note(_choice_feature(choice.mode if choice else REQUIRED), "tool_choice")
        else:
            body["tool_choice"] = word


def _choice_feature(mode: str) -> str:
    return {NONE: "tool_choice_none", NAMED: "tool_choice_named"}.get(mode, "tool_choice_required")


def _write_format(body: _Body, request: ChatRequest, wire: Wire, losses: Losses) -> None:
    wanted = request.format
    if wanted is None:
        return
    if wanted.kind == "text":
        if request.dialect == NAME:
            body["response_format"] = {"type": "text"}
        return
    found: _Body = {"type": "json_object"}
    if wanted.kind == "schema" and wanted.schema is not None:
        if any(name in body for name in wire.schema_excludes):
            losses.note("json_schema", "response_format")
        found["json_schema"] = wanted.schema
    elif not wire.json_mode:
        losses.note("json_mode", "response_format")
    body["response_format"] = found


def _write_sampling(body: _Body, request: ChatRequest, wire: Wire, losses: Losses) -> None:
    given = request.sampling
    own = request.dialect == NAME
    if given.temperature is not None:
        highest = wire.temperature_max
        if highest is not None and given.temperature > highest:
            losses.note("temperature", "temperature")
            body["temperature"] = highest
        else:
            body["temperature"] = given.temperature
    if given.top_p is not None:
        # 1 means "all tokens" elsewhere and is out of range here; left out it would be 0.75.
        body["p"] = given.top_p if own else min(max(given.top_p, _LEAST_P), _MOST_P)
    if given.top_k is not None and (own or given.top_k >= 0):
        if given.top_k > _MOST_K and not own:
            losses.note("top_k", "top_k")
        body["k"] = given.top_k if own else min(given.top_k, _MOST_K)
    _write_penalty(body, "frequency_penalty", given.frequency_penalty, losses, own=own)
    _write_penalty(body, "presence_penalty", given.presence_penalty, losses, own=own)
    if given.logprobs is not None and (own or given.logprobs):
        body["logprobs"] = given.logprobs
    _write_drawing(body, given, losses, own=own)


def _write_drawing(body: _Body, given: Sampling, losses: Losses, *, own: bool) -> None:
    """Seed and stops, and what has no field."""
    if given.seed is not None:
        if given.seed < 0 and not own:
            losses.note("seed", "seed")
        else:
            body["seed"] = given.seed
    if given.stop:
        if len(given.stop) > _MOST_STOPS and not own:
            losses.note("stop_count", "stop")
        body["stop_sequences"] = given.stop if own else given.stop[:_MOST_STOPS]
    if given.top_logprobs:
        losses.note("logprobs", "top_logprobs")
    if given.min_p is not None:
        losses.note("min_p", "min_p")


def _write_penalty(
    body: _Body, name: str, value: float | None, losses: Losses, *, own: bool
) -> None:
    """Some models take only one of the two penalties, so a zero, which is the default, is not
    sent for a client that sends all its defaults."""
    if value is None or (not own and value == 0):
        return
    if not own and not 0 <= value <= 1:
        losses.note(name, name)
        value = min(max(value, 0.0), 1.0)
    body[name] = value


def _write_reasoning(
    body: _Body, wanted: Reasoning, wire: Wire, losses: Losses, *, own: bool
) -> None:
    if wanted.summary:
        losses.note("reasoning_summary", "reasoning")
    if wanted.is_off:
        if wire.always_reasons:
            losses.note("reasoning_off", "reasoning")
        elif wire.reasons or own:
            body["thinking"] = {"type": "disabled"}
        return
    asked = wanted.enabled or wanted.adaptive or wanted.effort or wanted.budget is not None
    if not asked:
        return
    if not wire.reasons and not own:
        losses.note("reasoning", "reasoning")
        return
    if wanted.effort:
        losses.note("reasoning_effort", "reasoning_effort")
    thinking: _Body = {"type": "enabled"}
    if wanted.budget is not None:
        if wanted.budget > 0 or own:
            thinking["token_budget"] = wanted.budget
        else:
            losses.note("reasoning_budget", "reasoning")
    body["thinking"] = thinking


def forward(wire: Wire, glance: Glance, body: bytes) -> WireRequest:
    """The request that asks a deployment for what the client's own body asks."""
    spans = glance.spans
    values = {"model": bytes(wire.model), **wire.set}
    values.update({name: value for name, value in wire.default.items() if name not in spans})
    return WireRequest(
        "POST",
        wire.origin,
        wire.target,
        wire.streamed if glance.stream else wire.whole,
        splice(body, spans, glance.end, edits_of(wire, spans, values, wire.rename)),
    )


def dropped_fields(wire: Wire, glance: Glance) -> tuple[str, ...]:
    """Fields of the client that this deployment does not take; for a warning header."""
    return dropped(wire, glance.spans)
