"""One answer, decided before its first byte: what is said, how it ends, how long it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from federation.errors import InvalidRequest
from federation.sandbox import answers
from federation.sandbox.asking import Asked
from federation.sandbox.profiles import SimModel
from federation.sandbox.tokens import pieces

_PREFILL_MS = 0.01
"""Reading one prompt token."""
_EVENT_S = 0.02
"""Faster models send several tokens in one event, as real ones do."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `n` answers."""

    pieces: tuple[str, ...]
    """Text tokens; of the arguments where tools are called."""
    finish: str
    """stop | length | tool_calls | content_filter"""
    calls: tuple[tuple[str, str, str], ...] = ()
    """(id, name, arguments)"""


@dataclass(frozen=True, slots=True)
class Script:
    """Everything about an answer that does not depend on the clock."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    include_usage: bool
    first_s: float
    """Until the first visible token, reasoning included."""
    token_s: float
    shows_reasoning: bool = False


def token_groups(script: Script, said: Sequence[str]) -> Iterator[tuple[int, str]]:
    """What each event of a stream adds, with how many tokens it is."""
    a_time = max(1, int(_EVENT_S / script.token_s)) if script.token_s else 1
    for start in range(0, len(said), a_time):
        group = said[start : start + a_time]
        yield len(group), "".join(group)


def write(asked: Asked, model: SimModel, *, time_scale: float = 1.0) -> Script:
    """Decide on an answer; `InvalidRequest` for what this model cannot be asked."""
    _check(asked, model)
    number = answers.digest(asked, model)
    thinking = model.reasoning_tokens if not asked.results else 0
    room = min(asked.limit or model.max_output, model.max_output)
    # A first try with a small limit should show an answer.
    thinking = min(thinking, room // 2)
    choices = tuple(_choice(asked, model, index, room - thinking) for index in range(asked.choices))
    said = sum(len(choice.pieces) for choice in choices)
    token_s = time_scale / model.tokens_per_s
    # Some jitter, drawn from the request: 80 to 120 % of the model's usual delay.
    first_s = model.first_token_ms / 1000 * (0.8 + 0.4 * (number % 1009) / 1009)
    first_s = (first_s + asked.input_tokens * _PREFILL_MS / 1000) * time_scale
    return Script(
        id=f"chatcmpl-sim{number:016x}",
        model=asked.model,
        choices=choices,
        input_tokens=asked.input_tokens,
        output_tokens=said + thinking * asked.choices,
        reasoning_tokens=thinking * asked.choices,
        include_usage=asked.include_usage,
        first_s=first_s + thinking * token_s,
        token_s=token_s,
        shows_reasoning=asked.reasoning and thinking > 0,
    )


def _check(asked: Asked, model: SimModel) -> None:
    if asked.images and "image" not in model.modalities:
        raise InvalidRequest(f"{model.id} does not accept images", param="messages")
    if asked.input_tokens > model.context:
        raise InvalidRequest(
            f"this model's maximum context length is {model.context} tokens, "
            f"your messages have {asked.input_tokens}",
            param="messages",
            code="context_length_exceeded",
        )
    if asked.limit is not None and asked.limit > model.max_output:
        raise InvalidRequest(
            f"max_tokens is too large: {model.id} writes at most {model.max_output}",
            param="max_tokens",
        )


def _choice(asked: Asked, model: SimModel, index: int, room: int) -> Choice:
    number = answers.digest(asked, model, index)
    calls = answers.calls(asked, number)
    if calls:
        said = [piece for _, _, arguments in calls for piece in pieces(arguments)]
        return Choice(tuple(said), "tool_calls", tuple(calls))
    text = answers.text(asked, model, number)
    for stop in asked.stops:
        text = text.partition(stop)[0]
    said = pieces(text)
    if len(said) > room:
        return Choice(tuple(said[:room]), "length")
    return Choice(tuple(said), "stop")
