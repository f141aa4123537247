"""Virtual keys by secret, from a key ring held in memory.

Safe for a worker to import. The trap: secrets are never compared as they are. What is
looked up and compared is their keyed hash, so that the time it takes says nothing about
a secret that is only nearly right.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from federation.domain.access import VirtualKey
from federation.domain.keyed_hash import keyed_hash
from federation.domain.snapshot import KeyRing

SECRET_LIMIT = 512
"""Characters; longer than any key we issue, short enough that hashing costs nothing."""


def key_hash(hash_key: bytes, secret: str) -> bytes:
    """HMAC-SHA256 of a secret, 32 bytes."""
    return keyed_hash(hash_key, secret.encode("utf-8", "surrogatepass"))


def seal_key(hash_key: bytes) -> bytes:
    """The key for envelopes that clients carry, 32 bytes: the same in every worker."""
    return hmac.digest(hash_key, b"federation/state-envelope/1", "sha256")


def internal_key(hash_key: bytes) -> str:
    """What a worker presents where only workers are answered, 64 hexadecimal digits."""
    return hmac.digest(hash_key, b"federation/internal-api/1", "sha256").hex()


def receipt_key(hash_key: bytes) -> bytes:
    """The key that the salts of receipts are made of, 32 bytes."""
    return hmac.digest(hash_key, b"federation/receipts/1", "sha256")


class Keys:
    """The keys in force; implements `ports.KeyFinder`.

    A ring never changes: on a new one, make new `Keys`. Revoked keys are left out at once,
    expired ones from the moment of their expiry by `clock` (Unix seconds).
    """

    def __init__(self, ring: KeyRing, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._by_hash = {key.hash: key for key in ring.keys if key.revoked_ms is None}
        self._hash_key = ring.hash_key

    def find(self, secret: str) -> VirtualKey | None:
        """The key in force with this secret, or None."""
        if len(secret) > SECRET_LIMIT:
            return None
        digest = keyed_hash(self._hash_key, secret.encode("utf-8", "surrogatepass"))
        key = self._by_hash.get(digest)
        if key is None or not hmac.compare_digest(key.hash, digest):
            return None
        if key.expires_ms is not None and key.expires_ms <= self._clock() * 1000:
            return None
        return key
