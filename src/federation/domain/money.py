"""Money: integers of nano-dollars inside, decimals at the edge, never a float.

A price is an integer of nano-dollars per million tokens, so that 0.044 USD per million
(44 nano-dollars a token) and a price of a tenth of a nano-dollar a token are both exact.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

NANO = 1_000_000_000
PER_MILLION = 1_000_000


def usd_to_nano(usd: Decimal | str | int) -> int:
    """Nano-dollars of an amount in USD; half a nano-dollar rounds to even."""
    return int((Decimal(usd) * NANO).to_integral_value(ROUND_HALF_EVEN))


def nano_to_usd(nano: int) -> Decimal:
    """The amount in USD, exact, without trailing zeros or an exponent."""
    amount = (Decimal(nano) / NANO).normalize()
    return amount if amount != amount.to_integral_value() else amount.quantize(Decimal(1))
