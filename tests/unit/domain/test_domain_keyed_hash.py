from __future__ import annotations

import hmac
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.keyed_hash import keyed_hash


@settings(deadline=None)
@given(key=st.binary(max_size=200), message=st.binary(max_size=300))
def test_it_is_hmac_sha256_for_any_key_and_message(key: bytes, message: bytes) -> None:
    expected = hmac.digest(key, message, "sha256")
    assert keyed_hash(key, message) == expected
    assert keyed_hash(key, message) == expected  # a key that was kept gives the same


def test_one_message_leaves_nothing_in_the_key_for_the_next() -> None:
    key, messages = b"k" * 32, [b"%d" % number for number in range(200)]
    expected = [hmac.digest(key, message, "sha256") for message in messages]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda message: keyed_hash(key, message), messages)) == expected
