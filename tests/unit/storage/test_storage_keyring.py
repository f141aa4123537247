from __future__ import annotations

import hmac

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.access import Role, VirtualKey
from federation.domain.snapshot import KeyRing
from federation.storage.keyring import SECRET_LIMIT, Keys, key_hash

HASH_KEY = b"k" * 32


def key(secret: str, key_id: str = "key_1", hash_key: bytes = HASH_KEY, **more: int) -> VirtualKey:
    return VirtualKey(
        id=key_id,
        hash=key_hash(hash_key, secret),
        name="n",
        tenant="default",
        role=Role.DEVELOPER,
        created_ms=0,
        expires_ms=more.get("expires_ms"),
        revoked_ms=more.get("revoked_ms"),
    )


def keys(*ring: VirtualKey, now: float = 0.0, hash_key: bytes = HASH_KEY) -> Keys:
    return Keys(KeyRing(1, hash_key, ring), lambda: now)


def test_a_key_is_found_by_its_secret_alone() -> None:
    found = keys(key("fed_a", "key_a"), key("fed_b", "key_b")).find("fed_b")
    assert found is not None
    assert found.id == "key_b"
    assert keys(key("fed_a")).find("fed_A") is None
    assert keys().find("fed_a") is None


@settings(deadline=None)
@given(hash_key=st.binary(min_size=1, max_size=100), secret=st.text(max_size=50))
def test_the_hash_is_hmac_sha256(hash_key: bytes, secret: str) -> None:
    expected = hmac.digest(hash_key, secret.encode("utf-8", "surrogatepass"), "sha256")
    assert key_hash(hash_key, secret) == expected
    found = keys(key(secret, hash_key=hash_key), hash_key=hash_key).find(secret)
    assert found is not None
    assert found.hash == expected


def test_an_expired_key_is_not_found_from_that_moment() -> None:
    ring = key("fed_a", expires_ms=5000)
    assert keys(ring, now=4.999).find("fed_a") is not None
    assert keys(ring, now=5.0).find("fed_a") is None


def test_a_revoked_key_is_not_found() -> None:
    assert keys(key("fed_a", revoked_ms=1)).find("fed_a") is None


def test_a_secret_longer_than_any_key_is_not_even_hashed() -> None:
    secret = "x" * (SECRET_LIMIT + 1)
    assert keys(key(secret)).find(secret) is None


def test_no_hash_and_no_key_shows_in_a_repr() -> None:
    ring = KeyRing(1, HASH_KEY, (key("fed_a"),))
    assert "kkkk" not in repr(ring)
    assert repr(key("fed_a").hash) not in repr(ring)


def test_a_hash_key_longer_than_a_block_is_taken_as_hmac_takes_it() -> None:
    long = b"k" * 65
    found = keys(key("fed_a", hash_key=long), hash_key=long).find("fed_a")
    assert found is not None
    assert found.hash == hmac.digest(long, b"fed_a", "sha256")
