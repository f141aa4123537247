from __future__ import annotations

from dataclasses import replace

from federation.control.ports import KeyStore
from federation.domain.access import Role, VirtualKey

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
)


def other(key: str, tenant: str = "default", created_ms: int = 1000) -> VirtualKey:
    return replace(KEY, id=key, hash=key.encode() * 8, tenant=tenant, created_ms=created_ms)


def test_a_key_is_kept_whole(keys: KeyStore) -> None:
    keys.add(KEY)
    assert keys.find("key_1", "default") == KEY
    assert keys.list(None) == [KEY]


def test_a_key_without_limits_is_kept_without_limits(keys: KeyStore) -> None:
    free = replace(KEY, expires_ms=None, models=(), providers=(), hint="")
    keys.add(free)
    assert keys.find("key_1", None) == free


def test_another_tenants_key_is_not_found(keys: KeyStore) -> None:
    keys.add(other("key_2", tenant="other"))
    assert keys.find("key_2", "default") is None
    assert keys.find("key_2", "other") is not None
    assert keys.find("key_2", None) is not None


def test_keys_are_listed_by_age_and_by_tenant(keys: KeyStore) -> None:
    keys.add(other("key_3", created_ms=3000))
    keys.add(other("key_2", tenant="other", created_ms=2000))
    keys.add(KEY)
    assert [key.id for key in keys.list(None)] == ["key_1", "key_2", "key_3"]
    assert [key.id for key in keys.list("default")] == ["key_1", "key_3"]


def test_a_revoked_key_stays_in_the_list_with_the_first_time(keys: KeyStore) -> None:
    keys.add(KEY)
    keys.revoke("key_1", 5000)
    keys.revoke("key_1", 6000)
    keys.revoke("key_9", 6000)
    assert keys.list("default") == [replace(KEY, revoked_ms=5000)]


def test_tenants_are_made_once(keys: KeyStore) -> None:
    assert keys.has_tenant("default")
    assert not keys.has_tenant("new")
    keys.ensure_tenant("new", 1)
    keys.ensure_tenant("new", 2)
    assert keys.has_tenant("new")
