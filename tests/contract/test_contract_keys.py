from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tenancy_stores import KINDS, tenancy_stores

from federation.control.tenancy_ports import IssuedKeys
from federation.domain.access import Role, VirtualKey
from federation.errors import InvalidRequest
from federation.storage.tenancy_entries import Retired

KEY = VirtualKey(
    id="key_1",
    hash=b"h" * 32,
    name="search team",
    tenant="default",
    role=Role.VIEWER,
    created_ms=1000,
    expires_ms=9000,
    models=("chat", "acme/large"),
    providers=("acme",),
    hint="wxyz",
    team="red",
    user="ada",
)


@pytest.fixture(params=KINDS)
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IssuedKeys]:
    with tenancy_stores(request.param, tmp_path) as stores:
        yield stores.keys


def other(key: str, tenant: str = "default", created_ms: int = 1000) -> VirtualKey:
    return replace(KEY, id=key, hash=key.encode() * 8, tenant=tenant, created_ms=created_ms)


def test_a_key_is_kept_whole(keys: IssuedKeys) -> None:
    keys.add(KEY)
    assert keys.find("key_1", "default") == KEY
    assert keys.list(None) == [KEY]


def test_a_key_without_limits_is_kept_without_limits(keys: IssuedKeys) -> None:
    free = replace(KEY, expires_ms=None, models=(), providers=(), hint="", team="", user="")
    keys.add(free)
    assert keys.find("key_1", None) == free


def test_another_tenants_key_is_not_found(keys: IssuedKeys) -> None:
    keys.add(other("key_2", tenant="other"))
    assert keys.find("key_2", "default") is None
    assert keys.find("key_2", "other") is not None
    assert keys.find("key_2", None) is not None


def test_keys_are_listed_by_age_and_by_tenant(keys: IssuedKeys) -> None:
    keys.add(other("key_3", created_ms=3000))
    keys.add(other("key_2", tenant="other", created_ms=2000))
    keys.add(KEY)
    assert [key.id for key in keys.list(None)] == ["key_1", "key_2", "key_3"]
    assert [key.id for key in keys.list("default")] == ["key_1", "key_3"]


def test_a_revoked_key_stays_in_the_list_with_the_first_time(keys: IssuedKeys) -> None:
    keys.add(KEY)
    keys.revoke("key_1", 5000)
    keys.revoke("key_1", 6000)
    keys.revoke("key_9", 6000)
    assert keys.list("default") == [replace(KEY, revoked_ms=5000)]


def test_tenants_are_made_once(keys: IssuedKeys) -> None:
    assert keys.has_tenant("default")
    assert not keys.has_tenant("new")
    keys.ensure_tenant("new", 1)
    keys.ensure_tenant("new", 2)
    assert keys.has_tenant("new")


def test_a_tenant_that_another_replica_makes_in_this_moment_is_there(
    keys: IssuedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(keys, "has_tenant", lambda _: False)
        keys.ensure_tenant("new", 1)
        keys.ensure_tenant("new", 2)
    assert keys.has_tenant("new")


def test_keys_come_page_by_page_without_gap_or_repetition(keys: IssuedKeys) -> None:
    made = [other(f"key_{n}", created_ms=1000 + n // 3) for n in range(8)]
    for key in (*reversed(made), other("key_x", tenant="other")):
        keys.add(key)
    seen: list[VirtualKey] = []
    after: tuple[int | str, ...] | None = None
    while page := keys.page("default", after, 3):
        seen += page
        after = (page[-1].created_ms, page[-1].id)
    assert seen == made


def test_keys_are_listed_by_team_and_user(keys: IssuedKeys) -> None:
    keys.add(KEY)
    keys.add(replace(other("key_2"), team="blue"))
    keys.add(replace(other("key_3"), user="bob"))
    keys.add(other("key_4", tenant="other"))
    assert [key.id for key in keys.page("default", None, 9, team="red")] == ["key_1", "key_3"]
    assert [key.id for key in keys.page("default", None, 9, user="ada")] == ["key_1", "key_2"]
    assert [key.id for key in keys.page(None, None, 9, "red", "ada")] == ["key_1", "key_4"]


def test_a_key_is_changed_where_it_belongs_and_nowhere_else(keys: IssuedKeys) -> None:
    keys.add(KEY)
    keys.add(other("key_2"))
    renamed = replace(KEY, name="new", expires_ms=None, models=(), team="")
    assert keys.change("other", "key_1", lambda _: renamed) is None
    assert keys.change("default", "key_9", lambda _: renamed) is None
    assert keys.change("default", "key_1", lambda key: replace(renamed, hash=key.hash)) == renamed
    assert keys.list(None) == [renamed, other("key_2")]


def test_a_change_that_is_refused_changes_nothing(keys: IssuedKeys) -> None:
    keys.add(KEY)

    def refuse(_: VirtualKey) -> VirtualKey:
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        keys.change("default", "key_1", refuse, 9000)
    assert keys.find("key_1", None) == KEY
    assert keys.retired(0) == []


def test_a_replaced_secret_works_until_its_time_and_only_the_last_one(keys: IssuedKeys) -> None:
    keys.add(KEY)
    for mark, until in ((b"2" * 32, 5000), (b"3" * 32, 7000)):
        keys.change("default", "key_1", partial(replace, hash=mark), until)
    assert keys.retired(6999) == [Retired(b"2" * 32, "key_1", "default", 7000)]
    assert keys.retired(7000) == []
    keys.change("default", "key_1", lambda key: replace(key, name="same secret"))
    assert len(keys.retired(0)) == 1
    keys.change("default", "key_1", lambda key: replace(key, hash=b"4" * 32))
    assert keys.retired(0) == []
