"""What the verifier says when something does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Problem(NamedTuple):
    """A kind, as a stable word; a sentence; the place of the first bad record, if one is."""

    kind: str
    message: str
    record: int | None = None


class Unusable(Exception):
    """What was given cannot be judged at all."""


def shown(path: Path) -> str:
    """A path that a terminal can show, and that is no other's."""
    text = str(path)
    safe = text.isprintable() and "\\" not in text
    return text if safe else ascii(text)


class Refused(Exception):
    """Verification ends here."""

    def __init__(self, kind: str, message: str, record: int | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(kind, message, record)
