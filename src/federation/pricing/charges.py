"""What a call costs by the price book: exact integers, rounded once.

Four rules surprise newcomers. A context tier prices the *whole* call, not the part above its
threshold, because that is how vendors bill. An unknown rate makes the whole charge unknown
(None) as soon as one token of that kind was used: never zero, never a guess below the truth.
And what is billed by the piece (a search, a page) comes on top of the tokens, so a piece
without a price makes the charge unknown too, unless the tokens stand for it. So does a class of
service that the price list does not name: fast is dearer, flex is cheaper, and neither is usual.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from federation.domain.catalogue import Price, Rates
from federation.domain.money import PER_MILLION
from federation.schema.usage import Usage

_PER_MILLION_PERMILLE = PER_MILLION * 1000
_REQUEST: Final = "request"
_BATCH: Final = "batch"
MEASURES: Final = frozenset(("image", "second", "character", "page", "search"))
"""Units that measure the work itself: a price list in tokens charges them as tokens."""


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
    own cost the input rate: a discount that nobody stated is not assumed. Cache writes and
    sound without one cost what text does, because providers that charge extra state it. Long
    cache writes are dearer than short ones, so where only the short ones have a rate theirs
    is unknown.
    """
    rates = price.rates
    if price.tiers or price.windows:
        rates = rates_at(price, usage.input, at)
    given = _input(rates, usage)
    made = _output(rates, usage)
    if given is None or made is None:
        return None
    fees, permille = 0, 1000
    if usage.service_tier:
        factor = tier_permille(price, usage.service_tier)
        if factor is None and (given or made):
            return None
        permille = 1000 if factor is None else factor
    if usage.units or price.units:
        counted = _fees(price.units, usage)
        if counted is None:
            return None
        fees = counted * PER_MILLION
    return _rounded(price, (given + made) * permille + fees * 1000, region)


def tier_permille(price: Price, tier: str) -> int | None:
    """The factor of the rates in a class of service; None where nobody states it."""
    factor = price.service_tiers.get(tier)
    return price.batch_permille if factor is None and tier == _BATCH else factor


def _input(rates: Rates, usage: Usage) -> int | None:
    """The price of the input times a million; None where a rate in use is unknown."""
    given = usage.input
    if not (usage.cached or usage.cache_write or usage.audio_input):
        if not given:
            return 0
        return None if rates.input is None else given * rates.input
    # A provider that counts cached tokens outside its input would make this negative; the
    # dialect should have added them, and nobody is paid back for it.
    fresh = max(given - usage.cached - usage.cache_write, 0)
    # Which of the cached tokens are sound is not told; the dearer reading is that none is.
    sound = min(usage.audio_input, fresh)
    long = min(usage.cache_write_long, usage.cache_write)
    if long and rates.cache_write_long is None and rates.cache_write is not None:
        return None
    return _sum(
        rates.input,
        (fresh - sound, None),
        (sound, rates.audio_input),
        (usage.cached, rates.cached),
        (usage.cache_write - long, rates.cache_write),
        (long, rates.cache_write_long),
    )


def _output(rates: Rates, usage: Usage) -> int | None:
    """The price of the output times a million; None where a rate in use is unknown."""
    made = usage.output
    if not made:
        return 0
    if not usage.audio_output:
        return None if rates.output is None else made * rates.output
    sound = min(usage.audio_output, made)
    return _sum(rates.output, (made - sound, None), (sound, rates.audio_output))


def _sum(plain: int | None, *counts: tuple[int, int | None]) -> int | None:
    """Tokens times their own rates, or `plain` where they have none."""
    total = 0
    for tokens, own in counts:
        if not tokens:
            continue
        rate = plain if own is None else own
        if rate is None:
            return None
        total += tokens * rate
    return total


def _fees(units: dict[str, int], usage: Usage) -> int | None:
    """What is charged by the piece, in nano-dollars; None where a piece has no price."""
    used = usage.units
    total = used.get(_REQUEST, 1) * units.get(_REQUEST, 0)
    for name, count in used.items():
        if name == _REQUEST or not count:
            continue
        each = units.get(name)
        if each is not None:
            total += count * each
        elif name not in MEASURES or not (usage.input or usage.output):
            return None
    return total


def _rounded(price: Price, total: int, region: str | None) -> int:
    """A sum in thousandths of millionths of a nano-dollar, with the factor for the place; rounded
    once."""
    divisor = _PER_MILLION_PERMILLE
    if region is not None and price.multipliers:
        total *= price.multipliers.get(region, 1000)
        divisor *= 1000
    whole, rest = divmod(total, divisor)
    half = divisor >> 1
    if rest > half or (rest == half and whole & 1):
        whole += 1
    return whole
