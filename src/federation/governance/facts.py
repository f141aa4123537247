"""What a policy may know of a call: who asks, for what, when, and what kind of data it holds.

The trap: None is not "no". An unknown team obeys every team's policies, and a call whose data
nobody has classified may hold any class of data.
"""

from __future__ import annotations

import msgspec


class CallFacts(msgspec.Struct):
    """One call. What only conditions read is filled in where there are some."""

    tenant: str
    operation: str
    at_ms: int
    """Unix milliseconds."""
    key: str = ""
    team: str | None = ""
    """Empty where the key belongs to no team, None where that is unknown."""
    route: str = ""
    """The model name that the call asks for; empty for none."""
    privacy: str | None = None
    """The level that the call itself demands."""
    data_classes: frozenset[str] | None = None
    """Kinds of data found in it or declared for it; None where nobody looked."""
    approvals: frozenset[str] = frozenset()
    """Names of approvals in force for it."""
    any_class: bool = False
    """It asks for another class of service than the usual one: fast, priority."""
    user: str = ""
    session: str = ""
    tags: dict[str, str] = {}
    needs: tuple[str, ...] = ()
    stream: bool = False
    messages: int = 0
    text_bytes: int = 0
    max_output: int | None = None
    images: int = 0
    audio: int = 0
    files: int = 0
    tools: int = 0
