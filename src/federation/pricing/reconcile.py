"""A provider's invoice held against the ledger, line by line. Pure.

The trap: what is missing on one side is the finding that matters most, and a comparison of
what both sides have would never show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Post(NamedTuple):
    """What an amount is for. A model that nobody names is empty."""

    day: str
    provider: str
    model: str


class Finding(str, Enum):
    """How a post stands."""

    AGREES = "agrees"
    DRIFTS = "drifts"
    ONLY_INVOICE = "only_invoice"
    ONLY_LEDGER = "only_ledger"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A difference within either is none: of the invoiced amount in millionths, or in money."""

    millionths: int = 10_000
    nano: int = 10_000_000


@dataclass(frozen=True, slots=True)
class Drift:
    """One post on both sides; None is a side that does not know it."""

    post: Post
    invoice_nano: int | None
    ledger_nano: int | None
    finding: Finding

    @property
    def drift_nano(self) -> int:
        """How much more the invoice says."""
        return (self.invoice_nano or 0) - (self.ledger_nano or 0)


def summed(amounts: Iterable[tuple[Post, int]]) -> dict[Post, int]:
    """Amounts by post: an invoice may list input and output of a model apart."""
    total: dict[Post, int] = {}
    for post, nano in amounts:
        total[post] = total.get(post, 0) + nano
    return total


def reconcile(
    invoice: Mapping[Post, int], ledger: Mapping[Post, int], tolerance: Tolerance
) -> list[Drift]:
    """Every post of either side, in order. One of nothing on one side alone is left out."""
    found = []
    for post in sorted(invoice.keys() | ledger.keys()):
        theirs, ours = invoice.get(post), ledger.get(post)
        if theirs or ours:
            found.append(Drift(post, theirs, ours, _finding(theirs, ours, tolerance)))
    return found


def _finding(theirs: int | None, ours: int | None, tolerance: Tolerance) -> Finding:
    if theirs is None:
        return Finding.ONLY_LEDGER
    if ours is None:
        return Finding.ONLY_INVOICE
    apart = abs(theirs - ours)
    near = apart <= tolerance.nano or apart * 1_000_000 <= abs(theirs) * tolerance.millionths
    return Finding.AGREES if near else Finding.DRIFTS
