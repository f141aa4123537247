"""Signed checkpoints, one by one."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from federation_verify.keyring import Keyring
from federation_verify.problem import Refused
from federation_verify.signed import (
    COUNT,
    DIGEST,
    NAME,
    SOME,
    TOO_MUCH,
    Signed,
    form,
    is_signed,
    read_signed,
)

CONTEXT = b"federation/checkpoint/1\n"
RUNS_CONTEXT = b"federation/runs/1\n"
RUNS = b',"runs":'
ONE_RUN = r'\["[A-Za-z0-9_-]+",' + f"{COUNT},{SOME},{DIGEST}" + r"\]"
MEMBERS = {
    "log": NAME,
    "n": COUNT,
    "size": COUNT,
    "root": DIGEST,
    "at_ms": COUNT,
    "previous": DIGEST,
    "runs": DIGEST,
    "key": NAME,
}
SHORT = form(MEMBERS)
FORM = form(MEMBERS, f'(?:,"runs":\\[(?:{ONE_RUN}(?:,{ONE_RUN})*)?\\])?')


class Run(NamedTuple):
    """Neighboring records of one writer, and its chain after them."""

    writer: str
    first: int
    length: int
    link: str


class Checkpoint(NamedTuple):
    """A checkpoint whose signature is good."""

    n: int
    size: int
    root: str
    at_ms: int
    previous: str
    key: str
    hash: str
    runs: list[Run] | None
    """None where they were left out, or are not those that were signed."""


def read_checkpoint(line: bytes, ring: Keyring, what: str) -> Checkpoint:
    """A checkpoint of this log with a good signature. Raises `Refused`."""
    signed = _read(line, what)
    body = signed.body
    n, size, at_ms = body["n"], body["size"], body["at_ms"]
    public = ring.public.get(body["key"])
    if public is None:
        raise Refused("signature", f"{what} names a key that is not in the row.")
    if not is_signed(public, signed.signature, CONTEXT + signed.raw):
        raise Refused("signature", f"{what} is not signed by the key that it names.")
    if body["log"] != ring.log:
        raise Refused("signature", f"{what} belongs to another log.")
    digest = hashlib.sha256(CONTEXT + signed.raw).hexdigest()
    runs = _runs(signed.rest, body["runs"])
    return Checkpoint(n, size, body["root"], at_ms, body["previous"], body["key"], digest, runs)


def named(line: bytes, what: str) -> tuple[str, int]:
    """The key that a checkpoint names, signed by it or not, and its time. Raises `Refused`."""
    body = _read(line, what).body
    return body["key"], body["at_ms"]


def _read(line: bytes, what: str) -> Signed:
    signed = read_signed(line, FORM, what)
    if max(signed.body[each] for each in ("n", "size", "at_ms")) >= TOO_MUCH:
        raise Refused("unreadable", f"{what} cannot be read: it has too large a number.")
    return signed


def _runs(rest: bytes, expected: str) -> list[Run] | None:
    if not rest.startswith(RUNS):
        return None
    raw = rest[len(RUNS) :]
    if hashlib.sha256(RUNS_CONTEXT + raw).hexdigest() != expected:
        return None
    return [Run(*row) for row in json.loads(raw)]
