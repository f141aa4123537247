"""Amounts at the edge."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from federation.domain.money import nano_to_usd


@given(st.integers(0, 10**15))
def test_up_to_a_million_dollars_the_json_number_says_the_exact_amount(nano: int) -> None:
    said = json.dumps(float(nano_to_usd(nano)))
    assert Decimal(said) * 10**9 == nano
