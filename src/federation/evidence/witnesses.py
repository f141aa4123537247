"""Checkpoints of other logs: as a replica posts its own, and as a log holds those of others.

What a log says of another proves nothing by being there: the checkpoint is signed by the other
log's key, and only as such it counts, for the other log or against it. The trap: a replica's
name is a label. A log is known by the id of its first key, which every checkpoint says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from federation.evidence.checkpoints import (
    BadCheckpoint,
    Checkpoint,
    checkpoint_line,
    read_checkpoint,
)
from federation.evidence.hashing import key_id, signed_checkpoint
from federation.evidence.records import Witnessed
from federation.evidence.signing import BadKeys, Key, read_keys, verified


class _Line(msgspec.Struct):
    record: Witnessed


_read_line = msgspec.json.Decoder(_Line).decode


@dataclass(frozen=True, slots=True)
class Witness:
    """A checkpoint of another log, signed or not."""

    replica: str
    public: bytes
    """The key that is said to have signed."""
    checkpoint: Checkpoint

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


def read_posted(replica: str, line: bytes, keys: bytes) -> Witness:
    """What a replica posted: a checkpoint, and its log's row of keys as the file has it.

    Raises `BadCheckpoint` unless a key of the log that it names has signed it.
    """
    checkpoint = read_checkpoint(line)
    try:
        row = read_keys(keys.splitlines(keepends=True))
    except BadKeys as error:
        raise BadCheckpoint(f"its keys do not hold: {error}") from error
    witness = Witness(replica, _public(row, checkpoint.body.key), checkpoint)
    if checkpoint.body.log != row[0].id or not witness.signed_by(row):
        raise BadCheckpoint("its signature is not that of a key of its log")
    return witness


def read_witness(line: bytes) -> Witness:
    """The witness in a record of a log. Raises `BadCheckpoint` where that holds none."""
    try:
        said = _read_line(line).record
        public = bytes.fromhex(said.public)
    except (msgspec.DecodeError, ValueError) as error:
        raise BadCheckpoint("not the form of a witness") from error
    return Witness(said.replica, public, read_checkpoint(said.checkpoint.encode()))


def _public(row: Sequence[Key], key: str) -> bytes:
    return next((each.public for each in row if each.id == key), b"")
