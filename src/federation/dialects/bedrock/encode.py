"""From a canonical request to a request to Converse."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.absent import note_strange
from federation.dialects.bedrock.content import Writing
from federation.dialects.bedrock.forward import sent
from federation.dialects.bedrock.reasoning import Steering, steer
from federation.dialects.bedrock.tables import LOSSES, NAME, TIERS
from federation.dialects.bedrock.tools import Tooling, write_tools
from federation.dialects.bedrock.turns import write_turns
from federation.dialects.bedrock.wire import Wire
from federation.dialects.faces import Encoded
from federation.dialects.losses import Losses
from federation.schema.chat import ChatRequest, Sampling
from federation.schema.parts import Foreign, Refusal

_NEUTRAL_TIERS: Final = frozenset(("", "auto", "default", "standard", "standard_only"))
_PLAIN: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_MOST_PAIRS: Final = 16
_STOP_PATH: Final = ["/stop_sequence"]
_DROPPED: Final = ("min_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias")


def encode(wire: Wire, request: ChatRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what the loss table refuses."""
    losses = Losses(LOSSES)
    body = write_body(wire, request, losses)
    return Encoded(sent(wire, msgspec.json.encode(body), stream=request.stream), losses.found())


def write_body(wire: Wire, request: ChatRequest, losses: Losses) -> dict[str, Any]:
    """The members of the body."""
    own = request.dialect == NAME
    writing = Writing(wire, own, losses, skip=0 if own else _excess(wire, request))
    system, turns = write_turns(request, writing)
    tooling = write_tools(request, writing)
    steering = _steering(wire, request, writing, tooling, turns)
    _note_unsaid(request, losses)
    body: dict[str, Any] = {name: Raw(value) for name, value in wire.default.items()}
    body["messages"] = turns
    if system:
        body["system"] = system
    extra = dict(steering.extra)
    inference = _inference(wire, request, losses, steering, extra)
    if inference:
        body["inferenceConfig"] = inference
    if tooling.config is not None:
        body["toolConfig"] = tooling.config
    if request.service_tier in TIERS or (own and request.service_tier):
        body["serviceTier"] = {"type": request.service_tier}
    elif request.service_tier not in _NEUTRAL_TIERS:
        losses.note("service_tier", "service_tier")
    output = {"textFormat": tooling.text_format, "effort": steering.effort}
    if any(output.values()):
        body["outputConfig"] = {name: value for name, value in output.items() if value}
    _add_metadata(request, body, losses)
    _add_extras(request, own, body, extra, losses)
    for name, value in wire.set.items():
        body[name] = Raw(value)
    return _renamed(wire, body)


def _excess(wire: Wire, request: ChatRequest) -> int:
    """How many cache marks the call has beyond those that are taken."""
    marks = sum(tool.cache is not None for tool in request.tools)
    for message in request.messages:
        for part in message.parts:
            if not isinstance(part, Foreign | Refusal) and part.cache is not None:
                marks += 1
    return max(marks - wire.marks, 0)


def _steering(
    wire: Wire,
    request: ChatRequest,
    writing: Writing,
    tooling: Tooling,
    turns: list[dict[str, Any]],
) -> Steering:
    possible = writing.own or not tooling.forced
    if possible and wire.thinks.control in ("thinking", "budget"):
        possible = _has_reasoning(turns)
    return steer(
        request.reasoning,
        wire.thinks,
        writing.losses,
        own=writing.own,
        possible=possible,
        most=request.max_output,
    )


def _has_reasoning(turns: list[dict[str, Any]]) -> bool:
    """Whether a tool loop that goes on begins with its reasoning, which the vendor demands
    while thinking is on."""
    if len(turns) < 2 or not _holds(turns[-1], "toolResult"):
        return True
    first = turns[-2]["content"][0]
    return isinstance(first, dict) and "reasoningContent" in first


def _holds(turn: dict[str, Any], kind: str) -> bool:
    return any(isinstance(block, dict) and kind in block for block in turn["content"])


def _inference(
    wire: Wire, request: ChatRequest, losses: Losses, steering: Steering, extra: dict[str, Any]
) -> dict[str, Any]:
    sampling = request.sampling
    written: dict[str, Any] = {name: Raw(value) for name, value in wire.inference_default.items()}
    if steering.thinking:
        written.pop("temperature", None)
    if request.max_output is not None:
        written["maxTokens"] = request.max_output
    _add_sampling(wire, sampling, losses, steering.thinking, written)
    if sampling.top_k is not None:
        if wire.top_k and not steering.thinking and not wire.no_sampling:
            _put(extra, wire.top_k, sampling.top_k)
        elif request.dialect == NAME and "inferenceConfig" not in _makers(request):
            extra["top_k"] = sampling.top_k
        elif request.dialect != NAME:
            losses.note("top_k", "top_k")
    own = request.dialect == NAME
    stops = [stop for stop in sampling.stop if stop and (own or not stop.isspace())]
    if len(stops) != len(sampling.stop):
        losses.note("stop", "stop")
    if stops:
        written["stopSequences"] = stops
    for name, value in wire.inference_set.items():
        written[name] = Raw(value)
    return written


def _add_sampling(
    wire: Wire, sampling: Sampling, losses: Losses, thinking: bool, written: dict[str, Any]
) -> None:
    if sampling.temperature is not None:
        if "temperature" in wire.no_sampling or (thinking and sampling.temperature != 1):
            losses.note("temperature", "temperature")
        elif sampling.temperature > 1:
            losses.note("temperature", "temperature")
            written["temperature"] = 1.0
        else:
            written["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        if "topP" in wire.no_sampling or (thinking and sampling.top_p < 0.95):
            losses.note("top_p", "top_p")
        else:
            written["topP"] = sampling.top_p


def _put(members: dict[str, Any], way: tuple[str, ...], value: Any) -> None:
    for name in way[:-1]:
        members = members.setdefault(name, {})
    members[way[-1]] = value


def _note_unsaid(request: ChatRequest, losses: Losses) -> None:
    """Report what a request to Converse has no field for."""
    sampling = request.sampling
    for name in _DROPPED:
        if getattr(sampling, name) is not None:
            losses.note(name, name)
    if sampling.logprobs or sampling.top_logprobs:
        losses.note("logprobs", "logprobs")
    if sampling.choices is not None and sampling.choices > 1:
        losses.note("choices", "n")
    if request.verbosity and request.verbosity != "medium":
        losses.note("verbosity", "verbosity")
    if request.audio is not None or "audio" in request.modalities:
        losses.note("audio_output", "modalities")
    if request.user and request.dialect != NAME:
        losses.note("user", "user")
    if request.store:
        losses.note("store", "store")
    if request.cache_key:
        losses.note("cache_key", "prompt_cache_key")


def _add_metadata(request: ChatRequest, body: dict[str, Any], losses: Losses) -> None:
    pairs = request.metadata
    if not pairs:
        return
    good = len(pairs) <= _MOST_PAIRS and all(
        name and _PLAIN.fullmatch(name) and _PLAIN.fullmatch(value) for name, value in pairs.items()
    )
    if good:
        body["requestMetadata"] = pairs
    else:
        losses.note("metadata", "metadata")


def _add_extras(
    request: ChatRequest, own: bool, body: dict[str, Any], extra: dict[str, Any], losses: Losses
) -> None:
    if own:
        body.update(request.extra)
        extra |= _makers(request)
    else:
        note_strange(request, losses)
        if request.sampling.stop:
            body["additionalModelResponseFieldPaths"] = _STOP_PATH
    if extra:
        body["additionalModelRequestFields"] = extra


_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])


def _makers(request: ChatRequest) -> dict[str, Raw]:
    """What is left of a client's own `additionalModelRequestFields`."""
    raw = request.extra.get("additionalModelRequestFields")
    return _MEMBERS.decode(raw) if raw is not None else {}


def _renamed(wire: Wire, body: dict[str, Any]) -> dict[str, Any]:
    if not wire.drop and not wire.rename:
        return body
    return {
        wire.rename.get(name, name): value for name, value in body.items() if name not in wire.drop
    }
