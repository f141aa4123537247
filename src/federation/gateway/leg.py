"""One deployment's part of an answer, and who is told of what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from federation.errors import FederationError, UpstreamError
from federation.gateway.kept_answer import KeptAnswer
from federation.ports import Exchange
from federation.schema.tap import StreamTap

Listener: TypeAlias = Callable[[bytes], object]
"""Is told each piece of an answer; must not raise."""

Ending = Callable[[str, UpstreamError | None], None]
"""Called once, with an outcome of `CallEnded` and the error that ended the stream, if any."""


class Renaming(Protocol):
    """Turns the events of a stream into what its client gets."""

    def feed(self, data: bytes) -> bytes:
        """What the client gets of these."""
        ...

    def rest(self) -> bytes:
        """What it gets last."""
        ...


@dataclass(frozen=True, slots=True)
class Leg:
    """One deployment's part of an answer: the first, or where a broken one goes on."""

    exchange: Exchange
    tap: StreamTap
    opening: bytes
    """What the client gets first; it was read before the reply was committed to."""
    ending: Ending
    """Closes the attempt."""
    render_error: Callable[[FederationError], bytes] | None
    """None: there is no place for an error in the stream, so it is cut."""


Mend = Callable[[KeptAnswer, UpstreamError], Awaitable[Leg | None]]
"""Finds where an answer goes on; None where nowhere. `KeptAnswer` is the part that has come."""


def both(first: Listener, second: Listener) -> Listener:
    """A listener that tells two."""

    def listen(data: bytes) -> None:
        first(data)
        second(data)

    return listen
