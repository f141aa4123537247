"""What a call says that a language has no field for, noted in one place."""

from __future__ import annotations

from typing import Final

from federation.dialects.losses import Losses
from federation.dialects.openai.words import NAME, REASONING_WORDS
from federation.schema.chat import ChatRequest

_FREE_TIERS: Final = frozenset(("", "auto", "default", "standard"))
"""Service tiers that are what everybody gets."""


def note_absent(request: ChatRequest, losses: Losses) -> None:
    """Note what is asked for beside the conversation. Raises as `Losses.note` does."""
    given = request.sampling
    if given.logit_bias is not None:
        losses.note("logit_bias", "logit_bias")
    if given.choices is not None and given.choices > 1:
        losses.note("choices", "n")
    if request.parallel_tools is False and request.tools:
        losses.note("parallel_tools", "parallel_tool_calls")
    if request.verbosity:
        losses.note("verbosity", "verbosity")
    if request.audio is not None or any(kind != "text" for kind in request.modalities):
        losses.note("audio_output", "modalities")
    if request.user:
        losses.note("user", "user")
    if request.metadata:
        losses.note("metadata", "metadata")
    if request.service_tier not in _FREE_TIERS:
        losses.note("service_tier", "service_tier")
    if request.store:
        losses.note("store", "store")
    if request.cache_key:
        losses.note("cache_key", "prompt_cache_key")


def note_strange(request: ChatRequest, losses: Losses) -> None:
    """Note a field that only the client's language knows. A host's word for reasoning and the
    second name of the end user's id are read into canonical fields as well, which tell of their
    own losses."""
    for name in request.extra:
        if request.dialect == NAME and (
            (name in REASONING_WORDS and request.reasoning is not None)
            or (name == "safety_identifier" and request.user)
        ):
            continue
        losses.note("unknown_field", name)
        return
