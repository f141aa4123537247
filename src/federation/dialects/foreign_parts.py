"""Content that is written in another language than the call: refused, never left out.

A part that only its own vendor knows is carried as it is and told as a loss where it cannot
go. A part that another vendor documents is a mistake of the caller's: left out of a call, the
model would answer without the picture, and nobody would know why.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from federation.errors import InvalidRequest

_KINDS: Final = frozenset(
    ("image", "document", "search_result", "tool_use", "tool_result", "redacted_thinking",
     "container_upload", "image_url", "input_audio", "file", "input_text", "output_text",
     "input_image", "input_file", "summary_text", "reasoning_text", "inline_data", "file_data")
)  # fmt: skip
"""Kinds of content that some language documents, by their `type`."""


def refuse_stranger(kind: str, where: str, known: Container[str], said: str) -> None:
    """Raise `InvalidRequest` for a kind of content that is another language's. `known` are the
    kinds of this one, and `said` is what they look like."""
    if kind in _KINDS and kind not in known:
        raise InvalidRequest(
            f"'{where}.type' is {kind!r}, which is another API's. Here it is {said}.",
            code="invalid_value",
            param=f"{where}.type",
        )
