"""Proofs as documents: one JSON file that convinces by itself, given a trusted key.

What is hashed or signed stands in it as a string, so that a tool which writes JSON anew
(other spaces, other order) cannot spoil a proof. The trap: a proof shows that a record is in
a log, not that the log is the one an auditor knows: hold its checkpoint against an anchor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from federation.evidence.checkpoints import BadCheckpoint, Checkpoint, read_checkpoint
from federation.evidence.findings import Finding
from federation.evidence.hashing import leaf_hash, signed_checkpoint
from federation.evidence.proofs import consistent, includes
from federation.evidence.signing import BadKeys, Key, read_keys


class Inclusion(msgspec.Struct, frozen=True, tag="inclusion", tag_field="kind"):
    """That a record stands at place `n` of the log that a checkpoint signs."""

    n: int
    line: str
    path: tuple[str, ...]
    checkpoint: str
    keys: tuple[str, ...]


class Consistency(msgspec.Struct, frozen=True, tag="consistency", tag_field="kind"):
    """That the log of the second checkpoint only continues that of the first."""

    first: str
    second: str
    path: tuple[str, ...]
    keys: tuple[str, ...]


_HASH = re.compile("[0-9a-f]{64}")
Document = Inclusion | Consistency
_read: msgspec.json.Decoder[Document] = msgspec.json.Decoder(Document)


def read_document(data: bytes) -> Document | None:
    """The proof that stands in a file; None where none does, or where JSON is read leniently."""
    try:
        # The decoder looks neither at members that it passes over, nor whether one is there twice.
        json.loads(data.decode(), object_pairs_hook=_once)
        return _read.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _once(pairs: Sequence[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a member stands in it twice")


def write_document(document: Document) -> bytes:
    """The bytes of a proof, for a file."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def judge(document: Document, trusted: bytes) -> Finding | None:
    """What is wrong with a proof; None where it holds."""
    try:
        keys = read_keys([line.encode() + b"\n" for line in document.keys])
        path = [_hash(node) for node in document.path]
    except BadKeys as error:
        return Finding("keys", f"The keys do not hold: {error}.")
    except ValueError:
        return Finding("forged", "The proof's path is not one of hashes in hex.")
    least = next((key.n for key in keys if key.public == trusted), -1)
    if least < 0:
        return Finding("keys", "The trusted key is none of this log's keys.")
    try:
        if isinstance(document, Inclusion):
            last = _signed(document.checkpoint, keys)
        else:
            first, last = _signed(document.first, keys), _signed(document.second, keys)
    except BadCheckpoint as error:
        return Finding("signature", f"A checkpoint of the proof does not hold: {error}.")
    if all(key.id != last.body.key for key in keys[least:]):
        # Whoever makes a row can name a key in it that is not theirs.
        return Finding("keys", "Neither the trusted key nor one after it has signed the proof.")
    if isinstance(document, Inclusion):
        return _inclusion(document, path, last)
    return _consistency(path, first, last)


def _inclusion(
    document: Inclusion, path: Sequence[bytes], checkpoint: Checkpoint
) -> Finding | None:
    leaf, root = leaf_hash(document.line.encode()), bytes.fromhex(checkpoint.body.root)
    if includes(document.n, checkpoint.body.size, leaf, path, root):
        return None
    message = f"The proof does not show that this is record {document.n} of the log."
    return Finding("forged", message, document.n, checkpoint=checkpoint.body.n)


def _consistency(path: Sequence[bytes], first: Checkpoint, second: Checkpoint) -> Finding | None:
    roots = bytes.fromhex(first.body.root), bytes.fromhex(second.body.root)
    if consistent(first.body.size, second.body.size, path, *roots):
        return None
    if first.body.size == second.body.size:
        message = f"Two signed checkpoints of {first.body.size} records have different roots."
        return Finding("fork", message, checkpoint=second.body.n)
    message = f"The proof does not show that checkpoint {second.body.n} continues {first.body.n}."
    return Finding("forged", message, checkpoint=second.body.n)


def _hash(text: str) -> bytes:
    if not _HASH.fullmatch(text):
        raise ValueError("not a hash")
    return bytes.fromhex(text)


def _signed(line: str, keys: Sequence[Key]) -> Checkpoint:
    """A checkpoint with a good signature and a root of 32 bytes. Raises `BadCheckpoint`."""
    checkpoint = read_checkpoint(line.encode() + b"\n")
    key = next((key for key in keys if key.id == checkpoint.body.key), None)
    if key is None or checkpoint.body.log != keys[0].id:
        raise BadCheckpoint("it names a key or a log that is not this one's")
    if not key.signed(checkpoint.signature, signed_checkpoint(checkpoint.raw)):
        raise BadCheckpoint("its signature is not its key's")
    return checkpoint
