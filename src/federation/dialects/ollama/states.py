"""States of reasoning for clients of this dialect, which has one text of thinking per message.

A state belongs to one part, and there may be several: `thinking_states`, a member of ours
beside `thinking`, tells each part's share of the text by its length. A client that gives the
message back as it came gives the states back too; where the text was changed they are void.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from federation.schema.parts import Thinking

MEMBER = "thinking_states"
_GAP = "\n\n"


class State(msgspec.Struct, omit_defaults=True):
    """What is kept of one part: how many characters it has, and its states."""

    length: int
    signature: str = ""
    sealed: str = ""


def joined(thoughts: Sequence[Thinking]) -> str:
    """The reasoning of a message as one text."""
    return _GAP.join([part.text for part in thoughts if part.text])


def state_of(part: Thinking) -> State:
    """What is kept of a part."""
    return State(len(part.text), part.signature, part.sealed)


def member(states: Sequence[State]) -> dict[str, Any]:
    """The member that holds the states; nothing where there are none."""
    return {MEMBER: states} if any(state.signature or state.sealed for state in states) else {}


def split(text: str, states: Sequence[State]) -> list[Thinking]:
    """The parts of a message's reasoning, each with its states."""
    shares = [state.length for state in states]
    gaps = max(sum(share > 0 for share in shares) - 1, 0)
    if min(shares, default=0) < 0 or sum(shares) + gaps * len(_GAP) != len(text):
        return [Thinking(text)] if text else []
    parts: list[Thinking] = []
    at = 0
    for state in states:
        share = text[at : at + state.length]
        parts.append(Thinking(share, state.signature, state.sealed))
        at += state.length + len(_GAP) if state.length else 0
    return parts
