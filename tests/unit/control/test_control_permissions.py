from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.control.permissions import (
    PLATFORM,
    ROLES,
    KeyWish,
    Permission,
    check_mint,
    home,
    may,
    reach,
    tenant_seen,
)
from federation.domain.access import Role, VirtualKey
from federation.errors import Forbidden, InvalidRequest, NotFound


def key(
    role: Role = Role.OWNER,
    tenant: str = "default",
    expires_ms: int | None = None,
    models: tuple[str, ...] = (),
    providers: tuple[str, ...] = (),
) -> VirtualKey:
    return VirtualKey("key_1", b"", "n", tenant, role, 0, expires_ms, None, models, providers)


def wish(
    role: Role = Role.DEVELOPER,
    tenant: str = "default",
    expires_ms: int | None = None,
    models: tuple[str, ...] = (),
    providers: tuple[str, ...] = (),
) -> KeyWish:
    return KeyWish("n", role, tenant, expires_ms, models, providers)


def test_every_role_has_its_permissions() -> None:
    assert set(ROLES) == set(Role)
    assert ROLES[Role.ADMIN] == set(Permission)
    assert Permission.INFER not in ROLES[Role.VIEWER] | ROLES[Role.AUDITOR]
    assert Permission.CHANGE_KEYS not in ROLES[Role.DEVELOPER]
    assert all(Permission.ALL_TENANTS not in ROLES[role] for role in Role if role != Role.ADMIN)


def test_outside_the_operators_tenant_the_platform_is_not_seen() -> None:
    assert may(key(Role.VIEWER), Permission.READ_METRICS)
    assert not may(key(Role.VIEWER, tenant="other"), Permission.READ_METRICS)
    assert not may(key(Role.OWNER, tenant="other"), Permission.READ_STATUS)
    assert may(key(Role.OWNER, tenant="other"), Permission.READ_CALLS)
    assert all(may(key(Role.ADMIN, tenant="other"), permission) for permission in PLATFORM)


def test_only_administrators_see_all_tenants() -> None:
    assert tenant_seen(key(Role.ADMIN)) is None
    assert tenant_seen(key(Role.OWNER, tenant="other")) == "other"


@settings(deadline=None)
@given(minter=st.sampled_from(Role), made=st.sampled_from(Role))
def test_a_minted_key_can_do_nothing_that_its_minter_cannot(minter: Role, made: Role) -> None:
    reach = {permission for permission in Permission if may(key(minter), permission)}
    if all(permission in reach for permission in Permission if may(key(made), permission)):
        check_mint(key(minter), wish(made), 0)
    else:
        with pytest.raises(Forbidden):
            check_mint(key(minter), wish(made), 0)


@pytest.mark.parametrize(
    ("minter", "wanted", "field"),
    [
        (key(Role.DEVELOPER), wish(Role.OWNER), "role"),
        (key(Role.OWNER), wish(Role.ADMIN), "role"),
        (key(models=("a", "b")), wish(models=("c",)), "models"),
        (key(models=("a", "b")), wish(models=()), "models"),
        (key(providers=("a",)), wish(providers=("a", "b")), "providers"),
        (key(expires_ms=5000), wish(), "expires_in_s"),
        (key(expires_ms=5000), wish(expires_ms=5001), "expires_in_s"),
    ],
)
def test_a_key_that_would_reach_further_is_refused(
    minter: VirtualKey, wanted: KeyWish, field: str
) -> None:
    with pytest.raises(Forbidden) as caught:
        check_mint(minter, wanted, 1000)
    assert caught.value.param == field


@pytest.mark.parametrize(
    ("minter", "wanted"),
    [
        (key(), wish()),
        (key(Role.OWNER), wish(Role.OWNER)),
        (key(Role.ADMIN), wish(Role.ADMIN, tenant="b")),
        (key(models=("a", "b")), wish(models=("b",))),
        (key(expires_ms=5000), wish(expires_ms=5000)),
        (key(), wish(expires_ms=2000)),
    ],
)
def test_a_key_within_reach_is_allowed(minter: VirtualKey, wanted: KeyWish) -> None:
    check_mint(minter, wanted, 1000)


def test_another_tenant_is_not_there_for_a_minter() -> None:
    with pytest.raises(NotFound, match="no tenant 'b'"):
        check_mint(key(tenant="a"), wish(tenant="b"), 1000)


def test_a_teams_key_stays_with_its_team_and_a_persons_does_not() -> None:
    machine = replace(key(), team="red")
    check_mint(machine, replace(wish(), team="red"), 0)
    for other in ("", "blue"):
        with pytest.raises(Forbidden) as caught:
            check_mint(machine, replace(wish(), team=other), 0)
        assert caught.value.param == "team"
    check_mint(replace(machine, user="ada"), replace(wish(), team="blue"), 0)


def test_where_to_look_is_ones_own_tenant_but_for_administrators() -> None:
    owner, admin = key(tenant="a"), key(Role.ADMIN, tenant="a")
    assert (reach(owner, None), reach(owner, "a")) == ("a", "a")
    assert (reach(admin, None), reach(admin, "b")) == (None, "b")
    assert (home(owner, None), home(admin, None), home(admin, "b")) == ("a", "a", "b")
    for look in (reach, home):
        with pytest.raises(NotFound):
            look(owner, "b")


def test_a_key_that_has_expired_already_is_not_made() -> None:
    with pytest.raises(InvalidRequest):
        check_mint(key(), wish(expires_ms=1000), 1000)
