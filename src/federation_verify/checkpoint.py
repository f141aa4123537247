"""Signed checkpoints, one by one."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from federation_verify.keyring import Keyring
from federation_verify.problem import Refused
from federation_verify.signed import is_signed, read_signed

CONTEXT = b"federation/checkpoint/1\n"
RUNS_CONTEXT = b"federation/runs/1\n"
RUNS = b',"runs":'


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
    signed = read_signed(line, what)
    body = signed.body
    public = ring.public.get(str(body.get("key")))
    if public is None:
        raise Refused("signature", f"{what} names a key that is not in the row.")
    if not is_signed(public, signed.signature, CONTEXT + signed.raw):
        raise Refused("signature", f"{what} is not signed by the key that it names.")
    if body.get("log") != ring.log:
        raise Refused("signature", f"{what} belongs to another log.")
    try:
        numbers = [body[name] for name in ("n", "size", "at_ms")]
        words = [body[name] for name in ("root", "previous", "key", "runs")]
        if any(type(each) is not int or each < 0 for each in numbers):
            raise ValueError("a number is none")
        if any(not isinstance(each, str) for each in words):
            raise ValueError("a hash is none")
        runs = _runs(signed.rest, words[3])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise Refused("unreadable", f"{what} cannot be read: {error}.") from None
    digest = hashlib.sha256(CONTEXT + signed.raw).hexdigest()
    n, size, at_ms = numbers
    return Checkpoint(n, size, words[0], at_ms, words[1], words[2], digest, runs)


def _runs(rest: bytes, expected: str) -> list[Run] | None:
    if not rest.startswith(RUNS):
        return None
    raw = rest[len(RUNS) :]
    if hashlib.sha256(RUNS_CONTEXT + raw).hexdigest() != expected:
        return None
    runs = [Run(*row) for row in json.loads(raw)]
    for run in runs:
        if type(run.first) is not int or type(run.length) is not int or run.length < 1:
            raise ValueError("a run is none")
    return runs
