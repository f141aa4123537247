"""A toy tokenizer: pieces of up to six letters, so that counts, streams and limits agree."""

from __future__ import annotations

import re

_PIECE = re.compile(r"\s*\w{1,6}|\s*[^\w\s]|\s+")

MESSAGE_TOKENS = 4
"""What each message costs beside its text."""
IMAGE_TOKENS = 255
BYTES_A_TOKEN = 4


def pieces(text: str) -> list[str]:
    """The text's tokens; joined they are the text again."""
    return _PIECE.findall(text)


def prompt_tokens(text_bytes: int, messages: int, images: int) -> int:
    """What a prompt counts: by bytes, since taking a long one apart would take its time."""
    text = -(-text_bytes // BYTES_A_TOKEN)
    return text + MESSAGE_TOKENS * messages + IMAGE_TOKENS * images + 3
