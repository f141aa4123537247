"""What the calls of a worker share: `World`, the ports that they act through, and `Situation`,
everything that was prepared from the snapshot in force."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from federation.credentials.plans import ByToken, PerRequest
from federation.dialects.faces import Upstream
from federation.dialects.operations.passthrough import Passages
from federation.dialects.operations.upstream import OperationUpstream
from federation.domain.live import Live
from federation.domain.snapshot import Snapshot
from federation.errors import Unavailable
from federation.gateway.admission import Entrance
from federation.gateway.call import CallIds
from federation.gateway.money import Money
from federation.gateway.payload_box import NoSpool, PayloadBox
from federation.gateway.pseudonyms import Pseudonyms
from federation.gateway.rates import Rates
from federation.gateway.receipts import Receipts
from federation.gateway.tally import Tallies
from federation.gateway.tokens import Tokens
from federation.governance.rulebook import Rulebook
from federation.guardrails.entities import Recognizer
from federation.ports import Journal, KeyFinder, Leases, Meter, Transport
from federation.resilience.health import NEUTRAL, HealthBoard
from federation.routing.fleet import Fleet
from federation.routing.request import Memory
from federation.schema.http import Timeouts
from federation.schema.link import Condition, Measure
from federation.schema.records import CallEnded

log = logging.getLogger(__name__)

WARN_S = 60.0
"""How long a kind of failure that was logged is only counted."""


@dataclass(frozen=True, slots=True)
class Line:
    """How one deployment is asked."""

    upstream: Upstream
    maker: str
    """Who can open the states that it makes; see `dialects.carriage`."""
    signing: PerRequest | ByToken | None = None
    """What is still to be done to a request before it is sent."""
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    """What a provider's own words must not hold when they are handed on."""


@dataclass(frozen=True, slots=True)
class OperationLine:
    """How one deployment is asked for an operation other than chat."""

    upstream: OperationUpstream[Any, Any]
    signing: PerRequest | ByToken | None = None


@dataclass(frozen=True, slots=True)
class PassageLine:
    """How a provider's row is asked untranslated."""

    passages: Passages
    deployments: int
    """Its deployments, as a set: whose place and evidence are the row's."""
    signing: PerRequest | ByToken | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """One snapshot, made ready: a call keeps the one that it started under."""

    snapshot: Snapshot
    fleet: Fleet
    book: Rulebook
    """The policies in force, about these deployments."""
    lines: tuple[Line | None, ...]
    """For each deployment how to reach it; None where it cannot be asked."""
    marks: tuple[list[tuple[bytes, bytes]], ...]
    """Constant response headers for each deployment."""
    operations: Mapping[str, Mapping[int, OperationLine]] = field(default_factory=dict)
    """For each operation how to ask the deployments that offer it, by their index."""
    fleets: Mapping[tuple[str, str], Fleet] = field(default_factory=dict)
    """What an operation is decided on for clients of a dialect."""
    passages: Mapping[str, PassageLine] = field(default_factory=dict)
    """The providers that may be passed through to."""
    timeouts: dict[tuple[str, int, bool, bool], tuple[float, Timeouts]] = field(
        default_factory=dict, compare=False
    )
    """Deadlines of usual calls, and until when they hold; see `gateway.deadlines`."""

    def serves(self, index: int) -> bool:
        """Whether this build can ask the deployment for anything, rules aside."""
        item = self.snapshot.deployments[index]
        if not item.enabled:
            return False
        if self.lines[index] is not None and "chat" in item.operations:
            return True
        return any(index in self.operations.get(name, ()) for name in item.operations)

    def line(self, index: int) -> Line:
        """How to ask a deployment that routing found eligible."""
        line = self.lines[index]
        if line is None:
            raise LookupError(f"{self.snapshot.deployments[index].id} was never prepared")
        return line


@dataclass(slots=True)
class World:
    """The ports of a worker, and its current situation.

    Mutable is what control says of it: `situation` and `draining`, `store_writable` with every
    beat, `seal_key`, `internal_key` and the key of `receipts` with every key ring. `assemble`
    wraps `journal`, once, and says whether it is `stuck`.
    """

    transport: Transport
    journal: Journal
    meter: Meter
    keys: KeyFinder
    leases: Leases
    tokens: Tokens
    health: HealthBoard
    memory: Memory
    entrance: Entrance = field(default_factory=Entrance)
    tallies: Tallies = field(default_factory=Tallies)
    money: Money = field(default_factory=Money)
    rates: Rates = field(default_factory=Rates)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.Random)
    ids: CallIds = field(default_factory=CallIds)
    situation: Situation | None = None
    measures: list[Measure] = field(default_factory=list)
    """Outcomes since the last report to control; bounded by `bootstrap.worker`."""
    via: bytes = b"federation"
    """How this installation names itself in `via`, upstream and in what comes back."""
    draining: bool = False
    recognizers: Callable[[], tuple[Recognizer, ...]] = tuple
    """Loads what other packages find in texts; asked when a policy first needs it."""
    seal_key: bytes = b"\0" * 32
    """For envelopes around states; the same in every worker once the key ring is here."""
    names: Pseudonyms = field(default_factory=Pseudonyms)
    """What records call users."""
    receipts: Receipts = field(default_factory=Receipts)
    payloads: PayloadBox = field(default_factory=lambda: PayloadBox(NoSpool()))
    """Where contents go that are to be kept."""
    internal_key: str = ""
    """What control knows a worker by, once the key ring is here."""
    _failures: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    store_writable: bool = True
    stuck: Callable[[], bool] = bool
    """Whether the journal takes no records: no call is served then."""

    def adopt(self, situation: Situation) -> None:
        """Decide under this situation from now on; calls under way keep theirs."""
        self.health.follow(situation.snapshot.deployments)
        self.entrance.follow(situation.snapshot)
        self.situation = situation

    def current(self) -> Situation:
        """The situation to decide under; `Unavailable` until the first snapshot came."""
        if self.situation is None:
            raise Unavailable("Starting: no configuration yet. Try again in a second.")
        return self.situation

    def ended(self, record: CallEnded) -> None:
        """Count a call that has ended, and say so in the log where that is asked for."""
        self.tallies.call(record)
        if self.situation is not None and self.situation.snapshot.settings.access_log:
            log.info(
                "call ended",
                extra={
                    "call": record.call,
                    "client_id": record.client_id,
                    "outcome": record.outcome,
                    "status": record.status,
                    "tenant": record.tenant,
                    "key": record.key,
                    "requested": record.requested,
                    "deployment": record.deployment,
                    "attempts": len(record.attempts),
                    "duration_ms": record.duration_ms,
                    "error": record.error,
                },
            )

    def note(self, measure: Measure, now: float) -> None:
        """Tell the board of an outcome, and keep it for the other workers."""
        self.health.note(measure, now)
        self.measures.append(measure)
        if not measure.ok and measure.error not in NEUTRAL:
            self._warn(measure, now)

    def _warn(self, measure: Measure, now: float) -> None:
        """Say in the log that a deployment fails: each kind once a minute, with its count."""
        kind = (measure.deployment, measure.error)
        since, count = self._failures.get(kind, (-WARN_S, 0))
        if now - since < WARN_S:
            self._failures[kind] = (since, count + 1)
            return
        self._failures[kind] = (now, 0)
        log.warning(
            "deployment fails",
            extra={"deployment": measure.deployment, "error": measure.error, "more": count},
        )

    def conditions(self) -> list[Condition]:
        """How the deployments stand that anything is known of."""
        if self.situation is None:
            return []
        now, health = self.clock(), self.health
        gates = self.entrance.lobby.gates
        busy = self.live().crowded
        deployments = self.situation.snapshot.deployments
        crowded = {deployments[index].id for index in busy}
        found = []
        for name, running in health.known():
            gate = gates.get(name.partition("/")[0])
            waiting, tokens = (gate.waiting, gate.tokens) if gate is not None else (0, 0)
            word, circuit = health.health(name, now).value, health.circuit(name, now).value
            found.append(Condition(name, word, circuit, running, waiting, tokens, name in crowded))
        return found

    def live(self) -> Live:
        """Live facts, indexed like the current snapshot's deployments."""
        live = self.health.live(self.clock())
        if self.entrance.hosts:
            live.crowded = self.entrance.crowded(live)
        return live
