"""The limit of output that a rendered request sends, in whichever language it is written.

A row or the operator's default may put a limit into a call that has none, and a row may leave out
the one that it has. What bounds the price of an answer is what the provider is really told.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

_PLACES: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "openai": (("max_tokens",), ("max_completion_tokens",)),
    "openai_completions": (("max_tokens",),),
    "openai_responses": (("max_output_tokens",),),
    "anthropic": (("max_tokens",),),
    "gemini": (
        ("generationConfig", "maxOutputTokens"),
        ("generation_config", "max_output_tokens"),
        ("generationConfig", "max_output_tokens"),
        ("generation_config", "maxOutputTokens"),
    ),
    "bedrock": (("inferenceConfig", "maxTokens"),),
    "cohere": (("max_tokens",),),
    "ollama": (("options", "num_predict"),),
}
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_COUNT: Final = msgspec.json.Decoder(int)


def sent_limit(language: str, body: bytes) -> int | None:
    """The tokens that one answer may have, as the request says it once; None for no limit, for
    two of them (which one holds is the provider's choice), and for what is none."""
    found = [value for way in _PLACES.get(language, ()) if (value := _at(body, way)) is not None]
    return found[0] if len(found) == 1 else None


def _at(body: bytes | Raw, way: tuple[str, ...]) -> int | None:
    try:
        for name in way:
            value = _MEMBERS.decode(body).get(name)
            if value is None:
                return None
            body = value
        limit = _COUNT.decode(body)
    except msgspec.DecodeError:
        return None
    return limit if limit > 0 else None
