from __future__ import annotations

import pytest

from federation.domain.tenancy import Quota, Team, Tenant, Tier, User, checked_id
from federation.errors import InvalidRequest


def test_a_tier_is_a_quota_and_a_custom_one_is_the_tenants_own() -> None:
    own = Quota(7, None)
    expected = {
        Tier.COMMUNITY: Quota(1_000, 5),
        Tier.PRO: Quota(100_000, 20),
        Tier.ENTERPRISE: Quota(None, None),
        Tier.CUSTOM: own,
    }
    assert set(expected) == set(Tier)
    for tier, quota in expected.items():
        assert Tenant("a", "A", 0, tier, own).quota == quota


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Tenant, "acme"),
        (Tenant, "a-b_1"),
        (Tenant, "a" * 63),
        (Team, "search.eu"),
        (User, "ada+x@example.test"),
        (User, "u" * 127),
    ],
)
def test_an_id_that_can_be_written_everywhere_is_taken(kind: type, name: str) -> None:
    assert checked_id(kind, name) == name


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Tenant, ""),
        (Tenant, "a" * 64),
        (Tenant, "a.b"),
        (Team, "a@b"),
        (Team, "Red"),
        (User, ".a"),
        (User, "a/b"),
        (User, "a\n"),
        (User, "u" * 128),
        (User, "é"),
    ],
)
def test_another_is_refused(kind: type, name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked_id(kind, name)
    assert caught.value.param == "id"
