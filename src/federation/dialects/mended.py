"""What the end of a mended answer says of itself, in every client's language alike.

A member of our own name in the last event: the official clients hand unknown members on.
"""

from __future__ import annotations

from typing import Any, Final

MARK: Final = "federation"


def mark(model: str) -> dict[str, Any]:
    """The member's value; `model` is the one that told the end."""
    return {"mended": True, "model": model}
