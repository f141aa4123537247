"""HTTP messages as the rooms hand them to one another, client side and provider side.

Header names are lower-case bytes everywhere. A name that a client repeats is joined with
", " (RFC 9110 section 5.3), except those whose repetition the listener refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

Headers: TypeAlias = dict[bytes, bytes]
NO_DESCRIPTOR = "descriptors_exhausted"
"""The code of a failure to connect because this process may open nothing more: the provider, which
heard nothing, is not at fault."""
NO_CONNECTION = "connections_exhausted"
"""The same because all connections that this process may have to the provider are in use."""


class ByteStream(Protocol):
    """Bytes still to come, and what must happen when they are over.

    A class and not an async generator: a generator closed before its first read never
    runs its `finally`, so it would neither charge nor hang up. Whoever holds a stream
    calls `aclose()` exactly once at the end, also after an error or when nothing was read.
    """

    async def read(self) -> bytes:
        """Return what has arrived, at least one byte; `b""` once, at the end.

        Raises a `FederationError` when the stream cannot be finished.
        """
        ...

    async def aclose(self) -> None:
        """Release what stands behind the stream. Idempotent; never raises."""
        ...


class FlowingStream(ByteStream, Protocol):
    """A stream that can also hand its pieces on at the moment in which they arrive.

    A reader that waits costs a future and two turns of the event loop for each piece.
    """

    async def flow(
        self, write: Callable[[bytes], bool], forward: Callable[[bytes], None] | None = None
    ) -> None:
        """Write what arrives, in order, until `read` must go on.

        Returns when `write` said False (the client reads slowly, or is gone), at the end, and
        at anything out of the ordinary; what was written is never given to `read` again.
        `forward` is for whole chunks with their framing, of a stream that has `hold`: it says
        nothing, so whoever gave it calls `hold` when no more is wanted.
        """
        ...


class ClientRequest(msgspec.Struct, frozen=True):
    """A client's request, whole. `path` is percent-decoded, `query` is as received."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    peer: str = ""
    """The client's address, for logs and the trusted-proxy rule; never for access."""
    sent: bytes | None = None
    """The body as the client sent it; None where that is `body`."""

    def __repr__(self) -> str:
        """Without query, headers and body: they hold a key and a prompt."""
        return f"ClientRequest({self.method} {self.path})"


class ClientReply(msgspec.Struct):
    """What goes back. The listener adds framing, `date` and `connection` itself.

    A `ByteStream` body is sent chunked and closed by the listener in every case. A stream
    whose `read` raises is cut without its terminating chunk, so that no client can take it
    for complete; a dialect that has an in-band error sends it before.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | ByteStream


class Origin(msgspec.Struct, frozen=True):
    """Where a provider listens: what a connection pool is keyed by.

    `path` names a Unix socket instead of host and port (our own control process).
    `private` is the operator's leave to connect to loopback and private addresses.
    """

    scheme: str
    host: str
    port: int
    path: str = ""
    private: bool = False


class WireRequest(msgspec.Struct, frozen=True):
    """A provider's request, rendered and signed. `target` is the request-target."""

    method: str
    origin: Origin
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""

    def __repr__(self) -> str:
        """Without headers and body: they hold a credential and a prompt."""
        return f"WireRequest({self.method} {self.origin.host}{self.target.partition('?')[0]})"


class Timeouts(msgspec.Struct, frozen=True):
    """How long each phase of an exchange may take, in seconds."""

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    """From the last byte of the request to the first byte of the response."""
    idle_s: float = 60.0
    """Silence between two pieces of a response."""
    total_s: float = 600.0


class WireReply(msgspec.Struct):
    """A provider's response, whole."""

    status: int
    headers: Headers
    body: bytes
