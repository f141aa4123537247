"""Who may begin now, who waits in which order, and who is turned away. Pure but for `wake`.

A provider's row may limit how much it does at a time (`limits.concurrency`); its deployments
share a gate. The traps: room that was promised to somebody who waits must not go to a
newcomer before he comes for it; and one call may wait at several gates, of which only one may
let it in. Who gives a place back, and only he, lets the next one in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import heapify, heappop, heappush

UNLIMITED = 1 << 62
CRITICAL = 1
"""The priority that is never shed."""
_SHED_AT = {5: 0.8, 4: 0.9, 3: 1.0, 2: 1.1}
"""By priority, the part of `calls` at which it is refused: the least important first."""
_STALE = 16
"""Entries of a queue that nobody waits behind any more, before it is tidied."""


def share(limit: int, workers: int, slot: int) -> int:
    """The part of a limit that the worker in this slot holds: together they hold the limit, or
    one each where there are more workers than that."""
    whole, rest = divmod(limit, workers)
    return max(whole + (slot < rest), 1)


class Gate:
    """The room at one provider, as far as this worker has a part in it."""

    __slots__ = ("_queue", "limit", "promised", "provider", "tokens", "used", "waiting")

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.limit = UNLIMITED
        self.used = 0
        """Attempts under way."""
        self.promised = 0
        """Places of those who were let in and have not begun yet."""
        self.tokens = 0
        """What the attempts under way are expected to read and write."""
        self.waiting = 0
        self._queue: list[tuple[int, int, Waiter]] = []

    @property
    def free(self) -> bool:
        """Whether a newcomer may begin: nobody waits where there is room."""
        return self.used + self.promised < self.limit

    def take(self, tokens: int) -> None:
        """An attempt begins."""
        self.used += 1
        self.tokens += tokens

    def give(self, tokens: int) -> None:
        """It is over: the next in the queue is let in."""
        self.used -= 1
        self.tokens -= tokens
        self.admit()

    def admit(self) -> None:
        """Let in as many as there is room for, the most important first."""
        while self.waiting and self.free:
            waiter = heappop(self._queue)[2]
            if waiter.over:
                continue
            self.promised += 1
            waiter.gate = self
            waiter.end()

    def join(self, waiter: Waiter) -> None:
        """Stand in this queue, behind everybody as important."""
        if len(self._queue) > 2 * self.waiting + _STALE:
            self._queue = [entry for entry in self._queue if not entry[2].over]
            heapify(self._queue)
        self.waiting += 1
        heappush(self._queue, (waiter.priority, waiter.number, waiter))

    def least(self) -> Waiter | None:
        """Who waits here and would be the last to be let in."""
        return _last(entry[2] for entry in self._queue if not entry[2].over)


class Waiter:
    """One call in the queues of the gates that it may pass. `wake` is called when it is over:
    then `gate` says where it was let in, None where it had to make room for somebody else."""

    __slots__ = ("_lobby", "gate", "gates", "number", "over", "priority", "tenant", "wake")

    def __init__(
        self, lobby: Lobby, gates: tuple[Gate, ...], tenant: str, priority: int, number: int
    ) -> None:
        self._lobby = lobby
        self.gates = gates
        self.tenant = tenant
        self.priority = priority
        self.number = number
        self.gate: Gate | None = None
        self.over = False
        self.wake: Callable[[], None] = _nothing

    def end(self) -> None:
        """Leave every queue at once; idempotent."""
        if self.over:
            return
        self.over = True
        for gate in self.gates:
            gate.waiting -= 1
        self._lobby.left(self)
        self.wake()


def _nothing() -> None:
    """Until somebody waits for it."""


class Lobby:
    """Every gate of a worker, the queues before them, and how much it does at all."""

    __slots__ = ("_number", "_tenants", "_thresholds", "busy", "calm", "gates", "queue", "waiting")

    def __init__(self) -> None:
        self.gates: dict[str, Gate] = {}
        """By provider. Once made, a gate stays: attempts that it counts may still run."""
        self.queue = 0
        self.busy = 0
        """Attempts under way and pauses between them, at all providers together."""
        self.waiting = 0
        self._number = 0
        self._tenants: dict[str, set[Waiter]] = {}
        self._thresholds: dict[int, float] = {}
        self.calm = float(UNLIMITED)
        """While it does less than this, nobody is refused."""

    def set(self, limits: Mapping[str, int | None], queue: int, calls: int) -> None:
        """Put these rules in force. `limits` are this worker's, of every provider that is to be
        watched; None counts and never holds up. At most `queue` calls may wait for a provider,
        and of a tenant."""
        self.queue = queue
        self._thresholds = {rank: part * calls for rank, part in _SHED_AT.items()}
        self.calm = min(self._thresholds.values())
        for provider in limits.keys() - self.gates.keys():
            self.gates[provider] = Gate(provider)
        for provider, gate in self.gates.items():
            gate.limit = limits.get(provider) or UNLIMITED
            gate.admit()

    def sheds(self, priority: int) -> bool:
        """Whether a new call of this priority is to be refused."""
        return self.busy + self.waiting >= self._thresholds.get(priority, UNLIMITED)

    def join(self, gates: tuple[Gate, ...], tenant: str, priority: int) -> Waiter | None:
        """Stand in these queues; None where they are full, or the tenant has its part of them.

        Somebody less important makes room in a full queue.
        """
        own = self._tenants.get(tenant, set())
        crowd = _last(own) if len(own) >= self.queue else None
        if len(own) >= self.queue and (crowd is None or crowd.priority <= priority):
            return None
        open_to = tuple(gate for gate in gates if self._room(gate, priority))
        if not open_to:
            return None
        if crowd is not None:
            crowd.end()
        for gate in open_to:
            least = gate.least() if gate.waiting >= self.queue else None
            if least is not None:
                least.end()
        self._number += 1
        waiter = Waiter(self, open_to, tenant, priority, self._number)
        self._tenants.setdefault(tenant, set()).add(waiter)
        self.waiting += 1
        for gate in open_to:
            gate.join(waiter)
        return waiter

    def left(self, waiter: Waiter) -> None:
        """A call waits no more; `Waiter.end` says so."""
        self.waiting -= 1
        others = self._tenants[waiter.tenant]
        others.discard(waiter)
        if not others:
            del self._tenants[waiter.tenant]

    def _room(self, gate: Gate, priority: int) -> bool:
        if gate.waiting < self.queue:
            return True
        least = gate.least()
        return least is not None and least.priority > priority


def _last(waiters: Iterable[Waiter]) -> Waiter | None:
    """Who of them would be the last to be let in."""
    return max(waiters, key=lambda each: (each.priority, each.number), default=None)
