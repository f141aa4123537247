"""Which measure of a call its price list charges.

A call can be measured in several ways: the words to be spoken are tokens and characters, a
search has tokens and documents. An estimate states them all; a list charges one. Where a
list has no price for tokens but one for the piece, the tokens are not what is charged, and
without this step their unknown rate would make the whole charge unknown.
"""

from __future__ import annotations

from msgspec import structs

from federation.domain.catalogue import Price
from federation.schema.usage import Usage


def measured(price: Price, usage: Usage) -> Usage:
    """The usage without the tokens that a price list by the piece does not charge."""
    given, made = price.rates.input is not None, price.rates.output is not None
    priced = (usage.input and given) or (usage.output and made)
    if priced or not (usage.input or usage.output):
        return usage
    if not any(name in price.units for name, count in usage.units.items() if count):
        return usage
    return structs.replace(
        usage, input=0, output=0, cached=0, cache_write=0, audio_input=0, audio_output=0
    )
