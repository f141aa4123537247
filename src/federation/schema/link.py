"""Frames between a worker and the control process, over a Unix socket.

A frame is four bytes of big-endian length and that many bytes of MessagePack. Control
speaks first to whoever says `Hello`: the snapshot, the key ring, the health board.
"""

from __future__ import annotations

import msgspec

from federation.schema.limits import (
    LimitAsk,
    LimitGrant,
    LimitHeld,
    LimitRecall,
    LimitUsed,
)
from federation.schema.money import (
    MoneyAck,
    MoneyAsk,
    MoneyBeat,
    MoneyGrant,
    MoneyReport,
    MoneyTight,
)

FRAME_LIMIT = 256 * 1024 * 1024


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """A worker presents itself; its journal file carries the writer's name."""

    worker: int
    pid: int
    writer: str


class Measure(msgspec.Struct, frozen=True, tag="measure", array_like=True):
    """One attempt's outcome, for the health that all workers share."""

    deployment: str
    at_ms: int
    ok: bool
    first_byte_ms: float
    total_ms: float
    output_tokens: int
    error: str = ""


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """How a deployment stands, as one worker sees it; `queued` and `tokens` are its host's."""

    deployment: str
    health: str
    circuit: str
    in_flight: int
    queued: int = 0
    tokens: int = 0
    crowded: bool = False


class Report(msgspec.Struct, frozen=True, tag="report"):
    """What a worker saw since its last report: increments, never totals.

    `counters` maps (metric, label values...) to an increment; `histograms` to bucket
    increments with the sum last. `gauges` are current values.
    """

    worker: int
    counters: dict[str, float]
    histograms: dict[str, list[float]]
    gauges: dict[str, float]
    measures: list[Measure]
    conditions: list[Condition] = []
    """Of every deployment that anything is known of; these are no increments either."""


class SnapshotFrame(msgspec.Struct, frozen=True, tag="snapshot"):
    """The state to decide under from now on: a `domain.Snapshot`, as MessagePack.

    Opaque here, so that it is encoded once for all workers and the floors stay in order.
    """

    payload: bytes


class KeyRingFrame(msgspec.Struct, frozen=True, tag="keys"):
    """The keys in force from now on: a `domain.KeyRing`, as MessagePack."""

    payload: bytes


class BudgetsFrame(msgspec.Struct, frozen=True, tag="budgets"):
    """The budgets in force from now on: a list of `domain.Budget`, as MessagePack."""

    payload: bytes


class LimitsFrame(msgspec.Struct, frozen=True, tag="limits"):
    """The limits in force from now on, and the tenants' tiers, as MessagePack."""

    payload: bytes


class TokenRingFrame(msgspec.Struct, frozen=True, tag="tokens"):
    """The signers that are believed from now on: a `domain.TokenRing`, as MessagePack."""

    payload: bytes


class Board(msgspec.Struct, frozen=True, tag="board"):
    """Measures taken by the other workers, to be noted as if they were one's own."""

    measures: list[Measure]


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """Control is alive; whether it can write its store."""

    at_ms: int
    store_writable: bool


class LeaseAsk(msgspec.Struct, frozen=True, tag="ask"):
    """A worker asks for a part of a shared allowance for the current window."""

    name: str
    amount: int
    least: int = 1
    """Less than this is of no use to it."""


class LeaseGrant(msgspec.Struct, frozen=True, tag="grant"):
    """What of it was granted (may be 0) and until when it may be spent."""

    name: str
    amount: int
    expires_ms: int


class SpoolKey(msgspec.Struct, frozen=True, tag="spool_key"):
    """Contents that are kept are sealed with this key from now on, on their way to control."""

    id: str
    key: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return f"SpoolKey({self.id})"


class SpoolKeyTaken(msgspec.Struct, frozen=True, tag="spool_key_taken"):
    """Nothing is sealed with an earlier key any more."""

    id: str


class NamesAsk(msgspec.Struct, frozen=True, tag="names_ask"):
    """A worker wants to know what a tenant's pseudonyms are made with."""

    tenant: str


class NamesKey(msgspec.Struct, frozen=True, tag="names_key"):
    """What a tenant's pseudonyms are made with from now on; see `evidence.sealing`."""

    tenant: str
    key: bytes
    erased: list[str]
    """Pseudonyms that stand for nobody any more."""

    def __repr__(self) -> str:
        """Without the key."""
        return f"NamesKey({self.tenant})"


class NamesSeen(msgspec.Struct, frozen=True, tag="names_seen"):
    """Users whom calls of a tenant named, by the pseudonyms that stand in their records:
    control alone keeps that."""

    tenant: str
    users: dict[str, str]

    def __repr__(self) -> str:
        """Without who it is."""
        return f"NamesSeen({self.tenant}, {len(self.users)})"


FromWorker = (
    Hello
    | Report
    | LeaseAsk
    | MoneyAsk
    | MoneyReport
    | SpoolKeyTaken
    | LimitAsk
    | LimitUsed
    | LimitHeld
    | NamesAsk
    | NamesSeen
)
ToWorker = (
    SnapshotFrame
    | KeyRingFrame
    | BudgetsFrame
    | TokenRingFrame
    | Board
    | Beat
    | LeaseGrant
    | MoneyGrant
    | MoneyAck
    | MoneyTight
    | MoneyBeat
    | SpoolKey
    | LimitsFrame
    | LimitGrant
    | LimitRecall
    | NamesKey
)
