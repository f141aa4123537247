"""Which measure of a call a price list charges."""

from __future__ import annotations

import pytest

from federation.domain.catalogue import Price, Rates
from federation.pricing.measures import measured
from federation.schema.usage import Usage

SPOKEN = Usage(input=40, units={"character": 150}, estimated=True)
BY_CHARACTER = Price(units={"character": 15_000})
BY_TOKEN = Price(Rates(input=1_000, output=2_000))


def test_a_list_by_the_piece_does_not_charge_tokens_too() -> None:
    assert measured(BY_CHARACTER, SPOKEN) == Usage(units={"character": 150}, estimated=True)


@pytest.mark.parametrize(
    ("price", "usage"),
    [
        (BY_TOKEN, SPOKEN),
        (Price(Rates(input=1_000), units={"character": 15_000}), SPOKEN),
        (Price(Rates(output=1_000), units={"image": 1}), Usage(output=9, units={"image": 1})),
        (Price(), SPOKEN),
        (Price(units={"request": 1_000}), SPOKEN),
        (BY_CHARACTER, Usage(input=40, units={"character": 0})),
        (BY_CHARACTER, Usage(units={"character": 150})),
    ],
)
def test_everything_else_stays_as_it_was_counted(price: Price, usage: Usage) -> None:
    assert measured(price, usage) == usage
