"""The most that a call can cost before it is made, and the longest answer that an amount pays.

A bound errs upwards only. Text has no more tokens than bytes, for every token of the byte-level
vocabularies in use stands for at least one; what providers add around messages and tools is
allowed for; and nobody can bill more input than the model's context takes, which also bounds
pictures and sound. The dearest rate counts among all that could apply: another tier, another
hour, another region, a prompt that is written into a cache. What is left without a bound (no
price, no context, searches without a number) is None, and a hard budget refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from federation.domain.catalogue import Model, Price, Rates
from federation.domain.money import PER_MILLION
from federation.pricing.charges import MEASURES

CALL_TOKENS: Final = 32
MESSAGE_TOKENS: Final = 16
"""Around a message: its role and the marks of its beginning and end."""
TOOLS_TOKENS: Final = 1024
"""What a provider's own words on how to use tools take."""
TOOL_TOKENS: Final = 64
_REQUEST: Final = "request"


class CallFacts(msgspec.Struct, frozen=True):
    """What is known of a call before it is made. Too high is safe, too low is not."""

    input_bytes: int = 0
    """Of all text in the request as it is sent; its JSON is never shorter."""
    messages: int = 1
    tools: int = 0
    media: int = 0
    """Pictures, sounds, documents: parts whose tokens their bytes do not bound."""
    input_tokens: int = 0
    """A bound on the tokens of those, where one is known; else the context is taken."""
    max_output: int | None = None
    """The limit that the call sets for itself."""
    answers: int = 1
    """How many it asks for (`n`)."""
    sound: bool = False
    """Sound may come in or out, at rates of its own."""
    reads_cache: bool = True
    writes_cache: bool = True
    """A provider may put the prompt into its cache, at a rate of its own."""
    any_class: bool = False
    """It may be billed in another class of service than the usual one."""
    units: Mapping[str, int | None] = {}
    """The most of what is billed by the piece; None is no limit."""


def input_bound(facts: CallFacts, model: Model) -> int | None:
    """The most input tokens that can be billed; None where nothing bounds them."""
    tokens = facts.input_bytes + CALL_TOKENS + MESSAGE_TOKENS * facts.messages
    if facts.tools:
        tokens += TOOLS_TOKENS + TOOL_TOKENS * facts.tools
    most = model.max_input or model.context
    if facts.media and not facts.input_tokens:
        return most
    tokens += facts.input_tokens
    return tokens if most is None else min(tokens, most)


def output_bound(facts: CallFacts, model: Model) -> int | None:
    """The most output tokens that can be billed, reasoning included; None for no limit."""
    limit = facts.max_output
    for most in (model.max_output, model.context):
        if most is not None and (limit is None or most < limit):
            limit = most
    return None if limit is None else limit * max(1, facts.answers)


def worst(facts: CallFacts, model: Model, *, region: str | None = None) -> int | None:
    """The most that one attempt can cost, in nano-dollars, rounded up; None for no bound.

    `region` is the class of the place that will process it; None counts the dearest.
    """
    price = model.price
    fees = _fees(price, facts.units) if facts.units or price.units else 0
    if fees is None:
        return None
    total = 0
    if not facts.units or _by_token(price, facts):
        given, made = input_bound(facts, model), output_bound(facts, model)
        if given is None or made is None:
            return None
        per_input, per_output = _dearest(price, given, facts)
        if (given and per_input is None) or (made and per_output is None):
            return None
        total = given * (per_input or 0) + made * (per_output or 0)
        if facts.any_class and price.service_tiers:
            total = -(-total * max(1000, *price.service_tiers.values()) // 1000)
    permille = _permille(price, region)
    return -(-(total + fees * PER_MILLION) * permille // (PER_MILLION * 1000))


def longest_output(
    facts: CallFacts,
    model: Model,
    most_nano: int,
    *,
    least: int = 1,
    region: str | None = None,
) -> int | None:
    """The largest output limit with which an attempt costs no more than `most_nano`.

    None where not even `least` tokens fit, or where nothing bounds the call. Never more than
    the call may have anyhow.
    """
    made = output_bound(replace(facts, answers=1), model)
    if made is None:
        return None

    def fits(limit: int) -> bool:
        cost = worst(replace(facts, max_output=limit), model, region=region)
        return cost is not None and cost <= most_nano

    if made < least or not fits(least):
        return None
    low, high = least, made
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _by_token(price: Price, facts: CallFacts) -> bool:
    """Whether tokens are billed: a list without a rate for them charges by the piece alone."""
    return _token_priced(price) or not any(name in price.units for name in facts.units)


def _dearest(price: Price, given: int, facts: CallFacts) -> tuple[int | None, int | None]:
    """The highest rates for input and output among the lists that could apply."""
    if not (price.tiers or price.windows or facts.sound):
        return _input(price.rates, facts), price.rates.output
    lists = [price.rates, *(window.rates for window in price.windows)]
    lists += [tier.rates for tier in price.tiers if tier.above < given]
    inputs = [_input(rates, facts) for rates in lists]
    outputs = [
        _highest((rates.output, rates.audio_output if facts.sound else None))
        if rates.output is not None
        else None
        for rates in lists
    ]
    return _all_or_none(inputs), _all_or_none(outputs)


def _input(rates: Rates, facts: CallFacts) -> int | None:
    if rates.input is None:
        return None
    dearest = rates.input
    if facts.reads_cache and rates.cached is not None:
        dearest = max(dearest, rates.cached)
    if facts.writes_cache:
        dearest = max(dearest, rates.cache_write or 0, rates.cache_write_long or 0)
    if facts.sound and rates.audio_input is not None:
        dearest = max(dearest, rates.audio_input)
    return dearest


def _highest(rates: Iterable[int | None]) -> int | None:
    return max((rate for rate in rates if rate is not None), default=None)


def _all_or_none(rates: list[int | None]) -> int | None:
    """The highest; None where one is unknown, for that one may apply."""
    return None if None in rates else _highest(rates)


def _fees(price: Price, units: Mapping[str, int | None]) -> int | None:
    """The most that is billed by the piece; None where a number or a price is missing."""
    total = (units.get(_REQUEST) or 1) * price.units.get(_REQUEST, 0)
    for name, count in units.items():
        if name == _REQUEST or count == 0:
            continue
        each = price.units.get(name)
        if each is None:
            # As in `charges`: only what measures the work itself may stand for its tokens.
            if name not in MEASURES or not _token_priced(price):
                return None
        elif count is None:
            return None
        else:
            total += each * count
    return total


def _token_priced(price: Price) -> bool:
    return any(
        rates.input is not None or rates.output is not None
        for rates in (
            price.rates,
            *(window.rates for window in price.windows),
            *(tier.rates for tier in price.tiers),
        )
    )


def _permille(price: Price, region: str | None) -> int:
    if not price.multipliers:
        return 1000
    if region is not None:
        return price.multipliers.get(region, 1000)
    return max(1000, *price.multipliers.values())
