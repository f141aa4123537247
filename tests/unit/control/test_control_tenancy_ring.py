from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.control.permissions import ROLES
from federation.control.tenancy_cursors import Cursors
from federation.control.tenancy_ring import in_force, quotas
from federation.control.tenancy_tags import check_tag, tag_of
from federation.domain.access import Role, VirtualKey
from federation.domain.tenancy import Member, Quota, Team, Tenant, Tier, User
from federation.errors import InvalidRequest, NotFound
from federation.storage.tenancy_entries import Place, Retired

NOW = 1000
KEY = VirtualKey("key_1", b"n" * 32, "n", "acme", Role.OWNER, 0)
ADA = User("ada", "acme", "Ada", 0, Role.OWNER, "red")
ACME = Tenant("acme", "Acme", 0, Tier.ENTERPRISE)
OLD = Retired(b"o" * 32, "key_1", "acme", NOW + 500)


def ring(
    key: VirtualKey = KEY,
    *,
    retired: tuple[Retired, ...] = (),
    tenant: Tenant = ACME,
    users: tuple[User, ...] = (ADA,),
) -> list[VirtualKey]:
    return list(in_force([key], retired, [tenant], users, NOW))


def test_a_key_of_nobody_is_in_force_as_it_is() -> None:
    assert ring() == [KEY]


@pytest.mark.parametrize(
    "key",
    [
        replace(KEY, revoked_ms=1),
        replace(KEY, expires_ms=NOW),
        replace(KEY, user="gone"),
        replace(KEY, user="ada", tenant="other"),
    ],
)
def test_a_key_that_ended_or_has_no_holder_is_not(key: VirtualKey) -> None:
    assert ring(key, retired=(OLD,)) == []


@pytest.mark.parametrize(
    ("tier", "most"), [(Tier.COMMUNITY, 5), (Tier.PRO, 20), (Tier.ENTERPRISE, None)]
)
def test_a_tier_says_how_many_providers_a_key_reaches(tier: Tier, most: int | None) -> None:
    assert ring(tenant=replace(ACME, tier=tier)) == [replace(KEY, most_providers=most)]
    own = replace(ACME, tier=Tier.CUSTOM, custom=Quota(providers=2))
    assert [each.most_providers for each in ring(tenant=own, retired=(OLD,))] == [2, 2]


def test_suspension_ends_all_keys() -> None:
    assert ring(tenant=replace(ACME, suspended=True)) == []
    assert ring(replace(KEY, user="ada"), users=(replace(ADA, suspended=True),)) == []


def test_a_key_is_on_its_own_team_else_on_its_holders() -> None:
    assert ring(replace(KEY, user="ada"))[0].team == "red"
    assert ring(replace(KEY, user="ada", team="blue"))[0].team == "blue"


@settings(deadline=None)
@given(held=st.sampled_from(Role), has=st.sampled_from(Role))
def test_a_key_does_no_more_than_its_holder_may(held: Role, has: Role) -> None:
    (found,) = ring(replace(KEY, user="ada", role=held), users=(replace(ADA, role=has),))
    assert ROLES[found.role] <= ROLES[has]
    if ROLES[held] <= ROLES[has]:
        assert found.role is held


def test_a_former_secret_is_the_same_key_with_an_earlier_end() -> None:
    new, old = ring(replace(KEY, user="ada"), retired=(OLD,))
    assert (new.hash, old.hash) == (KEY.hash, OLD.hash)
    assert (old.id, old.team, old.user) == (new.id, new.team, new.user)
    assert (new.expires_ms, old.expires_ms) == (None, OLD.until_ms)
    ends_first = ring(replace(KEY, expires_ms=NOW + 1), retired=(OLD,))
    assert [key.expires_ms for key in ends_first] == [NOW + 1, NOW + 1]
    assert len(ring(retired=(replace(OLD, until_ms=NOW),))) == 1


def test_only_limits_are_told() -> None:
    tenants = [
        replace(ACME, tier=Tier.COMMUNITY),
        replace(ACME, id="pro", tier=Tier.PRO),
        replace(ACME, id="free", tier=Tier.ENTERPRISE),
        replace(ACME, id="own", tier=Tier.CUSTOM, custom=Quota(None, 3)),
        replace(ACME, id="none", tier=Tier.CUSTOM),
    ]
    assert quotas(tenants) == {
        "acme": Quota(1_000, 5),
        "pro": Quota(100_000, 20),
        "own": Quota(None, 3),
    }


PLACES = st.lists(st.integers(0, 2**53) | st.text(max_size=50), max_size=3).map(tuple)
LISTS = st.lists(st.none() | st.text(max_size=20), max_size=4)


@settings(deadline=None, max_examples=50)
@given(place=PLACES, bound=LISTS, other=LISTS)
def test_a_cursor_is_read_as_it_was_written_and_for_its_own_list_only(
    place: Place, bound: list[str | None], other: list[str | None]
) -> None:
    cursors = Cursors(b"k" * 32)
    cursor = cursors.write(place, *bound)
    assert cursors.read(cursor, *bound) == place
    if other != bound:
        with pytest.raises(NotFound):
            cursors.read(cursor, *other)
    with pytest.raises(NotFound):
        Cursors(b"x" * 32).read(cursor, *bound)


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200))
def test_what_is_no_cursor_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        Cursors(b"k" * 32).read(text, "list")


def test_a_tag_names_one_state_of_one_object() -> None:
    states: list[Member | VirtualKey] = [
        KEY,
        replace(KEY, name="x"),
        replace(KEY, hash=b"x" * 32),
        replace(KEY, user="ada"),
        ACME,
        replace(ACME, custom=Quota(1)),
        ADA,
        Team("ada", "acme", "Ada", 0),
    ]
    assert len({tag_of(state) for state in states}) == len(states)
    check_tag(KEY, None)
    check_tag(KEY, "*")
    check_tag(KEY, f'"x", {tag_of(KEY)}')
    for wrong in ('"x"', tag_of(ADA), tag_of(KEY).strip('"'), f"W/{tag_of(KEY)}", ""):
        with pytest.raises(InvalidRequest) as caught:
            check_tag(KEY, wrong)
        assert caught.value.status == 412
