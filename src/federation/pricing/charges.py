"""What a call costs by the price book: exact integers, rounded once.

Two rules surprise newcomers. A context tier prices the *whole* call, not the part above its
threshold, because that is how vendors bill. And an unknown rate makes the whole charge
unknown (None) as soon as one token of that kind was used: never zero, never a guess below
the truth.
"""

from __future__ import annotations

from datetime import datetime, timezone

from federation.domain.catalogue import Price, Rates
from federation.domain.money import PER_MILLION
from federation.schema.usage import Usage

_PER_MILLION_PERMILLE = PER_MILLION * 1000


def rates_at(price: Price, input_tokens: int, at: datetime) -> Rates:
    """Return the rates in force for a call of this size at this moment.

    A window (weekday and minute of the day in UTC) replaces the base rates, and the first
    that matches wins; then the highest context tier whose threshold the input exceeds
    replaces both. `at` must be aware.
    """
    rates = price.rates
    if price.windows:
        utc = at.astimezone(timezone.utc)
        weekday, minute = utc.isoweekday(), utc.hour * 60 + utc.minute
        for window in price.windows:
            if weekday in window.weekdays and window.start <= minute < window.end:
                rates = window.rates
                break
    reached = -1
    for tier in price.tiers:
        if reached < tier.above < input_tokens:
            reached, rates = tier.above, tier.rates
    return rates


def charge(price: Price, usage: Usage, at: datetime, *, region: str | None = None) -> int | None:
    """Return what an attempt cost in nano-dollars, or None where that is unknown.

    The provider's own figure wins where it reports one. `region` is the class of the place
    that processed the call, for prices that differ by place.
    """
    if usage.reported_nano is not None:
        return usage.reported_nano
    return listed(price, usage, at, region=region)


def listed(price: Price, usage: Usage, at: datetime, *, region: str | None = None) -> int | None:
    """Return what the price book says, whatever the provider reported.

    Half a nano-dollar rounds to even, once, at the end. Cached reads without a rate of their
    own cost the input rate: a discount that nobody stated is not assumed. Cache writes
    without one cost the input rate too, because providers that charge extra for writing
    state it, and the rest write on their own account.
    """
    rates = price.rates
    if price.tiers or price.windows:
        rates = rates_at(price, usage.input, at)
    return _sum(
        price, rates, usage.input, usage.output, usage.cached, usage.cache_write, region
    )


def predict(
    price: Price,
    input_tokens: int,
    output_tokens: int,
    cached: int,
    at: datetime,
    *,
    region: str | None = None,
) -> int | None:
    """Return the expected cost in nano-dollars of a call not yet made, or None.

    `input_tokens` includes `cached`, as in `Usage`.
    """
    rates = price.rates
    if price.tiers or price.windows:
        rates = rates_at(price, input_tokens, at)
    return _sum(price, rates, input_tokens, output_tokens, cached, 0, region)


def _sum(
    price: Price,
    rates: Rates,
    given: int,
    made: int,
    cached: int,
    written: int,
    region: str | None,
) -> int | None:
    """Price the counts at these rates. Written flat: it runs once for every attempt."""
    base = rates.input
    total = 0
    if given:
        fresh = given
        if cached or written:
            fresh = given - cached - written
            # A provider that counts cached tokens outside its input would make this
            # negative; the dialect should have added them, and nobody is paid back for it.
            if fresh < 0:
                fresh = 0
    else:
        fresh = 0
    if fresh:
        if base is None:
            return None
        total = fresh * base
    if cached:
        rate = rates.cached
        if rate is None:
            rate = base
            if rate is None:
                return None
        total += cached * rate
    if written:
        rate = rates.cache_write
        if rate is None:
            rate = base
            if rate is None:
                return None
        total += written * rate
    if made:
        if rates.output is None:
            return None
        total += made * rates.output
    if price.units:
        total += price.units.get("request", 0) * PER_MILLION
    if region is not None and price.multipliers:
        return _half_even(total * price.multipliers.get(region, 1000), _PER_MILLION_PERMILLE)
    return _half_even(total, PER_MILLION)


def _half_even(amount: int, divisor: int) -> int:
    """Divide, rounding half to even; both are non-negative and `divisor` is even."""
    whole, rest = divmod(amount, divisor)
    half = divisor >> 1
    if rest > half or (rest == half and whole & 1):
        whole += 1
    return whole
