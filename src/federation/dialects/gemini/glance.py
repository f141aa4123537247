"""Looks at a call without taking it apart: what routing, money and rules must know.

The model and the method come from the path. A `model` in the body is allowed where it says
the same, because a body that names another one would be read differently by two readers.
Governed members are found in both spellings, also inside `generationConfig`.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.gemini.contents import Tally, count_instruction, one_or_more, read_contents
from federation.dialects.gemini.names import camel, tidy
from federation.dialects.gemini.own import GeminiGlance
from federation.dialects.gemini.paths import COUNT, STREAM, asked, wants_events
from federation.dialects.gemini.tables import (
    CONFIG,
    CONFIG_FIELDS,
    FIELDS,
    FUNCTIONS,
    GOVERNED,
    LISTED,
)
from federation.dialects.malformed import missing, read_string
from federation.dialects.tokenizer import Members, layout, members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Glance, Span
from federation.schema.http import ClientRequest

_INT: Final = msgspec.json.Decoder(int, strict=False)
_NOTHING: Final[tuple[str, ...]] = ()
_WRAPPED: Final = "generateContentRequest"
_CONFIG: Final = "generationConfig"


def glance(request: ClientRequest) -> Glance:
    """Look at a call of any of the face's methods. Raises `InvalidRequest` with the field, and
    the byte where known; `PayloadTooLarge` for a body of too many values."""
    model, method = asked(request)
    laid, spans, end = layout(request.body)
    outer = tidy(laid, "")
    found = unwrapped(outer) if method == COUNT else outer
    _check_model(found, model)
    tally = _read_conversation(found)
    governed, unlisted = _read_fields(found)
    config, values = _read_config(found.get(_CONFIG))
    if not CONFIG_FIELDS.issuperset(config):
        more, strange = _judged(config, f"{_CONFIG}.", CONFIG_FIELDS)
        governed += more
        unlisted += strange
    tools, hosted = _read_tools(found.get("tools"))
    ask = read_ask(outer.get("federation"), request.headers)
    stream = method == STREAM
    return GeminiGlance(
        model,
        stream,
        stream,
        values.get("maxOutputTokens"),
        values.get("candidateCount") or 1,
        tally.messages,
        tally.text + (len(found["tools"]) if tools else 0),
        tally.images,
        tally.audio,
        tally.files,
        tools,
        _needs(found, config, tools, tally),
        governed + hosted + tuple(tally.governed),
        unlisted + tuple(dict.fromkeys(tally.unlisted)),
        ask,
        spans,
        end,
        ask.user,
        array=stream and not wants_events(request),
        config=frozenset(config),
        given=_given(spans),
    )


def _read_conversation(found: Members) -> Tally:
    raw = found.get("contents")
    if raw is None:
        raise missing("contents")
    tally = read_contents(raw)
    if "systemInstruction" in found:
        count_instruction(found["systemInstruction"], tally)
    return tally


def unwrapped(found: Members) -> Members:
    """The call that a request to count tokens is about: its own members, or a whole call in
    one of them. Raises `InvalidRequest` where it has both."""
    inner = found.get(_WRAPPED)
    if inner is None:
        return found
    if "contents" in found:
        raise InvalidRequest(
            f"Send either 'contents' or '{_WRAPPED}'.", code="invalid_value", param=_WRAPPED
        )
    return tidy(members(bytes(inner), _WRAPPED), _WRAPPED)


def _given(spans: dict[str, Span]) -> dict[str, str]:
    return {camel(name): name for name in spans if "_" in name}


def _check_model(found: Members, model: str) -> None:
    raw = found.get("model")
    if raw is None:
        return
    if read_string(raw, "model").removeprefix("models/") != model:
        raise InvalidRequest(
            "'model' in the body is not the model in the path. Name it in the path only.",
            code="invalid_value",
            param="model",
        )


def _read_fields(found: Members) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Check the body's members; the names of governed and of unlisted ones."""
    if LISTED.issuperset(found):
        return _NOTHING, _NOTHING
    name = ""
    try:
        for name, raw in found.items():
            decoder = FIELDS.get(name)
            if decoder is not None:
                decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, name) from None
    return _judged(found, "", FIELDS.keys() | LISTED)


def _judged(
    found: Members, prefix: str, known: AbstractSet[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of governed and of unlisted members."""
    names = [prefix + name for name in found]
    governed = tuple(
        name
        for name, raw in zip(names, found.values(), strict=True)
        if name in GOVERNED and not GOVERNED[name].allows(raw)
    )
    unlisted = tuple(
        prefix + name for name in found if name not in known and prefix + name not in GOVERNED
    )
    return governed, unlisted


def _read_config(raw: Raw | None) -> tuple[Members, dict[str, Any]]:
    if raw is None:
        return {}, {}
    found = tidy(members(bytes(raw), _CONFIG), _CONFIG)
    values: dict[str, Any] = {}
    name = ""
    try:
        for name, value in found.items():
            decoder = CONFIG.get(name)
            if decoder is not None:
                values[name] = decoder.decode(value)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{_CONFIG}.{name}") from None
    return found, values


def _read_tools(raw: Raw | None) -> tuple[int, tuple[str, ...]]:
    """How many tools there are, and the governed names of those that the host runs."""
    if raw is None:
        return 0, _NOTHING
    count = 0
    hosted: dict[str, None] = {}
    for index, tool in enumerate(one_or_more(raw, "tools")):
        where = f"tools[{index}]"
        for name, value in tidy(tool, where).items():
            if name == FUNCTIONS:
                count += len(one_or_more(value, f"{where}.{name}"))
            else:
                count += 1
                hosted[f"tools.{name[:64]}"] = None
    return count, tuple(hosted)


def _needs(found: Members, config: Members, tools: int, tally: Tally) -> tuple[str, ...]:
    needs = _NOTHING
    if tools:
        needs += ("tools",)
        if "toolConfig" in found and _is_forced(found["toolConfig"]):
            needs += ("forced_tools",)
    if "responseSchema" in config or "responseJsonSchema" in config:
        needs += ("json_schema",)
    if "thinkingConfig" in config and _is_thinking(config["thinkingConfig"]):
        needs += ("reasoning",)
    if tally.prefill:
        needs += ("prefill",)
    return needs


def _is_forced(raw: Raw) -> bool:
    where = "toolConfig"
    found = tidy(members(bytes(raw), where), where)
    calling = found.get("functionCallingConfig")
    if calling is None:
        return False
    where = "toolConfig.functionCallingConfig"
    mode = tidy(members(bytes(calling), where), where).get("mode")
    return mode is not None and read_string(mode, f"{where}.mode").upper() == "ANY"


def _is_thinking(raw: Raw) -> bool:
    where = f"{_CONFIG}.thinkingConfig"
    found = tidy(members(bytes(raw), where), where)
    budget = found.get("thinkingBudget")
    try:
        return "thinkingLevel" in found or (budget is not None and _INT.decode(budget) > 0)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{where}.thinkingBudget") from None
