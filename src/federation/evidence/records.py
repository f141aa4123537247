"""What the control process itself puts on record, beside the calls of the workers.

The trap: a log that says nothing may mean that nothing happened or that nobody wrote. The
heartbeats tell these apart, and `Closed` a planned stop from a crash.
"""

from __future__ import annotations

import msgspec


class Opened(msgspec.Struct, frozen=True, tag="log_opened", omit_defaults=True):
    """Control has begun to keep the log."""

    at_ms: int
    version: str
    """Of the software."""
    size: int
    """Records that the log had."""


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat", omit_defaults=True):
    """Control is there, follows these writers, and has this much of each."""

    at_ms: int
    writers: dict[str, int] = {}
    """Writer to its last sequence number in the log; those that live."""


class Closed(msgspec.Struct, frozen=True, tag="log_closed", omit_defaults=True):
    """Control was told to stop; the workers had left."""

    at_ms: int


class KeyChanged(msgspec.Struct, frozen=True, tag="key_changed", omit_defaults=True):
    """From the next checkpoint on, another key signs."""

    at_ms: int
    key: str
    predecessor: str


ControlRecord = Opened | Heartbeat | Closed | KeyChanged
