"""A long text in slices: none so long that reading it holds up everybody else.

The library that reads does not let other threads run meanwhile, so a slice is what may be read
at a time, and between two of them whoever waits for the answer may say that nobody does any
more. The traps: a value, and the words beside it, may lie over a cut, so slices overlap and a
place counts for those that it touches; and what is encoded in base64 reads from its begin on
in steps of four characters, wherever a slice begins.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Final

SLICE: Final = 64 * 1024
"""Characters."""
OVERLAP: Final = 6 * 1024
_UNBROKEN: Final = string.ascii_letters + string.digits + "+/_-="
_STEP: Final = 4


def slices(text: str) -> Iterator[tuple[int, int, int, int]]:
    """Where slices are to be read (from, to) and what they answer for (from, to)."""
    unbroken_from = 0
    for start in range(0, len(text), SLICE):
        end = min(len(text), start + SLICE)
        low = max(0, start - OVERLAP)
        if unbroken_from < low:
            low -= (low - unbroken_from) % _STEP
        yield low, min(len(text), end + OVERLAP), start, end
        broken = len(text[start:end].rstrip(_UNBROKEN))
        if broken:
            unbroken_from = start + broken
