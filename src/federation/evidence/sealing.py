"""What is sealed, and how: AES-256-GCM under keys that are themselves sealed by others.

A root key wraps a tenant's keys, those wrap data keys (one per person and month), and those
seal contents. Pure: keys and nonces are arguments.

The trap is the nonce. GCM gives its key away where one nonce is used twice under a key, so
nonces are random and every key has a bounded number of uses: with 96 random bits at most 2^32
(NIST SP 800-38D, section 8.3); `MOST_USES` stays well below. What is sealed is bound to its
tenant, table, row and key: moved to another row it does not open.
"""

from __future__ import annotations

import hmac
from collections.abc import Container
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
SALT_BYTES: Final = 32
MOST_USES: Final = 1 << 30
"""Contents sealed under one key before another takes its place."""

_FORMAT: Final = b"\x02"
_COMMITMENT: Final = b"federation/payload/1\n"
_ID_LIMIT: Final = 255


class Unsealable(Exception):
    """Bytes that this key does not open: another key's, another row's, or changed."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A key that is ready to be used. No `repr` shows it."""

    id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """Where what is sealed belongs."""

    tenant: str
    table: str
    row: str


def seal(key: SealingKey, row: Row, content: bytes, nonce: bytes) -> bytes:
    """The sealed form, which names its key. `nonce` is 12 random bytes, never used before."""
    name = key.id.encode()
    if len(nonce) != NONCE_BYTES or not 0 < len(name) <= _ID_LIMIT:
        raise ValueError("a nonce has 12 bytes, a key's name 1 to 255")
    sealed = AESGCM(key.key).encrypt(nonce, content, _bound(row, key.id))
    return b"%b%c%b%b%b" % (_FORMAT, len(name), name, nonce, sealed)


def key_named(sealed: bytes) -> str:
    """The id of the key that sealed this. Raises `Unsealable` where that is not said."""
    if sealed[:1] != _FORMAT or len(sealed) < 2 or len(sealed) < 2 + sealed[1] + NONCE_BYTES:
        raise Unsealable("not sealed by a named key")
    try:
        return sealed[2 : 2 + sealed[1]].decode()
    except UnicodeDecodeError:
        raise Unsealable("not sealed by a named key") from None


def unseal(key: SealingKey, row: Row, sealed: bytes) -> bytes:
    """The content again. Raises `Unsealable` under another key, for another row, and where a
    bit was changed."""
    if key_named(sealed) != key.id:
        raise Unsealable("sealed by another key")
    start = 2 + sealed[1]
    nonce, rest = sealed[start : start + NONCE_BYTES], sealed[start + NONCE_BYTES :]
    try:
        return AESGCM(key.key).decrypt(nonce, rest, _bound(row, key.id))
    except InvalidTag:
        raise Unsealable("changed, or another row's") from None


def commitment(salt: bytes, content: bytes) -> str:
    """What the log holds of a content: it proves the content to whoever has it with its salt,
    and tells nothing to others, however short the content is. 64 hexadecimal digits."""
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt has 32 bytes")
    return sha256(_COMMITMENT + salt + content).hexdigest()


def pseudonym(key: bytes, subject: str) -> str:
    """The name under which a subject stands in stores and in the log: without the key it can
    neither be read nor be guessed. 34 characters."""
    return "p_" + hmac.digest(key, subject.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]


def pseudonym_now(key: bytes, subject: str, erased: Container[str]) -> str:
    """The pseudonym of somebody of whom these pseudonyms were erased: who comes back after an
    erasure is somebody else, whom nothing ties to what was there before."""
    return pseudonyms(key, subject, erased)[-1]


def pseudonyms(key: bytes, subject: str, erased: Container[str]) -> list[str]:
    """All that somebody has had, the one of now last."""
    names = [pseudonym(key, subject)]
    while names[-1] in erased:
        names.append(pseudonym(key, f"{names[-1]}\n{subject}"))
    return names


def _bound(row: Row, key_id: str) -> bytes:
    """Associated data. Lengths keep ("ab", "c") and ("a", "bc") apart."""
    parts = (row.tenant.encode(), row.table.encode(), row.row.encode(), key_id.encode())
    return b"federation/sealed/2" + b"".join(b"/%d/%b" % (len(part), part) for part in parts)
