"""The hashes of the log, each under a prefix of its own.

RFC 9162 section 2.1.1 gives leaves and nodes the prefixes 0x00 and 0x01, so that a node can
never be shown as a record. The trap: everything that is hashed here for another purpose
needs a prefix too, or one kind of value could stand in for another.
"""

from __future__ import annotations

from hashlib import sha256

SIZE = 32
"""Bytes of every hash."""
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""
NOTHING = bytes(SIZE)
"""Stands for the predecessor of what has none."""
LIMIT = 1 << 63
"""No number of a signed line reaches it."""

_CHECKPOINT = b"federation/checkpoint/1\n"
_RUNS = b"federation/runs/1\n"
_KEY = b"federation/key/1\n"


def leaf_hash(line: bytes) -> bytes:
    """The leaf of a record: over the JSON of its journal line, byte for byte."""
    return sha256(b"\x00" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node above two others."""
    return sha256(b"\x01" + left + right).digest()


def link_hash(before: bytes, leaf: bytes) -> bytes:
    """The next link of a writer's chain: what was before it, and the record's leaf."""
    return sha256(b"\x02" + before + leaf).digest()


def signed_checkpoint(body: bytes) -> bytes:
    """What is signed for a checkpoint."""
    return _CHECKPOINT + body


def checkpoint_hash(body: bytes) -> bytes:
    """The hash by which the next checkpoint names this one."""
    return sha256(_CHECKPOINT + body).digest()


def runs_hash(runs: bytes) -> bytes:
    """The hash by which a checkpoint binds the order of its records."""
    return sha256(_RUNS + runs).digest()


def signed_key(body: bytes) -> bytes:
    """What a key's predecessor signs."""
    return _KEY + body


def key_id(public: bytes) -> str:
    """A public key's name: the first half of its hash, in hex."""
    return sha256(public).hexdigest()[:32]
