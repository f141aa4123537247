"""What a call costs by the price book: exact integers, rounded once.

Two rules surprise newcomers. A context tier prices the *whole* call, not the part above its
threshold, because that is how vendors bill. And an unknown rate makes the whole charge
unknown (None) as soon as one token of that kind was used: never zero, never a guess below
the truth.
"""

from __future__ import annotations

from datetime import UTC, datetime

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
        utc = at.astimezone(UTC)
        weekday, minute = utc.isoweekday(), utc.hour * 60 + utc.minute
        for window in price.windows:
            if window.start <= minute < window.end and weekday in window.weekdays:
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
    cached, written = usage.cached, usage.cache_write
    if cached or written:
        given = _input_with_cache(rates, usage.input, cached, written)
        if given is None:
            return None
    elif usage.input:
        if rates.input is None:
            return None
        given = usage.input * rates.input
    else:
        given = 0
    return _total(price, rates, given, usage.output, region)


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
    usage = Usage(input=input_tokens, output=output_tokens, cached=cached)
    return listed(price, usage, at, region=region)


def _input_with_cache(rates: Rates, given: int, cached: int, written: int) -> int | None:
    """Price an input of which a part was read from or written to a cache."""
    # A provider that counts cached tokens outside its input would make this negative; the
    # dialect should have added them, and nobody is paid back for it.
    fresh = max(given - cached - written, 0)
    total = 0
    for tokens, rate in ((fresh, None), (cached, rates.cached), (written, rates.cache_write)):
        if not tokens:
            continue
        if rate is None:
            rate = rates.input
        if rate is None:
            return None
        total += tokens * rate
    return total


def _total(price: Price, rates: Rates, given: int, made: int, region: str | None) -> int | None:
    """Add the output, the fee for the request and the factor for the place; round once."""
    total = given
    if made:
        if rates.output is None:
            return None
        total += made * rates.output
    if price.units:
        total += price.units.get("request", 0) * PER_MILLION
    divisor = PER_MILLION
    if region is not None and price.multipliers:
        total *= price.multipliers.get(region, 1000)
        divisor = _PER_MILLION_PERMILLE
    whole, rest = divmod(total, divisor)
    half = divisor >> 1
    if rest > half or (rest == half and whole & 1):
        whole += 1
    return whole
