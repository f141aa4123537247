"""Receipts: what the record of a call says of its content, and how that is proven later.

A record holds a hash of what the client sent and one of what it got, each with the call's salt
before it. The hashes alone tell nothing, however short a content is; with the salt, whoever has
the content can show that this is what was said. Each call's salt is made of one key, so nothing
has to be kept for it, and a salt that is given away tells nothing of another call.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Protocol

from federation.domain.keyed_hash import keyed_hash

INPUT: Final = b"federation/input/1\n"
OUTPUT: Final = b"federation/output/1\n"
"""What stands before the salt."""
RESPONSE: Final = b"federation/response/1\n"


class Hash(Protocol):
    """A SHA-256 under way."""

    def update(self, data: bytes, /) -> None:
        """Take in more."""
        ...

    def hexdigest(self) -> str:
        """Of what was taken in so far, 64 hexadecimal digits."""
        ...


def salt_of(key: bytes, call: str) -> bytes:
    """The salt of a call, 32 bytes: HMAC-SHA256 of its id."""
    return keyed_hash(key, call.encode())


def response_name(key: bytes, call: str) -> str:
    """The id of the kept answer to a call: whoever has the key finds it by the call's record, and
    nobody else can tell one from the other."""
    return "resp_" + keyed_hash(key, RESPONSE + call.encode()).hex()[:48]


def input_hash(salt: bytes, body: bytes) -> str:
    """Of the body of a request as the client sent it."""
    summing = sha256(INPUT + salt)
    summing.update(body)
    return summing.hexdigest()


def output_begun(salt: bytes) -> Hash:
    """For the body of an answer as the client gets it, piece by piece."""
    return sha256(OUTPUT + salt)


def output_hash(salt: bytes, body: bytes) -> str:
    """Of the body of an answer, whole."""
    summing = output_begun(salt)
    summing.update(body)
    return summing.hexdigest()
