"""Signed lines: `{"body":{...},"signature":"..."}`, the body's bytes being what is signed.

The trap: JSON that is read and written anew may differ by a space. The signature is checked
over the bytes between `"body":` and `,"signature":`, as they stand, and each kind of line has one
form: what is written in any other way is refused, whatever a parser would make of it.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from federation_verify.problem import Refused

COUNT = r"(?:0|[1-9][0-9]{0,18})"
SOME = "[1-9][0-9]{0,18}"
"""A count that is at least 1."""
NAME, DIGEST = r'"[0-9a-f]{32}"', r'"[0-9a-f]{64}"'
TOO_MUCH = 2**63
"""No count and no time in a signed line reaches it."""


class Signed(NamedTuple):
    """The parts of a signed line."""

    raw: bytes
    body: dict[str, Any]
    signature: bytes
    rest: bytes
    """What follows the signature, as the form has it."""


def form(members: dict[str, str], rest: str = "") -> re.Pattern[bytes]:
    """How a kind of line is written: a pattern for each member of the body, in order."""
    body = ",".join(f'"{name}":{pattern}' for name, pattern in members.items())
    whole = r'\{"body":(\{' + body + r'\}),"signature":"([0-9a-f]{128})"(' + rest + r")\}"
    return re.compile(whole.encode())


def read_signed(line: bytes, expected: re.Pattern[bytes], what: str) -> Signed:
    """Take a line apart. Raises `Refused` for one that is not in the form expected."""
    found = expected.fullmatch(line.removesuffix(b"\n"))
    if found is None:
        raise Refused("unreadable", f"{what} cannot be read: it is not in the form of one.")
    raw, signature, rest = found[1], found[2], found[3]
    return Signed(raw, json.loads(raw), bytes.fromhex(signature.decode()), rest)


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the Ed25519 signature is good."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
