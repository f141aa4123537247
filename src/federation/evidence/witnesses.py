"""Checkpoints of other logs: as a replica posts its own, and as a log holds those of others.

What a log says of another proves nothing by being there: the checkpoint is signed by the other
log's key, and only as such it counts, for the other log or against it. The trap: a replica's
name is a label. A log is known by the id of its first key, which every checkpoint says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from federation.evidence.checkpoints import (
    BadCheckpoint,
    Checkpoint,
    checkpoint_line,
    read_checkpoint,
)
from federation.evidence.hashing import LIMIT, key_id, signed_checkpoint
from federation.evidence.records import Witnessed
from federation.evidence.signing import BadKeys, Key, read_keys, verified

LINE_BYTES = 4_096
KEYS_BYTES = 65_536
"""The most that is read of what anybody may have posted; a key is some 400 bytes."""
NAME_LENGTH = 100
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:/-]+")
_RECORD = re.compile(
    rb'\{"writer":"[A-Za-z0-9_-]+","seq":[0-9]+,"record":\{"type":"witnessed",'
    rb'"at_ms":(0|[1-9][0-9]{0,18}),"replica":"([A-Za-z0-9_.:/-]{1,100})",'
    rb'"public":"([0-9a-f]{64})","checkpoint":"((?:[^"\\\n]|\\")*)"\}\}'
)
"""The one way in which a log says it. No parser: what stands in a log may be anything."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A checkpoint of another log, signed or not."""

    replica: str
    public: bytes
    """The key that is said to have signed."""
    checkpoint: Checkpoint
    at_ms: int = 0
    """When it was put on record, where it was."""

    def signed_by(self, row: Sequence[Key] | None) -> bool:
        """Whether a key of this row made it; without a row, the key that it names itself."""
        body = self.checkpoint.body
        public = self.public if row is None else _public(row, body.key)
        return key_id(public) == body.key and verified(
            public, self.checkpoint.signature, signed_checkpoint(self.checkpoint.raw)
        )

    def record(self, at_ms: int) -> Witnessed:
        """What a log keeps of it."""
        line = checkpoint_line(self.checkpoint.raw, self.checkpoint.signature)
        return Witnessed(at_ms, self.replica, self.public.hex(), line[:-1].decode())


def read_posted(replica: str, n: int, line: bytes, keys: bytes) -> Witness:
    """What a replica posted: checkpoint `n`, and its log's row of keys as the file has it.

    Raises `BadCheckpoint` unless a key of the log that it names has signed it.
    """
    if len(line) > LINE_BYTES or len(keys) > KEYS_BYTES:
        raise BadCheckpoint("it is larger than any checkpoint or row of keys")
    checkpoint = _short(line)
    if checkpoint.body.n != n:
        raise BadCheckpoint("it is posted under another number")
    try:
        row = read_keys(keys.splitlines(keepends=True))
    except BadKeys as error:
        raise BadCheckpoint(f"its keys do not hold: {error}") from error
    witness = Witness(name_of(replica), _public(row, checkpoint.body.key), checkpoint)
    if checkpoint.body.log != row[0].id or not witness.signed_by(row):
        raise BadCheckpoint("its signature is not that of a key of its log")
    return witness


def read_witness(line: bytes) -> Witness:
    """The witness in a record of a log. Raises `BadCheckpoint` where that holds none."""
    found = _RECORD.fullmatch(line)
    if found is None:
        raise BadCheckpoint("not the form of a witness")
    at_ms, replica, public, text = found.groups()
    if int(at_ms) >= LIMIT:
        raise BadCheckpoint("a number in it is too large")
    checkpoint = _short(text.replace(b'\\"', b'"'))
    return Witness(replica.decode(), bytes.fromhex(public.decode()), checkpoint, int(at_ms))


def name_of(replica: str) -> str:
    """A replica's name as it is put on record: nobody signs it, and terminals show it."""
    return _NOT_IN_NAMES.sub("-", replica)[:NAME_LENGTH] or "-"


def _short(line: bytes) -> Checkpoint:
    checkpoint = read_checkpoint(line)
    if checkpoint.runs is not None:
        raise BadCheckpoint("not the short form of a checkpoint")
    return checkpoint


def _public(row: Sequence[Key], key: str) -> bytes:
    return next((each.public for each in row if each.id == key), b"")
