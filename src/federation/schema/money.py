"""Frames about money between a worker and the control process; see `schema.link`.

Totals, never differences: a frame that is sent again after a lost link does no harm.
"""

from __future__ import annotations

import msgspec


class PotWant(msgspec.Struct, frozen=True, array_like=True):
    """Money of one pot: what one call needs, and what would save the next asks."""

    pot: str
    cap_nano: int
    hard: bool
    least_nano: int
    wish_nano: int


class MoneyAsk(msgspec.Struct, frozen=True, tag="money_ask"):
    """A worker's wants, met all or none. `wait_s` is how long its call can wait for them.

    One that asks ahead has no call yet: it is given what can be spared, which may be nothing.
    """

    n: int
    wants: list[PotWant]
    wait_s: float = 0.0
    ahead: bool = False


class PotTotals(msgspec.Struct, frozen=True, array_like=True):
    """A worker's lease of one pot, as totals since it began."""

    pot: str
    granted_nano: int
    spent_nano: int
    returned_nano: int
    overrun_nano: int


class MoneyReport(msgspec.Struct, frozen=True, tag="money_report"):
    """What became of a worker's leases; `MoneyAck` answers once it is safe."""

    n: int
    held: list[PotTotals]


class MoneyShort(msgspec.Struct, frozen=True):
    """The pot that cannot give what an ask needs, and what is left in it."""

    pot: str
    left_nano: int


class MoneyGrant(msgspec.Struct, frozen=True, tag="money_grant"):
    """The answer to an ask: leases in the order of its wants, or why there are none.

    `failed` says that the store could not be asked, `gone` that the worker was taken for
    dead and its money given to others.
    """

    n: int
    leases: list[PotTotals] = []
    tight: bool = False
    short: MoneyShort | None = None
    failed: bool = False
    gone: bool = False


class MoneyAck(msgspec.Struct, frozen=True, tag="money_ack"):
    """Everything up to this report is in the store."""

    n: int


class MoneyTight(msgspec.Struct, frozen=True, tag="money_tight"):
    """Somebody waits for money of these pots: return what no call holds."""

    pots: list[str]


class MoneyBeat(msgspec.Struct, frozen=True, tag="money_beat"):
    """The store knows that this worker lives, so its leases hold for another while."""


FromPurse = MoneyAsk | MoneyReport
ToPurse = MoneyGrant | MoneyAck | MoneyTight | MoneyBeat
