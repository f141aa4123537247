"""What the verifier says when something does not hold."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """A kind, as a stable word; a sentence; the place of the first bad record, if one is."""

    kind: str
    message: str
    record: int | None = None


class Refused(Exception):
    """Verification ends here."""

    def __init__(self, kind: str, message: str, record: int | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(kind, message, record)
