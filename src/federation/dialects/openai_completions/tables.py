"""What the legacy language knows of request fields, and which it governs.

Governed and hosts' fields are those of the chat language: the same hosts take them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from federation.dialects.openai import tables as chat
from federation.dialects.untold import no_place

NAME: Final = "openai_completions"

_SHARED: Final = (
    "frequency_penalty",
    "logit_bias",
    "max_tokens",
    "model",
    "n",
    "presence_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "user",
)
_KINDS: Final[dict[str, Any]] = {
    "best_of": Annotated[int, Meta(ge=1, le=128)] | None,
    "echo": bool | None,
    "logprobs": Annotated[int, Meta(ge=0, le=20)] | None,
    "suffix": str | None,
    "top_k": int | None,
    "min_p": float | None,
}
FIELDS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    **{name: chat.FIELDS[name] for name in _SHARED},
    **{name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()},
}
"""Every field that is read, and what its value must be."""

PROMPT: Final = msgspec.json.Decoder(str | list[Raw] | None)

LISTED: Final = chat.LISTED
GOVERNED: Final = {name: entry for name, entry in chat.GOVERNED.items() if name != "best_of"}
"""`best_of` is settled by the parser: what it asks for is `n`, or it is refused."""
OBJECTS: Final = frozenset(("stream_options",))
ECHO: Final = "echo"
"""Marks, in the message's `extra`, that the answer begins with the prompt."""

UNTOLD: Final = no_place(
    "https://platform.openai.com/docs/api-reference/completions/object",
    "image", "audio", "video", "file", "citations", "thinking", "tool_calls", "foreign_part",
)  # fmt: skip
"""What an answer to a client of this language cannot say: it is text."""
