"""Reads `generationConfig`: sampling, limits, the answer's form and how much is thought.

Thinking is told by a level or counted in tokens: a budget of 0 switches it off, -1 leaves it
to the model. The answer's schema comes in the vendor's own form or as JSON Schema; the own
form is kept beside the converted one.

Reference: https://ai.google.dev/api/generate-content#generationconfig
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.names import tidy
from federation.dialects.gemini.read_parts import inner, string
from federation.dialects.gemini.schemas import json_schema
from federation.dialects.gemini.tables import CONFIG
from federation.dialects.tokenizer import Members, wrong_type
from federation.errors import InvalidRequest
from federation.schema.chat import OutputFormat, Reasoning, Sampling
from federation.schema.parts import Fields

_CONFIG: Final = "generationConfig"
_JSON: Final = "application/json"
_UNSPECIFIED: Final = "THINKING_LEVEL_UNSPECIFIED"
_SAMPLING: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "seed": "seed",
    "stopSequences": "stop",
    "responseLogprobs": "logprobs",
    "logprobs": "top_logprobs",
    "candidateCount": "choices",
}
_THOUGHT: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "includeThoughts": msgspec.json.Decoder(bool),
    "thinkingBudget": msgspec.json.Decoder(int, strict=False),
    "thinkingLevel": msgspec.json.Decoder(str),
}
_ELSEWHERE: Final = frozenset(
    (
        "maxOutputTokens",
        "responseJsonSchema",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "thinkingConfig",
    )
)


class Settings(msgspec.Struct, frozen=True):
    """What `generationConfig` says, in the canonical words."""

    sampling: Sampling = Sampling()
    max_output: int | None = None
    format: OutputFormat | None = None
    reasoning: Reasoning | None = None
    modalities: tuple[str, ...] = ()
    extra: Fields = {}


def read_config(raw: Raw | None) -> Settings:
    """Read a call's `generationConfig`. Raises `InvalidRequest` with the field."""
    if raw is None:
        return Settings()
    found = inner(raw, _CONFIG)
    extra: Members = {}
    drawn: dict[str, Any] = {}
    for name, value in found.items():
        if name in _SAMPLING:
            drawn[_SAMPLING[name]] = _value(name, value)
        elif name not in _ELSEWHERE:
            extra[name] = value
    if "top_k" in drawn:
        drawn["top_k"] = int(drawn["top_k"])
    if "stop" in drawn:
        stop = drawn["stop"]
        drawn["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    modes = found.get("responseModalities")
    limit = found.get("maxOutputTokens")
    return Settings(
        Sampling(**drawn),
        _value("maxOutputTokens", limit) if limit is not None else None,
        _read_format(found, extra),
        _read_thinking(found["thinkingConfig"]) if "thinkingConfig" in found else None,
        tuple(mode.lower() for mode in _value("responseModalities", modes)) if modes else (),
        extra,
    )


def _value(name: str, raw: Raw) -> Any:
    try:
        return CONFIG[name].decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{_CONFIG}.{name}") from None


def _read_format(found: Members, extra: Members) -> OutputFormat | None:
    mime = found.get("responseMimeType")
    kind = string(mime, _CONFIG, "responseMimeType") if mime is not None else ""
    own, schema = found.get("responseSchema"), found.get("responseJsonSchema")
    if own is not None and schema is not None:
        raise InvalidRequest(
            f"Send either '{_CONFIG}.responseSchema' or responseJsonSchema.",
            code="invalid_value",
            param=f"{_CONFIG}.responseSchema",
        )
    if kind not in ("", "text/plain", _JSON):
        # An enumeration as plain text: other dialects have nothing like it.
        extra |= {name: found[name] for name in _FORMAT if name in found}
        return None
    if own is not None:
        extra["responseSchema"] = own
        schema = json_schema(own, f"{_CONFIG}.responseSchema")
    if schema is not None:
        return OutputFormat("schema", schema)
    if not kind:
        return None
    return OutputFormat("json" if kind == _JSON else "text")


_FORMAT: Final = ("responseMimeType", "responseSchema", "responseJsonSchema")


def _read_thinking(raw: Raw) -> Reasoning:
    where = f"{_CONFIG}.thinkingConfig"
    values: dict[str, Any] = {}
    name = ""
    try:
        for name, value in tidy(inner(raw, where), where).items():
            if name in _THOUGHT:
                values[name] = _THOUGHT[name].decode(value)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{where}.{name}") from None
    budget = values.get("thinkingBudget")
    level = values.get("thinkingLevel", _UNSPECIFIED).upper()
    adaptive = budget is not None and budget < 0
    return Reasoning(
        effort="" if level == _UNSPECIFIED else level.lower(),
        budget=None if adaptive else budget,
        enabled=False if budget == 0 else None,
        adaptive=adaptive,
        show=values.get("includeThoughts"),
    )
