"""How large a context a call needs.

The server's default context is small, and a prompt that does not fit it loses its beginning
without a word. So the size is sent where the default is not enough. Another size than last
time loads the model anew, which takes seconds: sizes go in powers of two, so that a growing
conversation changes them a few times and not at every turn.
"""

from __future__ import annotations

from typing import Final

DEFAULT: Final = 4096
"""What the server takes where nothing is said (https://docs.ollama.com/context-length)."""
_BYTES_PER_TOKEN: Final = 3
"""Prose has about four, code and Chinese about three."""
_PER_MESSAGE: Final = 16
_PER_IMAGE: Final = 1024
_ANSWER: Final = 1024


def context_for(
    text_bytes: int, messages: int, images: int, output: int | None, most: int | None
) -> int | None:
    """The context size to ask for, in tokens; None where the default is enough."""
    need = (
        text_bytes // _BYTES_PER_TOKEN
        + messages * _PER_MESSAGE
        + images * _PER_IMAGE
        + (output or _ANSWER)
    )
    if need <= DEFAULT:
        return None
    size = 1 << (need - 1).bit_length()
    return min(size, most) if most is not None else size
