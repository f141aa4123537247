"""How tokens are drawn: little of it can be said, and nothing to the newest models.

Older models take a temperature of 0 to 1 or a top_p, not both, and beside thinking only values
near the default. Rows of newer models say `sampling: drop`.

Reference: https://platform.claude.com/docs/en/build-with-claude/extended-thinking
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Raw

from federation.dialects.anthropic.reasoning import Plan
from federation.dialects.anthropic.tables import NAME
from federation.dialects.anthropic.wire import Wire
from federation.dialects.losses import Losses
from federation.schema.chat import ChatRequest, Sampling

_UNKNOWN: Final = ("min_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias")
_NOTHING: Final = Sampling()
_NARROW: Final = 0.95
"""The least top_p beside thinking."""


def sample(
    body: dict[str, Any], wire: Wire, request: ChatRequest, losses: Losses, thought: Plan
) -> None:
    """Put the sampling into the body, and note what has no place there."""
    sampling = request.sampling
    if sampling == _NOTHING and "temperature" not in wire.default:
        return
    own = request.dialect == NAME
    _temperature(body, wire, sampling, losses, thinks=thought.thinks, own=own)
    narrow = thought.thinks
    if sampling.top_p is not None:
        alone = own or "temperature" not in body or sampling.temperature is None
        if wire.sampling and alone and (not narrow or sampling.top_p >= _NARROW):
            if not own:
                body.pop("temperature", None)
            body["top_p"] = sampling.top_p
        elif sampling.top_p != 1:
            losses.note("top_p", "top_p")
    if sampling.top_k is not None:
        if wire.sampling and not narrow:
            body["top_k"] = sampling.top_k
        else:
            losses.note("top_k", "top_k")
    if sampling.stop:
        stops = [stop for stop in sampling.stop if stop.strip()]
        if len(stops) < len(sampling.stop):
            losses.note("stop", "stop")
        if stops:
            body["stop_sequences"] = stops
    _note_unknown(sampling, losses)


def _temperature(
    body: dict[str, Any],
    wire: Wire,
    sampling: Sampling,
    losses: Losses,
    *,
    thinks: bool,
    own: bool,
) -> None:
    temperature = sampling.temperature
    if temperature is None:
        if wire.sampling and not thinks and "temperature" in wire.default:
            body["temperature"] = Raw(wire.default["temperature"])
    elif not wire.sampling or thinks:
        # 1 is the default everywhere, so nothing is lost with it.
        if temperature != 1:
            losses.note("temperature", "temperature")
    elif temperature > 1 and not own:
        losses.note("temperature", "temperature")
        body["temperature"] = 1.0
    else:
        body["temperature"] = temperature


def _note_unknown(sampling: Sampling, losses: Losses) -> None:
    for name in _UNKNOWN:
        if getattr(sampling, name) is not None:
            losses.note(name, name)
    if sampling.logprobs or sampling.top_logprobs:
        losses.note("logprobs", "logprobs")
    if (sampling.choices or 1) > 1:
        losses.note("choices", "n")
