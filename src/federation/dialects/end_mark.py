"""What the end of a stream says of itself, in every client's language alike.

A member of our own name in the last event: the official clients hand unknown members on. It
tells that another deployment went on with the answer, and what the language had no place for.
"""

from __future__ import annotations

from typing import Any, Final

from federation.schema.chunks import LeftOut, Resumed

MARK: Final = "federation"


def said_of(chunk: Resumed | LeftOut) -> dict[str, Any]:
    """Members of the mark. The model of a mended answer is the one that told the end; names of
    what was left out are `untold.FEATURES`."""
    if isinstance(chunk, Resumed):
        return {"mended": True, "model": chunk.model}
    return {"left_out": list(chunk.features)}
