"""What a call uses before anybody has said so: what to expect, and what it cannot exceed.

Units are facts about the call (pictures, characters, seconds, searches); which of them cost
anything is the price's business. Reference for a search: one query with up to 100 documents,
documents above 500 tokens being cut into several
(https://docs.cohere.com/docs/how-does-cohere-pricing-work).
"""

from __future__ import annotations

import math
from typing import Final

from federation.schema.operations import (
    AUDIO_TRANSLATION,
    IMAGE,
    IMAGE_EDIT,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
    OperationGlance,
)
from federation.schema.usage import Usage

_BYTES_PER_TOKEN: Final = 4
_BYTES_PER_SECOND: Final = 8_000
"""Of a recorded voice in MP3 and its like, 64 kbit/s: a sound of unstated length is not free."""
_SEARCH_DOCUMENTS: Final = 100
_SEARCH_TOKENS: Final = 500
_TOKENS_BEYOND_TEXT: Final = 16
"""Marks that a provider puts around each text before it counts."""
_UNBOUNDED: Final = frozenset((IMAGE, IMAGE_EDIT, SPEECH, TRANSCRIPTION, AUDIO_TRANSLATION))
"""Operations whose output tokens the request does not limit."""


def estimate(glance: OperationGlance) -> Usage:
    """What a call probably used, where the provider does not say."""
    tokens = glance.tokens + -(-glance.text_bytes // _BYTES_PER_TOKEN)
    units = _units(glance, tokens)
    if not covers_units(glance):
        units = {"second": -(-glance.media_bytes // _BYTES_PER_SECOND)}
    return Usage(input=tokens, units=units, estimated=True)


def bound(glance: OperationGlance) -> Usage:
    """The most that a call can use of what its request determines.

    A byte-level tokenizer never makes more tokens than bytes. `makes_tokens` and
    `covers_units` say what is left open.
    """
    tokens = glance.tokens + glance.text_bytes + _TOKENS_BEYOND_TEXT * glance.items
    return Usage(input=tokens, units=_units(glance, tokens))


def makes_tokens(glance: OperationGlance) -> bool:
    """Whether tokens come out, as many as the model likes."""
    return glance.operation in _UNBOUNDED


def covers_units(glance: OperationGlance) -> bool:
    """Whether `bound` limits the units: the length of a sound must be known."""
    heard = glance.operation in (TRANSCRIPTION, AUDIO_TRANSLATION)
    return not heard or glance.seconds is not None


def _units(glance: OperationGlance, tokens: int) -> dict[str, int]:
    if glance.operation in (IMAGE, IMAGE_EDIT):
        return {"image": glance.outputs}
    if glance.operation == SPEECH:
        return {"character": glance.characters}
    if glance.operation == RERANK:
        pieces = glance.items + tokens // _SEARCH_TOKENS
        return {"search": -(-pieces // _SEARCH_DOCUMENTS)}
    if glance.seconds is not None:
        return {"second": math.ceil(glance.seconds)}
    return {}
