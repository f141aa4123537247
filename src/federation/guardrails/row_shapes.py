"""The shape of a row of digits: which places hold a digit, and which signs stand between.

Most of what a row may be is told by its shape alone, and texts repeat few shapes, so what
follows from one is remembered by those who ask. The trap: a shape is kept beyond the call, so
it holds no digit of the value; and what is told by it is what a row may be, never what it is.
"""

from __future__ import annotations

import re
from typing import Final

REMEMBERED: Final = 4096
"""Shapes that are kept."""
LONGEST: Final = 64
"""Signs of a row whose shape is worth keeping."""
ANY_DIGIT: Final = bytes.maketrans(b"123456789", b"000000000")
"""A nought for every digit."""
_DIGIT: Final = re.compile(rb"(\{[^}]*\}|\\.)|\[([^\]]*[0-9][^\]]*)\]|[0-9]")


def shape_of(row: bytes) -> bytes:
    """`row` with a nought for each digit."""
    return row.translate(ANY_DIGIT)


def loosened(pattern: bytes) -> bytes:
    """A pattern that matches the shape of whatever `pattern` matches. It reads the regular
    expressions of this room: classes are not negated where they hold digits."""
    return _DIGIT.sub(_any_digit, pattern)


def _any_digit(found: re.Match[bytes]) -> bytes:
    kept, signs = found.groups()
    if kept is not None:
        return bytes(kept)
    return b"[0-9" + signs + b"]" if signs is not None else b"[0-9]"
