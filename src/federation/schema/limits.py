"""Frames about limits between a worker and the control process; see `schema.link`.

The trap: what is given back is told as a difference, which is right because a link delivers in
order and each end begins anew with `LimitHeld` when it is made.
"""

from __future__ import annotations

import msgspec


class MeterWant(msgspec.Struct, frozen=True, array_like=True):
    """What one call needs of a limit's meter, and what would save the next asks.

    The meter is named by its limit and whom it is about: `method` and all that follows is what
    the worker's book says of it.
    """

    meter: str
    method: str
    amount: int
    burst: int
    window_ms: int
    least: int
    wish: int


class LimitAsk(msgspec.Struct, frozen=True, tag="limit_ask"):
    """A worker's wants, met all or none."""

    n: int
    wants: list[MeterWant]


class MeterPart(msgspec.Struct, frozen=True, array_like=True):
    """What a worker may spend, for how long, and how the meter stands without it."""

    amount: int
    left: int
    reset_ms: int
    lasts_ms: int


class MeterShort(msgspec.Struct, frozen=True, array_like=True):
    """The meter that has too little: when it has enough, and when to ask again."""

    meter: str
    left: int
    wait_ms: int
    reset_ms: int
    pause_ms: int


class LimitGrant(msgspec.Struct, frozen=True, tag="limit_grant"):
    """The answer to an ask: parts in the order of its wants, or what keeps it."""

    n: int
    parts: list[MeterPart] = []
    short: MeterShort | None = None


class LimitUsed(msgspec.Struct, frozen=True, tag="limit_used"):
    """Used beyond what was taken of meters (more than 0), or given back (less).

    `MeterWant.least` has the amount.
    """

    meters: list[MeterWant]


class LimitHeld(msgspec.Struct, frozen=True, tag="limit_held"):
    """All slots that a worker holds, as `MeterWant.least`; the first that it says of them."""

    slots: list[MeterWant]


class LimitRecall(msgspec.Struct, frozen=True, tag="limit_recall"):
    """Somebody needs of these meters: give back what no call has taken."""

    meters: list[str]


FromRates = LimitAsk | LimitUsed | LimitHeld
ToRates = LimitGrant | LimitRecall
