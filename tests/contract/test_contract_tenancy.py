from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tenancy_stores import KINDS, TenancyStores, tenancy_stores

from federation.domain.access import Role, VirtualKey
from federation.domain.hands import Hand, How
from federation.domain.tenancy import Member, Quota, Team, Tenant, Tier, User
from federation.errors import InvalidRequest
from federation.storage.tenancy_entries import Answer, Held, Place, Removal

ACME = Tenant("acme", "Acme Inc.", 7, Tier.CUSTOM, Quota(5, None), suspended=True)
RED = Team("red", "default", "The Reds", 8)
ADA = User("ada@x", "default", "Ada", 9, Role.AUDITOR, "red", "ada@x.test", suspended=True)
KEY = VirtualKey("key_1", b"h" * 32, "n", "default", Role.VIEWER, 1, team="red", user="ada@x")

SHARED = [kind for kind in KINDS if kind != "memory"]
"""Memory is only ever used from one thread."""


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TenancyStores]:
    with tenancy_stores(request.param, tmp_path) as made:
        yield made


def anything(_: Member) -> None:
    """A check that lets everything be removed."""


def test_objects_are_kept_whole(stores: TenancyStores) -> None:
    tenancy = stores.tenancy
    assert tenancy.tenants.add(ACME)
    assert tenancy.teams.add(RED)
    assert tenancy.users.add(ADA)
    assert tenancy.tenants.find("acme", "acme") == ACME
    assert tenancy.teams.find("default", "red") == RED
    assert tenancy.users.find("default", "ada@x") == ADA


def test_tenants_of_before_have_no_limits(stores: TenancyStores) -> None:
    kept = stores.tenancy.tenants.find("default", "default")
    assert kept == Tenant("default", "default", 0, Tier.ENTERPRISE)
    assert kept.quota == Quota()


def test_an_id_is_taken_within_its_tenant_only(stores: TenancyStores) -> None:
    teams = stores.tenancy.teams
    assert teams.add(RED)
    assert not teams.add(replace(RED, name="Others"))
    assert teams.add(replace(RED, tenant="other", name="Theirs"))
    assert teams.find("default", "red") == RED
    assert not stores.tenancy.tenants.add(replace(ACME, id="other"))


def test_another_tenants_objects_are_not_there(stores: TenancyStores) -> None:
    tenancy = stores.tenancy
    tenancy.teams.add(RED)
    tenancy.users.add(ADA)
    tenancy.tenants.add(ACME)
    for objects, name in (
        (tenancy.teams, "red"),
        (tenancy.users, "ada@x"),
        (tenancy.tenants, "acme"),
    ):
        assert objects.find("other", name) is None
        assert objects.change("other", name, lambda _: pytest.fail("was found")) is None
        assert objects.remove("other", name, anything) is Removal.MISSING
    assert tenancy.teams.page("other", None, None) == []
    assert tenancy.users.page("other", None, None, "red") == []
    assert [tenant.id for tenant in tenancy.tenants.page("other", None, None)] == ["other"]


def test_objects_come_page_by_page_by_tenant_and_id(stores: TenancyStores) -> None:
    users = stores.tenancy.users
    made = [
        replace(ADA, id=name, tenant=tenant, team=team)
        for tenant in ("default", "other")
        for name, team in (("a", "red"), ("b", "blue"), ("c", "red"))
    ]
    for user in reversed(made):
        users.add(user)
    seen: list[User] = []
    after: Place | None = None
    while page := users.page(None, after, 2):
        seen += page
        after = (page[-1].tenant, page[-1].id)
    assert seen == made
    assert users.page("other", ("other", "a"), 9) == made[4:]
    assert [user.id for user in users.page("default", None, None, "red")] == ["a", "c"]


def test_a_change_is_made_to_one_object(stores: TenancyStores) -> None:
    teams = stores.tenancy.teams
    for team in (RED, replace(RED, id="blue"), replace(RED, tenant="other")):
        teams.add(team)
    renamed = replace(RED, name="New")
    assert teams.change("default", "red", lambda before: replace(before, name="New")) == renamed
    expected = [replace(RED, id="blue"), renamed, replace(RED, tenant="other")]
    assert teams.page(None, None, None) == expected


def test_what_is_refused_inside_changes_nothing(stores: TenancyStores) -> None:
    def refuse(_: Team) -> Team:
        raise InvalidRequest("no")

    def check(_: Team) -> None:
        raise InvalidRequest("no")

    teams = stores.tenancy.teams
    teams.add(RED)
    with pytest.raises(InvalidRequest):
        teams.change("default", "red", refuse)
    with pytest.raises(InvalidRequest):
        teams.remove("default", "red", check)
    assert teams.find("default", "red") == RED


@pytest.mark.parametrize("stores", SHARED, indirect=True)
def test_of_changes_at_once_none_is_lost(stores: TenancyStores) -> None:
    """Each reads what it changes; two that read the same would count one step."""
    tenants = stores.tenancy.tenants
    tenants.add(replace(ACME, custom=Quota(0, None)))

    def step(before: Tenant) -> Tenant:
        return replace(before, custom=Quota((before.custom.requests_month or 0) + 1, None))

    def run() -> None:
        for _ in range(10):
            tenants.change("acme", "acme", step)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = tenants.find("acme", "acme")
    assert found is not None
    assert found.custom.requests_month == 40


def test_nothing_is_removed_while_something_in_force_belongs_to_it(stores: TenancyStores) -> None:
    tenancy = stores.tenancy
    tenancy.teams.add(RED)
    tenancy.users.add(ADA)
    stores.keys.add(replace(KEY, team=""))
    stores.keys.add(replace(KEY, id="key_2", hash=b"2" * 32, user=""))
    everything = Held(teams=1, users=1, keys=2)
    assert tenancy.tenants.remove("default", "default", anything) == everything
    assert tenancy.users.remove("default", "ada@x", anything) == Held(keys=1)
    stores.keys.revoke("key_1", 5)
    assert tenancy.teams.remove("default", "red", anything) == Held(users=1, keys=1)
    assert tenancy.users.remove("default", "ada@x", anything) is Removal.DONE
    assert tenancy.teams.remove("default", "red", anything) == Held(keys=1)
    stores.keys.revoke("key_2", 5)
    assert tenancy.teams.remove("default", "red", anything) is Removal.DONE
    assert tenancy.tenants.remove("default", "default", anything) == Held(revoked=2)
    assert tenancy.tenants.remove("other", "other", anything) is Removal.DONE
    assert tenancy.tenants.remove("other", "other", anything) is Removal.MISSING
    assert not stores.keys.has_tenant("other")


def test_a_team_of_the_same_name_elsewhere_keeps_nothing_from_going(stores: TenancyStores) -> None:
    theirs = replace(RED, tenant="other")
    stores.tenancy.teams.add(theirs)
    stores.tenancy.teams.add(RED)
    stores.tenancy.users.add(ADA)
    stores.keys.add(KEY)
    assert stores.tenancy.teams.remove("other", "red", anything) is Removal.DONE


ASKED = Answer("default", "key_1", "name", "digest", 1_000)
DONE = replace(ASKED, status=201, sealed=b"s", expires_ms=5_000)


def test_a_name_is_claimed_once_until_it_is_free(stores: TenancyStores) -> None:
    answers = stores.answers
    assert answers.begin(ASKED, 0) is None
    assert answers.begin(replace(ASKED, digest="other"), 0) == ASKED
    answers.forget("default", "key_1", "name")
    assert answers.begin(ASKED, 0) is None


def test_an_answer_stays_until_its_time(stores: TenancyStores) -> None:
    answers = stores.answers
    answers.begin(ASKED, 0)
    answers.finish(DONE)
    assert answers.begin(ASKED, 4_999) == DONE
    assert answers.begin(replace(ASKED, expires_ms=9_000), 5_000) is None


def test_a_name_is_one_keys_own(stores: TenancyStores) -> None:
    answers = stores.answers
    answers.begin(ASKED, 0)
    answers.finish(DONE)
    for other in (replace(ASKED, tenant="other"), replace(ASKED, key="key_2")):
        assert answers.begin(other, 0) is None
        answers.forget(other.tenant, other.key, other.name)
    assert answers.begin(ASKED, 0) == DONE


def test_all_who_ever_were_behind_a_key_stay_there(stores: TenancyStores) -> None:
    keys, one = stores.keys, replace(KEY, team="", user="")
    keys.add(one, "admin")
    keys.add(replace(one, id="key_2", hash=b"2" * 32), "key_1")
    keys.add(replace(one, id="key_3", hash=b"3" * 32))
    made = {Hand("key_1", "admin", How.MADE), Hand("key_2", "key_1", How.MADE)}
    assert set(keys.hands(["key_1", "key_2", "key_3", "none"])) == made
    assert keys.hands([]) == []

    def secret(by: str, hash_: bytes) -> None:
        keys.change(None, "key_1", lambda key: replace(key, hash=hash_), by=by)

    for n, by in enumerate(("key_1", "user:default/bob", "user:default/bob", "")):
        secret(by, bytes([n]) * 32)
    keys.change(None, "key_1", lambda key: replace(key, user="ada@x"))
    keys.change(None, "key_1", lambda key: replace(key, user="eve@x"))
    keys.change(None, "key_1", lambda key: replace(key, name="again"))
    found = keys.hands(["key_1"])
    assert len(found) == len(set(found))
    assert set(found) == {
        Hand("key_1", "admin", How.MADE),
        Hand("key_1", "user:default/bob", How.ROTATED),
        Hand("key_1", "", How.ROTATED),
        Hand("key_1", "user:default/ada@x", How.HELD),
        Hand("key_1", "user:default/eve@x", How.HELD),
    }
