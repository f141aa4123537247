"""Writes `generationConfig`: sampling, limits, the answer's form and how much is thought.

A level and a budget of thinking never go together: the API refuses that. Which of them a
model is asked with stands in its row.

Reference: https://ai.google.dev/api/generate-content#generationconfig and
https://ai.google.dev/gemini-api/docs/thinking
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.encode_parts import Job
from federation.dialects.gemini.tables import BUDGETS, SEEDS, STOPS
from federation.dialects.gemini.write_parts import Json
from federation.schema.chat import Reasoning, Sampling

_ORDER: Final = ("minimal", "low", "medium", "high", "xhigh", "max")
_LARGEST: Final = 24_576
"""Most tokens of thinking that every model with a budget takes."""
_DYNAMIC: Final = -1
_FEATURES: Final = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "seed": "seed",
    "stopSequences": "stop",
    "responseLogprobs": "logprobs",
    "logprobs": "logprobs",
    "maxOutputTokens": "output_limit",
    "thinkingConfig": "reasoning",
}
"""What it means that a row drops a field; `unknown_field` for the rest."""


def write_config(job: Job, *, tools: bool) -> Json:
    """The `generationConfig` of a call; empty where there is nothing to say."""
    request = job.request
    config = _sampling(job, request.sampling)
    if request.max_output is not None:
        config["maxOutputTokens"] = request.max_output
    if request.format is not None:
        _write_format(job, config, tools=tools)
    if request.reasoning is not None:
        thinking = _own(request.reasoning) if job.own else _thinking(job, request.reasoning)
        if thinking:
            config["thinkingConfig"] = thinking
    if request.modalities:
        if "audio" in request.modalities and not job.own:
            job.losses.note("audio_output", "modalities")
        if job.own or request.modalities != ("text",):
            config["responseModalities"] = [mode.upper() for mode in request.modalities]
    if request.verbosity:
        job.losses.note("verbosity", "verbosity")
    extra = request.extra.get("generationConfig") if job.own else None
    if extra is not None:
        config.update(msgspec.json.decode(extra, type=dict[str, Raw]))
        if "responseSchema" in config:
            config.pop("responseJsonSchema", None)
    return _fitted(job, config)


def _fitted(job: Job, config: Json) -> Json:
    """With what the row drops, adds and sets."""
    wire = job.wire
    for name in wire.config_drop & config.keys():
        if name != "candidateCount":
            job.losses.note(_FEATURES.get(name, "unknown_field"), name)
        elif config[name] != 1:
            job.losses.note("choices", name)
        del config[name]
    for name, value in wire.config_default.items():
        config.setdefault(name, Raw(value))
    for name, value in wire.config_set.items():
        config[name] = Raw(value)
    return config


def _sampling(job: Job, sampling: Sampling) -> Json:
    note = job.losses.note
    seed, stop = sampling.seed, sampling.stop
    if seed is not None and seed not in SEEDS:
        note("seed", "seed")
        seed = None
    if len(stop) > STOPS and not job.own:
        note("stop_count", "stop")
        stop = stop[:STOPS]
    if sampling.min_p is not None:
        note("min_p", "min_p")
    if sampling.logit_bias is not None:
        note("logit_bias", "logit_bias")
    choices = sampling.choices
    values = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "candidateCount": choices if job.own or choices != 1 else None,
        "stopSequences": list(stop) or None,
        "responseLogprobs": sampling.logprobs,
        "logprobs": sampling.top_logprobs if job.own or sampling.top_logprobs else None,
        "presencePenalty": sampling.presence_penalty,
        "frequencyPenalty": sampling.frequency_penalty,
        "seed": seed,
    }
    return {name: value for name, value in values.items() if value is not None}


def _write_format(job: Job, config: Json, *, tools: bool) -> None:
    form = job.request.format
    if form is None or (form.kind == "text" and not job.own):
        return
    if form.kind == "text":
        config["responseMimeType"] = "text/plain"
        return
    excluded = job.wire.excludes
    if (tools and "tools" in excluded) or (job.request.stream and "stream" in excluded):
        job.losses.note("json_schema" if form.kind == "schema" else "json_mode", "response_format")
    config["responseMimeType"] = "application/json"
    if form.schema is not None:
        config["responseJsonSchema"] = form.schema


def _own(reasoning: Reasoning) -> Json:
    """As the client of this dialect said it."""
    values: dict[str, Any] = {
        "includeThoughts": reasoning.show,
        "thinkingBudget": _DYNAMIC if reasoning.adaptive else reasoning.budget,
        "thinkingLevel": reasoning.effort.upper() or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _thinking(job: Job, reasoning: Reasoning) -> Json:
    if not job.wire.thinks:
        if not reasoning.is_off:
            job.losses.note("reasoning", "reasoning")
        return {}
    if reasoning.is_off:
        return _off(job)
    thinking: Json = {}
    if job.wire.budget:
        thinking["thinkingBudget"] = _budget(job, reasoning)
    elif reasoning.effort:
        level = _level(job, reasoning.effort)
        if level:
            thinking["thinkingLevel"] = level.upper()
    elif reasoning.budget is not None:
        thinking["thinkingBudget"] = _budget(job, reasoning)
    show = reasoning.show
    if show is None:
        show = reasoning.enabled is True or bool(reasoning.summary)
    if show:
        thinking["includeThoughts"] = True
    if reasoning.summary not in ("", "auto"):
        job.losses.note("reasoning_summary", "reasoning")
    return thinking


def _off(job: Job) -> Json:
    wire = job.wire
    if wire.budget and not wire.always_thinks:
        return {"thinkingBudget": 0}
    job.losses.note("reasoning_off", "reasoning")
    return {} if wire.budget else {"thinkingLevel": wire.levels[0].upper()}


def _budget(job: Job, reasoning: Reasoning) -> int:
    asked = reasoning.budget
    if asked is None:
        return BUDGETS.get(reasoning.effort, _DYNAMIC)
    if asked > _LARGEST:
        job.losses.note("reasoning_budget", "reasoning")
    return min(asked, _LARGEST)


def _level(job: Job, effort: str) -> str:
    """The level for an effort: itself, or the nearest below it that the row has."""
    levels = job.wire.levels
    if effort in levels:
        return effort
    if effort == _ORDER[-1]:
        return levels[-1]
    job.losses.note("reasoning_effort", "reasoning")
    if effort not in _ORDER:
        return ""
    below = [level for level in levels if level in _ORDER[: _ORDER.index(effort)]]
    return below[-1] if below else levels[0]
