"""Signed lines: `{"body":{...},"signature":"..."}`, the body's bytes being what is signed.

The trap: JSON that is read and written anew may differ by a space. The signature is checked
over the bytes between `"body":` and `,"signature":`, as they stand.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from federation_verify.problem import Refused

BEGINNING, MIDDLE = b'{"body":', b',"signature":"'
SIGNATURE_DIGITS = 128


class Signed(NamedTuple):
    """The parts of a signed line."""

    raw: bytes
    body: dict[str, Any]
    signature: bytes
    rest: bytes
    """What follows the signature's closing quote, up to the last brace."""


def read_signed(line: bytes, what: str) -> Signed:
    """Take a line apart. Raises `Refused`."""
    line = line.rstrip(b"\n")
    cut = line.find(MIDDLE)
    at = cut + len(MIDDLE)
    try:
        if not line.startswith(BEGINNING) or cut < 0 or line[-1:] != b"}":
            raise ValueError("not in the form of a signed line")
        raw = line[len(BEGINNING) : cut]
        body = json.loads(raw)
        signature = bytes.fromhex(line[at : at + SIGNATURE_DIGITS].decode("ascii"))
        rest = line[at + SIGNATURE_DIGITS : -1]
        again = signature.hex().encode() + b'"'
        if not isinstance(body, dict) or not line.startswith(again, at):
            raise ValueError("not in the form of a signed line")
    except (ValueError, RecursionError) as error:
        raise Refused("unreadable", f"{what} cannot be read: {error}.") from None
    return Signed(raw, body, signature, rest[1:])


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the Ed25519 signature is good."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
