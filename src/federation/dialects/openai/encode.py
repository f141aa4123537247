"""Writes a canonical call as a request that one row takes.

What the language or the row cannot say is noted and reported; a row's renames, defaults and
fixed values are applied last, to whatever was written, as they are to a forwarded body.

Reference: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.faces import Encoded
from federation.dialects.losses import Losses
from federation.dialects.openai.call_ids import ShortIds
from federation.dialects.openai.encode_messages import write_messages
from federation.dialects.openai.encode_parts import Target
from federation.dialects.openai.encode_tools import write_format, write_tools
from federation.dialects.openai.reasoning import write_reasoning
from federation.dialects.openai.tables import FIELDS, LOSSES
from federation.dialects.openai.wire import Wire
from federation.dialects.openai.words import NAME, REASONING_WORDS
from federation.errors import InvalidRequest
from federation.schema.chat import ASSISTANT, ChatRequest, Sampling
from federation.schema.http import WireRequest

_TIERS: Final = {
    "auto": "auto",
    "default": "default",
    "standard": "default",
    "standard_only": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "fast",
}
"""Service tiers of all languages to this one's."""
_MOST_STOPS: Final = 4
_RELATED: Final = ("openai_responses",)
"""Other languages of the same vendor: metadata, tiers and voices mean the same in them."""
_FEATURES: Final = {
    "max_tokens": "output_limit",
    "max_completion_tokens": "output_limit",
    "top_logprobs": "logprobs",
    "n": "choices",
    "tools": "tools",
    "parallel_tool_calls": "parallel_tools",
    "reasoning_effort": "reasoning_effort",
    "thinking": "reasoning",
    "enable_thinking": "reasoning",
    "reasoning": "reasoning",
    "chat_template_kwargs": "reasoning",
    "prompt_cache_key": "cache_key",
    "audio": "audio_output",
    "modalities": "audio_output",
}
"""Fields to the features that they say, where the names differ."""
_SILENT: Final = frozenset(("stream_options", "stream"))
_CHOICES: Final = {"auto": "", "none": "tool_choice_none", "required": "tool_choice_required"}
_NAMES: Final = msgspec.json.Decoder(dict[str, Raw])


def encode(wire: Wire, request: ChatRequest) -> Encoded:
    """The request for a deployment, and what was left out of it.

    Raises `InvalidRequest` for what the loss table refuses.
    """
    losses = Losses(LOSSES)
    try:
        body = msgspec.json.encode(write_fields(wire, request, losses))
    except RecursionError:
        raise InvalidRequest("The call's JSON is nested too deeply.", code="invalid_json") from None
    stream = request.stream
    return Encoded(
        WireRequest(
            "POST",
            wire.origin,
            wire.stream_target if stream else wire.target,
            wire.streamed if stream else wire.whole,
            body,
        ),
        losses.found(),
    )


def write_fields(wire: Wire, request: ChatRequest, losses: Losses) -> dict[str, Any]:
    """The members of the request's body, after all that the row asks for."""
    row = wire.row
    own = request.dialect == NAME
    asked = request.reasoning
    target = Target(
        row,
        losses,
        own,
        thinks=asked is None or not asked.is_off,
        ids=ShortIds() if row.short_ids else None,
        marks=row.cache_marks,
    )
    fields: dict[str, Any] = {"model": Raw(wire.model)} if wire.model else {}
    fields["messages"] = write_messages(request.messages, target)
    if request.begun or not own:
        _go_on(request, target, fields)
    if request.stream:
        fields["stream"] = True
        _ask_usage(wire, request, own, fields)
    if request.tools or request.tool_choice is not None:
        fields |= write_tools(request, target)
    if request.format is not None:
        form = write_format(request.format, request, target)
        if form is not None:
            fields["response_format"] = form
    if request.max_output is not None:
        fields[wire.limit or "max_tokens"] = request.max_output
    _write_sampling(request, target, wire, fields)
    if asked is not None:
        fields |= _reasoning(wire, request, target)
    _write_call(request, own, losses, fields)
    if request.modalities or request.audio is not None:
        _write_forms(request, own, losses, fields)
    if request.extra:
        _write_extras(wire, request, own, losses, fields)
    return _for_row(wire, fields, losses)


def _go_on(request: ChatRequest, target: Target, fields: dict[str, Any]) -> None:
    """A last turn of the assistant is the beginning of the answer, in other languages unasked.
    Where this one says so depends on the host."""
    if not request.messages or request.messages[-1].role != ASSISTANT:
        return
    written, way = fields["messages"], target.row.prefill
    last = written[-1] if written else {}
    goes_on = last.get("role") == ASSISTANT and last["content"] and "tool_calls" not in last
    if goes_on and way == "prefix":
        last["prefix"] = True
    elif goes_on and way == "continue":
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    elif not target.own:
        target.losses.note("prefill", f"messages[{len(request.messages) - 1}]")


def _ask_usage(wire: Wire, request: ChatRequest, own: bool, fields: dict[str, Any]) -> None:
    options: dict[str, Any] = {}
    if own and "stream_options" in request.extra:
        options.update(_NAMES.decode(request.extra["stream_options"]))
    if wire.stream_option:
        options["include_usage"] = True
    if options:
        fields["stream_options"] = options


def _write_sampling(
    request: ChatRequest, target: Target, wire: Wire, fields: dict[str, Any]
) -> None:
    sampling, row, losses = request.sampling, target.row, target.losses
    if sampling == _UNSAID:
        return
    temperature = sampling.temperature
    most = row.temperature_max
    if temperature is not None and most is not None and temperature > most:
        temperature = most
        if "temperature" not in wire.drop:
            losses.note("temperature", "temperature")
    said: dict[str, Any] = {
        "temperature": temperature,
        "top_p": sampling.top_p,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "seed": sampling.seed,
        "logit_bias": sampling.logit_bias,
        "logprobs": sampling.logprobs,
        "top_logprobs": sampling.top_logprobs,
        "stop": _stops(sampling, target),
        "n": sampling.choices,
    }
    for name, value in (("top_k", sampling.top_k), ("min_p", sampling.min_p)):
        if value is not None:
            if target.own or name in wire.known:
                said[name] = value
            else:
                losses.note(name, name)
    if sampling.choices is not None and row.single_choice:
        del said["n"]
        if sampling.choices > 1:
            losses.note("choices", "n")
    fields.update({name: value for name, value in said.items() if value is not None})


_UNSAID: Final = Sampling()


def _stops(sampling: Sampling, target: Target) -> list[str] | str | None:
    stop = sampling.stop
    if len(stop) > _MOST_STOPS and not target.own:
        target.losses.note("stop_count", "stop")
        stop = stop[:_MOST_STOPS]
    if len(stop) == 1:
        return stop[0]
    return list(stop) or None


def _reasoning(wire: Wire, request: ChatRequest, target: Target) -> dict[str, Any]:
    """What asks for reasoning. A row that says nothing of it gets the words of a caller who
    speaks this language, for they may know the host better than its row."""
    asked = request.reasoning
    if asked is None:
        return {}
    if target.own and wire.unsteered:
        words = {name: raw for name, raw in request.extra.items() if name in REASONING_WORDS}
        said = any(b"effort" in bytes(raw) for raw in words.values())
        effort = {"reasoning_effort": asked.effort} if asked.effort and not said else {}
        if words or effort:
            return effort | words
    written = write_reasoning(asked, target.row, target.losses)
    kwargs = request.extra.get("chat_template_kwargs") if target.own else None
    if kwargs is not None and "chat_template_kwargs" in written:
        inner = written["chat_template_kwargs"]
        written["chat_template_kwargs"] = {**_NAMES.decode(kwargs), **inner}
    return written


def _write_call(request: ChatRequest, own: bool, losses: Losses, fields: dict[str, Any]) -> None:
    """Fields about the call itself: who it is for, how it is kept and billed."""
    if request.user and not (own and "safety_identifier" in request.extra):
        fields["user"] = request.user
    if request.verbosity:
        fields["verbosity"] = request.verbosity
    if request.cache_key:
        fields["prompt_cache_key"] = request.cache_key
    if request.metadata:
        if own or request.dialect in _RELATED:
            fields["metadata"] = request.metadata
        else:
            losses.note("metadata", "metadata")
    if request.store is not None:
        if own:
            fields["store"] = request.store
        elif request.store:
            losses.note("store", "store")
    if request.service_tier:
        tier = request.service_tier if own else _TIERS.get(request.service_tier)
        if tier is not None:
            fields["service_tier"] = tier
        else:
            losses.note("service_tier", "service_tier")


def _write_forms(request: ChatRequest, own: bool, losses: Losses, fields: dict[str, Any]) -> None:
    """The forms of the answer besides text."""
    vendor = own or request.dialect in _RELATED
    if "audio" in request.modalities and not vendor:
        losses.note("audio_output", "modalities")
    if request.modalities and (own or request.modalities != ("text",)):
        fields["modalities"] = list(request.modalities)
    if request.audio is not None and vendor:
        fields["audio"] = request.audio


def _write_extras(
    wire: Wire, request: ChatRequest, own: bool, losses: Losses, fields: dict[str, Any]
) -> None:
    if not own:
        losses.note("unknown_field", next(iter(request.extra)))
        return
    row = wire.row
    strange: dict[str, Any] = {}
    for name, raw in request.extra.items():
        if name in fields or (name in REASONING_WORDS and request.reasoning is not None):
            continue
        if name in FIELDS:
            fields[name] = raw
        elif row.strangers or row.extra_field:
            strange[name] = raw
        else:
            losses.note("unknown_field", name)
    if row.extra_field and strange:
        fields[row.extra_field] = strange
    else:
        fields.update(strange)


def _for_row(wire: Wire, fields: dict[str, Any], losses: Losses) -> dict[str, Any]:
    """What the row drops, renames, adds and sets."""
    if not wire.drop.isdisjoint(fields):
        for name in [name for name in fields if name in wire.drop]:
            _lose(name, fields.pop(name), losses)
    if wire.rename:
        for name, other in wire.rename.items():
            if name in fields:
                value = fields.pop(name)
                fields.setdefault(other, value)
    for name, value in wire.default.items():
        names = wire.limits if name in wire.limits else (name,)
        if not any(other in fields for other in names):
            fields[name] = Raw(value)
    for name, value in wire.set.items():
        fields[name] = Raw(value)
    if wire.accepts is not None:
        for name in [name for name in fields if name not in wire.accepts]:
            _lose(name, fields.pop(name), losses)
    return fields


def _lose(name: str, value: Any, losses: Losses) -> None:
    if name in _SILENT or (name == "n" and value == 1):
        return
    feature = _FEATURES.get(name, name)
    if name == "tool_choice":
        feature = _CHOICES.get(value if isinstance(value, str) else "", "tool_choice_named")
    elif name == "response_format":
        kind = value.get("type") if isinstance(value, dict) else ""
        feature = {"json_schema": "json_schema", "json_object": "json_mode"}.get(str(kind), "")
    if feature:
        losses.note(feature if feature in LOSSES else "unknown_field", name)
