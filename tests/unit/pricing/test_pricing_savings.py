from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.catalogue import reader
from federation.domain.catalogue import ContextTier, Price, Rates, Window
from federation.errors import InvalidRequest
from federation.pricing.charges import listed
from federation.pricing.savings import (
    BY_PIECE,
    EDGES,
    UNPRICED,
    band_of,
    baseline_nano,
    check_baseline,
)
from federation.schema.usage import Usage, plus

AT = datetime(2026, 1, 1, tzinfo=UTC)
CHEAP = Rates(input=2_000_000_000, output=8_000_000_000, cached=1_000_000_000)
DEAR = Rates(input=4_000_000_000, output=16_000_000_000)
PRICE = Price(CHEAP, tiers=(ContextTier(200_000, DEAR),), units={"request": 7})

_usages = st.lists(
    st.builds(
        Usage,
        st.integers(0, 700_000) | st.sampled_from(EDGES) | st.sampled_from([e + 1 for e in EDGES]),
        st.integers(0, 10_000),
        cached=st.integers(0, 100),
    ).filter(lambda usage: usage.cached <= usage.input),
    max_size=12,
)


@settings(deadline=None)
@given(_usages)
def test_summed_by_band_usage_costs_what_its_calls_would(usages: list[Usage]) -> None:
    bands: dict[int, tuple[int, Usage]] = {}
    for usage in usages:
        count, total = bands.get(band_of(usage, 0), (0, Usage()))
        bands[band_of(usage, 0)] = (count + 1, plus(total, usage))
    # Rates in whole nano-dollars a token, so that nothing is rounded anywhere.
    bills = [listed(PRICE, usage, AT) or 0 for usage in usages]
    assert baseline_nano(PRICE, ((b, *found) for b, found in bands.items())) == sum(bills)


def test_what_cannot_be_compared_has_a_band_of_its_own() -> None:
    assert band_of(Usage(5), None) == UNPRICED
    assert band_of(Usage(5, units={"image": 1}), 3) == BY_PIECE
    assert band_of(Usage(5, units={"request": 1, "image": 0}), 3) == 0


def test_a_rate_that_is_not_known_makes_the_whole_unknown() -> None:
    price = Price(Rates(input=1))
    assert baseline_nano(price, [(0, 1, Usage(5, 5))]) is None


@pytest.mark.parametrize(
    "price",
    [
        Price(),
        Price(CHEAP, tiers=(ContextTier(150_000, DEAR),)),
        Price(CHEAP, windows=(Window((1,), 0, 60, DEAR),)),
    ],
)
def test_a_list_that_cannot_price_sums_is_no_baseline(price: Price) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_baseline(price, "a/b")
    assert caught.value.param == "baseline"


def test_every_threshold_of_the_catalogue_is_an_edge() -> None:
    models = [model for provider in reader.load().values() for model in provider.models]
    assert {tier.above for model in models for tier in model.price.tiers} <= set(EDGES)
