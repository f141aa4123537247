"""Contents that policies have kept: what was said and answered in one call.

On its way from a worker to control a content lies sealed in a spool, a file of its own beside
the journal: a journal is evidence, kept for ever, and contents are there to be erased.
"""

from __future__ import annotations

import msgspec

UNKEPT = "unkept"
"""In a call's record in the place of a commitment: its content should be kept, and could not."""


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is sealed, as MessagePack. The salt is part of it: without it nobody can try out
    whether a guessed content is the one that the log commits to."""

    call: str
    tenant: str
    subject: str
    """Whose it is: the user whom the call names, else its key's, else the key itself as
    `key:<id>`."""
    at_ms: int
    days: int
    """How long it is kept."""
    operation: str
    salt: bytes
    request: bytes
    """What went on to a provider of the client's dialect: after content checks have changed it."""
    answer: bytes
    """What the client got."""
    cut: bool = False
    """Only the beginning was kept of one of them, or the answer broke off."""
    hashed: bool = False
    """`request` and `answer` are not the bytes, but `sha256:` and the digits of their hash."""

    def __repr__(self) -> str:
        """Without what it is about."""
        return f"Payload({self.call})"


class Spooled(msgspec.Struct, frozen=True, tag="payload"):
    """A line of a spool."""

    call: str
    tenant: str
    key: str
    """The sealing key of this line."""
    sealed: bytes


class SpoolLine(msgspec.Struct, frozen=True):
    """A line with its place in its writer's sequence."""

    writer: str
    seq: int
    record: Spooled
