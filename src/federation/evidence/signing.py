"""Keys that sign checkpoints, each signed by the one before it (Ed25519, RFC 8032).

The first key gives the log its name and signs itself. Whoever trusts one key of the row
trusts those after it by these signatures, and what those before it signed by the chain of
checkpoints. The trap: a key that has a successor must sign nothing any more, or whoever
finds an old key could go on with a history of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from federation.evidence.hashing import LIMIT, key_id, signed_key

_ID = rb"[0-9a-f]{32}"
_LINE = re.compile(
    rb'\{"body":(\{"log":"%b","n":(?:0|[1-9][0-9]{0,18}),"key":"%b","public":"[0-9a-f]{64}",'
    rb'"predecessor":"(?:%b)?","from_ms":(?:0|[1-9][0-9]{0,18})\}),"signature":"([0-9a-f]{128})"\}\n?'
    % (_ID, _ID, _ID)
)


class KeyBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public key as the key file says it."""

    log: str
    n: int
    key: str
    public: str
    predecessor: str
    from_ms: int


_read_body = msgspec.json.Decoder(KeyBody).decode


class BadKeys(ValueError):
    """The row of keys does not hold together."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and its place in the row."""

    n: int
    id: str
    public: bytes

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made the signature."""
        return verified(self.public, signature, message)


def verified(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature is good."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_of(seed: bytes) -> bytes:
    """The public key that belongs to a private one of 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """The signature of a private key."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def key_line(seed: bytes, at_ms: int, signer: bytes, before: Key | None, log: str) -> bytes:
    """The line that makes `seed` the next key: signed with `signer`, the predecessor's seed.

    The first key is its own signer, has no `before`, and its id is the log's name.
    """
    public = public_of(seed)
    body = msgspec.json.encode(
        KeyBody(
            log=log or key_id(public),
            n=0 if before is None else before.n + 1,
            key=key_id(public),
            public=public.hex(),
            predecessor="" if before is None else before.id,
            from_ms=at_ms,
        )
    )
    signature = sign(signer, signed_key(body)).hex().encode()
    return b'{"body":%b,"signature":"%b"}\n' % (body, signature)


def read_keys(lines: Iterable[bytes]) -> list[Key]:
    """The row of keys, in order. Raises `BadKeys` for anything but a whole, signed row, and for
    one in which a key stands twice: which of its places signed could not be told."""
    keys: list[Key] = []
    names: set[str] = set()
    for line in lines:
        key = _next_key(keys, line)
        if key.id in names:
            raise BadKeys(f"key {key.n} stands in the row before")
        names.add(key.id)
        keys.append(key)
    if not keys:
        raise BadKeys("there is no key")
    return keys


def _next_key(keys: list[Key], line: bytes) -> Key:
    n = len(keys)
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadKeys(f"key {n} cannot be read")
    try:
        body = _read_body(match[1])
        public = bytes.fromhex(body.public)
    except (msgspec.DecodeError, ValueError) as error:
        raise BadKeys(f"key {n} cannot be read") from error
    if body.from_ms >= LIMIT:
        raise BadKeys(f"key {n} has too large a number")
    key = Key(n, key_id(public), public)
    before = keys[-1] if keys else None
    log = keys[0].id if keys else key.id
    expected = (n, key.id, before.id if before else "", log)
    if (body.n, body.key, body.predecessor, body.log) != expected:
        raise BadKeys(f"key {n} is not what should follow")
    if not (before or key).signed(bytes.fromhex(match[2].decode()), signed_key(match[1])):
        raise BadKeys(f"key {n} is not signed by its predecessor")
    return key
