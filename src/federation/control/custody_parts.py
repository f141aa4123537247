"""What custody is made of: the key above all others, what names are made with, keys in use, and
what a wrapped key is bound to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Protocol

from federation.evidence.sealing import NONCE_BYTES, SealingKey, Unsealable
from federation.storage.sealing_entries import KeyEntry


class KeyGone(Exception):
    """The key was destroyed: what it sealed cannot be read by anyone any more."""


class KeyMissing(Unsealable):
    """The key was never in this store of keys: it may be in the one that goes with the data."""


class Root(Protocol):
    """The key above all others, wherever it is: a file, a Vault, or a key management service
    for which this is the interface. All of it may block, and raises `Unavailable`."""

    def version(self) -> str:
        """The version that wraps now."""
        ...

    def wrap(self, key: bytes, bound: bytes) -> tuple[str, bytes]:
        """The version that did it, and the key in a form that only it opens. `bound` must be
        given again, byte for byte, to open it."""
        ...

    def unwrap(self, version: str, wrapped: bytes, bound: bytes) -> bytes:
        """The key again, whatever version wrapped it."""
        ...

    def rotate(self) -> str:
        """Make the next version; older ones still unwrap."""
        ...


@dataclass(slots=True)
class Naming:
    """What a tenant's pseudonyms are made with."""

    key: SealingKey
    erased: frozenset[str]
    """Those that stand for nobody any more."""
    looked_ms: int


@dataclass(slots=True)
class InUse:
    """A data key that contents are sealed with now."""

    key: SealingKey
    left: int
    until_ms: int
    uses: int
    looked_ms: int
    """When it was last seen to be alive."""


@dataclass(slots=True)
class Rotation:
    """How a rotation stands: keys rewrapped now, and those still under older ones."""

    newest: str
    done: int = 0
    left: int = 0
    by_parent: dict[str, int] = field(default_factory=dict)


def new_nonce() -> bytes:
    """A nonce for one content, random."""
    return secrets.token_bytes(NONCE_BYTES)


def bound(entry: KeyEntry) -> bytes:
    """What a wrapped key is bound to. Its wrapper is bound by being the only one that opens."""
    parts = (entry.id, entry.kind, entry.tenant, entry.subject, entry.period)
    encoded = [part.encode() for part in parts]
    return b"federation/wrapped/1" + b"".join(b"/%d/%b" % (len(each), each) for each in encoded)
