"""Probabilities of tokens, both ways.

Reference: https://ai.google.dev/api/generate-content#LogprobsResult
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.schema.chat import TokenLogprob, TopToken


class _Token(msgspec.Struct, rename="camel"):
    token: str | None = None
    log_probability: float | None = None


class _Top(msgspec.Struct):
    candidates: list[_Token] | None = None


class _Result(msgspec.Struct, rename="camel"):
    chosen_candidates: list[_Token] | None = None
    top_candidates: list[_Top] | None = None


_RESULT: Final = msgspec.json.Decoder(_Result)


def read_logprobs(raw: Raw) -> tuple[TokenLogprob, ...] | None:
    """The tokens of an answer with their probabilities; None where they cannot be read."""
    try:
        found = _RESULT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    tops = found.top_candidates or []
    return tuple(
        TokenLogprob(
            chosen.token or "",
            chosen.log_probability or 0.0,
            top=_top(tops[place]) if place < len(tops) else (),
        )
        for place, chosen in enumerate(found.chosen_candidates or ())
    )


def _top(step: _Top) -> tuple[TopToken, ...]:
    return tuple(
        TopToken(item.token or "", item.log_probability or 0.0) for item in step.candidates or ()
    )


def write_logprobs(tokens: Iterable[TokenLogprob]) -> dict[str, Any]:
    """Tokens with their probabilities in this dialect's words."""
    chosen: list[dict[str, Any]] = []
    tops: list[dict[str, Any]] = []
    for item in tokens:
        chosen.append({"token": item.token, "logProbability": item.logprob})
        tops.append(
            {"candidates": [{"token": t.token, "logProbability": t.logprob} for t in item.top]}
        )
    result: dict[str, Any] = {"chosenCandidates": chosen}
    if any(step["candidates"] for step in tops):
        result["topCandidates"] = tops
    return result
