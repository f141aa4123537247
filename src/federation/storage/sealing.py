"""Content at rest: sealed so that a copied database tells nothing, and bound to its owner.

AES-256-GCM (NIST SP 800-38D). The trap: GCM breaks when a nonce is used twice under one key.
Every record therefore has a key of its own, derived from its owner and name, and a random
nonce beneath that; a record that is written twice is all that the nonce must keep apart.
"""

from __future__ import annotations

import hmac
import secrets
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = b"\x01"
"""How what was sealed here begins; `evidence.sealing` has another form."""
_NONCE = 12
_QUICK = 1
"""A level of compression: conversations shrink to a third at the price of a copy."""


class Unsealable(Exception):
    """A sealed record that this key does not open, or that belongs to somebody else."""


class Sealer:
    """Seals and opens records. `key` has 32 bytes; no `repr` shows it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, tenant: str, name: str, content: bytes) -> bytes:
        """The sealed form of a tenant's record; different every time."""
        bound = _bound(tenant, name)
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher(bound).encrypt(nonce, zlib.compress(content, _QUICK), bound)
        return FORMAT + nonce + sealed

    def open(self, tenant: str, name: str, sealed: bytes) -> bytes:
        """The content again. Raises `Unsealable` under another tenant, name or key, and where
        a bit was changed."""
        bound = _bound(tenant, name)
        start = len(FORMAT) + _NONCE
        if sealed[:1] != FORMAT or len(sealed) < start:
            raise Unsealable(name)
        try:
            content = self._cipher(bound).decrypt(sealed[1:start], sealed[start:], bound)
        except InvalidTag:
            raise Unsealable(name) from None
        return zlib.decompress(content)

    def _cipher(self, bound: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._key, bound, "sha256"))


def _bound(tenant: str, name: str) -> bytes:
    """What a record is bound to. The length keeps ("ab", "c") and ("a", "bc") apart."""
    owner = tenant.encode()
    return b"response/%d/%b/%b" % (len(owner), owner, name.encode())
