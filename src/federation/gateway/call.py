"""A call on its way through the gateway, and the account that is kept of it.

`Call` is frozen: a stage passes on a changed copy. `Account` is the one mutable thing that
belongs to a call; it is filled by the dispatcher and closed exactly once by `record`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import msgspec

from federation.dialects.faces import ClientFace
from federation.dialects.operations.faces import OperationClient
from federation.domain.access import VirtualKey
from federation.domain.catalogue import Deployment
from federation.gateway.reading import Reading
from federation.schema.glance import Answer, Glance
from federation.schema.http import ClientReply, ClientRequest
from federation.schema.operations import OperationGlance
from federation.schema.records import AttemptRecord, Decision
from federation.schema.usage import Usage

_BOOT = secrets.token_hex(5)
"""Sets calls of this process apart from those of every other, without a draw per call."""


class CallIds:
    """Call ids: unique, ordered by time within a process, and no secret."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> str:
        """`call_` and 24 hexadecimal digits or more: nanoseconds, then the process."""
        now = time.time_ns()
        self._last = now = now if now > self._last else self._last + 1
        return f"call_{now:x}{_BOOT}"


class Account:
    """What one call tried, used and cost.

    `expected_nano` is the prediction made before the first attempt, None where the price
    is unknown. `tried` counts the attempts that were begun, `attempts` holds those that ended.
    """

    __slots__ = (
        "attempts",
        "closed",
        "decision",
        "deployment",
        "expected_nano",
        "finish",
        "first_byte_ms",
        "response_model",
        "router_chose",
        "simulated",
        "tried",
    )

    def __init__(self) -> None:
        self.attempts: list[AttemptRecord] = []
        self.decision: Decision | None = None
        self.deployment = ""
        self.response_model = ""
        self.finish = ""
        self.first_byte_ms = 0.0
        self.expected_nano: int | None = None
        self.router_chose = False
        self.simulated = False
        self.closed = False
        self.tried = 0

    def choose(self, deployment: Deployment) -> None:
        """The deployment that is asked now, and so far the one that answers."""
        self.tried += 1
        self.deployment = deployment.id
        self.simulated = deployment.provider.simulated

    def hear(self, answer: Answer) -> None:
        """What the answer said of itself."""
        self.response_model = answer.model
        self.finish = answer.finish

    def cost_nano(self) -> int | None:
        """The sum over all attempts; None as soon as one of them has no known price."""
        total = 0
        for attempt in self.attempts:
            if attempt.cost_nano is None:
                return None
            total += attempt.cost_nano
        return total

    def usage(self) -> Usage:
        """The usage of the attempt that answered."""
        return self.attempts[-1].usage if self.attempts else Usage()


class Call(msgspec.Struct, frozen=True):
    """One call whose key is known and whose body was glanced at."""

    id: str
    request: ClientRequest
    started: float
    """Clock of the event loop, seconds."""
    started_ms: int
    account: Account
    glance: Glance
    face: ClientFace
    """The dialect that the client speaks."""
    reading: Reading
    key: VirtualKey
    operation: str = "chat"


class OperationCall(msgspec.Struct, frozen=True):
    """One call of an operation other than chat; its members are as in `Call`."""

    id: str
    request: ClientRequest
    started: float
    started_ms: int
    account: Account
    glance: OperationGlance
    face: OperationClient[Any, Any]
    key: VirtualKey

    @property
    def operation(self) -> str:
        """What the client asked for."""
        return self.glance.operation


AnyCall: TypeAlias = Call | OperationCall
C = TypeVar("C", Call, OperationCall)
"""A stage hands on the kind of call that it was given."""

Handler: TypeAlias = Callable[[C], Awaitable[ClientReply]]
Stage: TypeAlias = Callable[[C, Handler[C]], Awaitable[ClientReply]]


def compose(stages: tuple[Stage[C], ...], dispatcher: Handler[C]) -> Handler[C]:
    """One handler out of stages, the first outermost."""
    handler = dispatcher
    for stage in reversed(stages):
        handler = _bind(stage, handler)
    return handler


def _bind(stage: Stage[C], following: Handler[C]) -> Handler[C]:
    def handler(call: C) -> Awaitable[ClientReply]:
        return stage(call, following)

    return handler
