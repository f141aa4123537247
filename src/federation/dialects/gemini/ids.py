"""Ids for function calls that came without one, and how to tell that we made them.

Nothing is drawn by lot: a call in a request is named by its place in the conversation, a
call in an answer by the answer's own id, so that two turns of one conversation never share
one. Whoever writes this dialect again leaves such ids out.
"""

from __future__ import annotations

import re
from typing import Final

_PLACED: Final = re.compile(r"call_\d+_\d+")
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST: Final = 26
"""Other dialects allow ids of 40 characters."""


def placed_id(content: int, part: int) -> str:
    """The id of the call at a place of the conversation."""
    return f"call_{content}_{part}"


def is_placed(call_id: str) -> bool:
    """Whether an id is one of `placed_id`."""
    return _PLACED.fullmatch(call_id) is not None


def answer_id(response_id: str, choice: int, number: int) -> str:
    """The id of an answer's call, counted from 0 within its choice."""
    plain = _ODD.sub("", response_id)[:_LONGEST]
    return f"call_{plain}_{choice}_{number}" if plain else f"call_{choice}_{number}"
