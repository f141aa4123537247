"""What the gateway and the control process need from the world, each as small as its caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from federation.domain.access import VirtualKey
from federation.domain.budgets import Pot
from federation.schema.http import Headers, Timeouts, WireRequest
from federation.schema.records import Record


class Exchange(Protocol):
    """A provider's response whose head has arrived.

    The caller reads it to the end or closes it; closing before the end closes the socket,
    so that the provider stops working. `read` and `body` raise `UpstreamTimeout`,
    `UpstreamGarbled`, or `UpstreamOversized` where too much was compressed. Of an answer that
    ends too early `read` raises `UpstreamCut`, because parts have been handed on, and `body`
    `UpstreamFailed`, because none has.
    """

    status: int
    headers: Headers

    async def read(self) -> bytes:
        """Return what has arrived of the body, `b""` at its end."""
        ...

    async def body(self, limit: int) -> bytes:
        """Return the rest of the body, whole; `UpstreamOversized` above `limit` bytes."""
        ...

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body was not read to its end."""
        ...

    def take(self) -> bytes:
        """Return what has arrived and was not read, without waiting; `b""` for nothing."""
        ...

    def watch(
        self,
        arrived: Callable[[bytes], None] | None,
        whole: Callable[[bytes], bool] | None = None,
    ) -> bool:
        """Give `arrived` whatever comes, in place of a reader that waits, and `b""` at the end
        and at a failure; None ends that. False where this answer can only be read.

        `whole` is asked first for what may be one whole HTTP/1.1 chunk, and gets it with its
        framing. If it is one, it says True and has taken it; otherwise it has done nothing."""
        ...

    @property
    def open(self) -> bool:
        """More may arrive: neither the end nor a failure is known yet."""
        ...

    def release(self) -> None:
        """Give up an answer that said itself that it is over, without closing the socket for
        the framing that may still come. In place of `aclose`; idempotent."""
        ...


class Transport(Protocol):
    """One verb: send a request, come back when the response's head is there.

    Cancelling `send` closes the socket. A stale pooled connection is replaced silently when
    nothing of the response had arrived. Redirects are returned, never followed.
    """

    async def send(
        self,
        request: WireRequest,
        timeouts: Timeouts,
        on_sent: Callable[[], None] | None = None,
    ) -> Exchange:
        """Raise `UpstreamTimeout`, `UpstreamFailed` or `UpstreamGarbled` where no head came.

        `on_sent` is called once, when the request's first bytes go out: who fails or cancels
        before has cost nothing.
        """
        ...


class Journal(Protocol):
    """The append-only truth of one process."""

    def append(self, record: Record) -> None:
        """Return once the record is safe against the end of this process.

        Raises `EvidenceUnwritable`; a sequence number is then not used up.
        """
        ...

    def extend(self, records: Sequence[Record]) -> None:
        """The same for several at once; with none it tells whether one could be written."""
        ...

    def settled(self, *, on_disk: bool = False) -> Awaitable[None] | None:
        """What to wait for until all that was written is safe under the configured durability, or
        `on_disk` whatever that is; None where it is. Waiting raises `EvidenceUnwritable` where it
        will not be: the records stand then, `written`, but might not outlive the machine."""
        ...

    def doubt(self) -> Awaitable[None] | None:
        """Where the disk has refused a record that the configured durability wants there, and taken
        none since, what tries it with something else; else None. Waiting raises
        `EvidenceUnwritable` where it still refuses."""
        ...


class KeyFinder(Protocol):
    """Virtual keys by secret."""

    def find(self, secret: str) -> VirtualKey | None:
        """The key in force with this secret, compared in constant time, or None."""
        ...


class Meter(Protocol):
    """Counts; watches, never decides. Cheap enough for every call."""

    def add(self, name: str, labels: tuple[str, ...], amount: float = 1.0) -> None:
        """Add to a counter."""
        ...


class Leases(Protocol):
    """This worker's part of allowances that all workers share."""

    def take(self, name: str, amount: int = 1) -> bool:
        """Spend from the held part; False where it does not suffice (more is then asked for)."""
        ...

    async def more(self, name: str, amount: int = 1) -> bool:
        """After `take` said False: wait a moment for what was asked for, and spend from it."""
        ...

    def put_back(self, name: str, amount: int, taken_s: float) -> None:
        """Have what was taken at that time not spent after all."""
        ...


class Charged(Protocol):
    """What a settlement did."""

    @property
    def totals(self) -> dict[str, int]:
        """By pot, what this worker spent of it in all. They belong into the call's record,
        for they are what is left of a worker that dies."""
        ...


class Budgets(Protocol):
    """Money that calls reserve before they spend it, on all of their pots at once.

    `hold` names an attempt, and both verbs are idempotent by it: a further attempt
    reserves under a name of its own, before it starts.
    """

    async def reserve(
        self, hold: str, pots: Sequence[Pot], amount_nano: int, wait_s: float = 0.0
    ) -> None:
        """Reserve on every pot or on none, after up to `wait_s` in which other calls may end.

        Raises `BudgetExceeded`, or `Unavailable` where nobody can say. Cancelled, it has
        reserved nothing.
        """
        ...

    def settle(self, hold: str, cost_nano: int) -> Charged:
        """Charge what an attempt cost and free the rest. Never waits and never raises."""
        ...


__all__ = [
    "Budgets",
    "Charged",
    "Exchange",
    "Headers",
    "Journal",
    "KeyFinder",
    "Leases",
    "Meter",
    "Transport",
]
