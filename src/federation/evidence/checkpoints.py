"""A checkpoint: what the log held at one moment, signed.

Its line is `{"body":{...},"signature":"...","runs":[...]}`. The body is small enough for a
syslog datagram and binds everything else by hashes: the records by the tree's root, their
order and the writers' chains by the hash of `runs`, all earlier checkpoints by `previous`.
The trap: what is signed are bytes. A body is cut out of its line and never written anew, and there
is one way to write it: whoever reads it otherwise might be told something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from federation.evidence.hashing import LIMIT, checkpoint_hash, runs_hash

_NUMBER = rb"(?:0|[1-9][0-9]{0,18})"
_HASH, _ID = rb'"[0-9a-f]{64}"', rb'"[0-9a-f]{32}"'
_BODY = (
    rb'\{"log":%(id)b,"n":%(number)b,"size":%(number)b,"root":%(hash)b,"at_ms":%(number)b,'
    rb'"previous":%(hash)b,"runs":%(hash)b,"key":%(id)b\}'
) % {b"id": _ID, b"number": _NUMBER, b"hash": _HASH}
_RUN = rb'\["[A-Za-z0-9_-]+",%b,[1-9][0-9]{0,18},%b\]' % (_NUMBER, _HASH)
_LINE = re.compile(
    rb'\{"body":(%b),"signature":"([0-9a-f]{128})"(?:,"runs":(\[(?:%b(?:,%b)*)?\]))?\}\n?'
    % (_BODY, _RUN, _RUN)
)


class Run(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Neighboring records of one writer, without a gap in its sequence."""

    writer: str
    first: int
    """The sequence number of the first."""
    count: int
    """At least 1."""
    link: str
    """The writer's chain after the last, in hex."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed. Hashes are in hex, `at_ms` is Unix milliseconds."""

    log: str
    """The id of the log's first key."""
    n: int
    """Counts checkpoints from 0."""
    size: int
    """Records in the log."""
    root: str
    at_ms: int
    previous: str
    """The hash of checkpoint `n - 1`, zeros for the first."""
    runs: str
    """The hash of the runs since then."""
    key: str


_read_body = msgspec.json.Decoder(Body).decode
_read_runs = msgspec.json.Decoder(tuple[Run, ...]).decode


class BadCheckpoint(ValueError):
    """A line that is no checkpoint."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as it was read. That it was signed is not said by its being here."""

    body: Body
    raw: bytes
    """The body's bytes."""
    signature: bytes
    runs: tuple[Run, ...] | None
    """None where only the signed body was kept, as anchors do."""
    runs_match: bool

    @property
    def hash(self) -> bytes:
        """The name by which its successor knows it."""
        return checkpoint_hash(self.raw)


def read_checkpoint(line: bytes) -> Checkpoint:
    """A checkpoint or anchor line. Raises `BadCheckpoint`."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadCheckpoint("not the form of a checkpoint")
    raw, signature, runs = match.groups()
    try:
        body = _read_body(raw)
        read = None if runs is None else _read_runs(runs)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadCheckpoint(str(error)) from error
    if max(body.n, body.size, body.at_ms) >= LIMIT:
        raise BadCheckpoint("a number in it is too large")
    matches = runs is not None and runs_hash(runs).hex() == body.runs
    return Checkpoint(body, raw, bytes.fromhex(signature.decode()), read, matches)


def write_runs(runs: Sequence[Run]) -> bytes:
    """The bytes of runs, as they are hashed."""
    return msgspec.json.encode(runs)


def checkpoint_line(body: bytes, signature: bytes, runs: bytes | None = None) -> bytes:
    """The line of a checkpoint; without `runs`, the short form for anchors."""
    more = b"" if runs is None else b',"runs":' + runs
    return b'{"body":%b,"signature":"%b"%b}\n' % (body, signature.hex().encode(), more)
