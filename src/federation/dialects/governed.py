"""Fields that change what a rule may have decided, as every dialect's table describes them.

A field is governed by what it does, so the same field may be governed in one language and
free in another: the tables are the dialects' own (`GOVERNED` in each), their form is this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import Raw

_SHORT: Final = 128
"""No neutral value is as long, so that a long one need not be squeezed to be compared."""


def neutral(*values: str) -> frozenset[bytes]:
    """JSON texts, without white space, with which a field changes nothing; null is one."""
    return frozenset((b"null", *(value.encode() for value in values)))


EMPTY: Final = neutral("[]", "{}", '""', "false")
"""Every value that says nothing."""


CLASSES: Final = frozenset(
    (
        "service_tier",
        "serviceTier",
        "speed",
        "performanceConfig",
        "anthropic-beta.fast-mode",
        "additionalModelRequestFields",
    )
)
"""Governed fields of all dialects that buy another class of service, at a price of its own, or
may hold one that does."""


@dataclass(frozen=True, slots=True)
class Governed:
    """Why a field is governed, and the values with which it changes nothing."""

    effect: str
    """place | price | model | retention | credentials, in any number."""
    reason: str
    neutral: frozenset[bytes] = frozenset((b"null",))

    def allows(self, raw: Raw) -> bool:
        """Whether the field has a value that changes nothing, white space aside."""
        data = bytes(raw)
        return data in self.neutral or (
            len(data) < _SHORT and b"".join(data.split()) in self.neutral
        )
