"""A call on its way through the gateway, and the account that is kept of it.

`Call` is frozen: a stage passes on a changed copy. `Account` is the one mutable thing that
belongs to a call; it is filled by the dispatcher and closed exactly once by `record`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from types import FunctionType, MethodType
from typing import Any, TypeAlias, TypeVar, cast

import msgspec

from federation.dialects.faces import ClientFace
from federation.dialects.operations.faces import OperationClient
from federation.domain.access import VirtualKey
from federation.domain.catalogue import Deployment
from federation.gateway.reading import Reading
from federation.gateway.report_mode import Watching
from federation.gateway.ruled import Ruled
from federation.gateway.safeguards import Guarding
from federation.governance.obligations import Obligations
from federation.governance.rulebook import Rulebook
from federation.schema.glance import Answer, Glance
from federation.schema.http import ClientReply, ClientRequest
from federation.schema.operations import OperationGlance
from federation.schema.records import AttemptRecord, Decision
from federation.schema.usage import Usage, plus

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


def to_microseconds(ms: float) -> float:
    """Milliseconds, to the microsecond. `round` takes five times as long."""
    return int(ms * 1000.0 + 0.5) / 1000.0


class Account(msgspec.Struct, eq=False):
    """What one call tried, used and cost.

    `expected_nano` is the prediction made before the first attempt, None where the price
    is unknown. `tried` counts the attempts that were begun, `attempts` holds those that ended.
    """

    attempts: list[AttemptRecord] = []
    decision: Decision | None = None
    deployment: str = ""
    response_model: str = ""
    finish: str = ""
    first_byte_ms: float = 0.0
    expected_nano: int | None = None
    router_chose: bool = False
    simulated: bool = False
    closed: bool = False
    guarding: Guarding | None = None
    watching: Watching | None = None
    """What looks at its content for policies in report mode; None where nothing does."""
    mended: bool = False
    """The answer broke, and other deployments went on with it."""
    holds: int = 0
    """How many attempts have asked for money."""
    pots: dict[str, int] = {}
    """What this worker had spent in all of each pot that the call was charged to."""
    payload: str = ""
    """The salted hash of what is kept of its content; see `schema.records.CallEnded`."""
    input: str = ""
    output: str = ""
    """Salted hashes of what the client said and got; see `schema.records.CallEnded`."""
    unproven: dict[str, str] = {}
    """Which of these could not be made, and why."""
    asker: str = ""
    """The id under which records hold a person who asks; empty: the key's own."""
    tried: int = 0
    begun: bool = False
    """Its beginning is on record."""
    book: Rulebook | None = None
    """The policies that the call was admitted under."""
    ruled: Ruled | None = None
    """What they say of it; None where there is nothing to say."""
    refusals: dict[str, int] = {}
    """Rules that kept deployments from a call that was refused or failed."""
    watched: dict[str, int] = {}
    """What rules in report mode would have done; see `schema.records.CallEnded`."""

    @property
    def duties(self) -> Obligations | None:
        """What policies demand; None where there are none."""
        return None if self.ruled is None else self.ruled.ruling.obligations

    @property
    def looks(self) -> tuple[tuple[str, Obligations], ...]:
        """What policies in report mode would ask of its content; see `Ruling`."""
        return () if self.ruled is None else self.ruled.ruling.looks

    def choose(self, deployment: Deployment) -> None:
        """The deployment that is asked now, and so far the one that answers."""
        self.tried += 1
        self.deployment = deployment.id
        self.simulated = deployment.provider.simulated

    def settle(self, deployment: Deployment) -> None:
        """Of several that were asked at once this is the one that answers."""
        self.deployment = deployment.id
        self.simulated = deployment.provider.simulated

    def hear(self, answer: Answer) -> None:
        """What the answer said of itself."""
        self.response_model = answer.model
        self.finish = answer.finish

    def cost_nano(self) -> int | None:
        """The sum over all attempts; None as soon as one of them has no known price."""
        if len(self.attempts) == 1:
            return self.attempts[0].cost_nano
        total = 0
        for attempt in self.attempts:
            if attempt.cost_nano is None:
                return None
            total += attempt.cost_nano
        return total

    def usage(self) -> Usage:
        """The usage of the attempt that answered; of all, where they answered together."""
        if not self.attempts:
            return Usage()
        if len(self.attempts) == 1:
            return self.attempts[0].usage
        if not self.mended:
            answered = (
                each for each in reversed(self.attempts) if each.deployment == self.deployment
            )
            return next(answered, self.attempts[-1]).usage
        whole = Usage()
        for attempt in self.attempts:
            whole = plus(whole, attempt.usage)
        return whole


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
    duties: Obligations | None = None
    """What policies demand of whoever carries it; None where there are none."""
    guarding: Guarding | None = None
    """What checks its content and its answer's."""


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
    duties: Obligations | None = None
    guarding: Guarding | None = None

    @property
    def operation(self) -> str:
        """What the client asked for."""
        return self.glance.operation


AnyCall: TypeAlias = Call | OperationCall
C = TypeVar("C", Call, OperationCall)
"""A stage hands on the kind of call that it was given."""
F = TypeVar("F", bound=Callable[..., Any])

Handler: TypeAlias = Callable[[C], Awaitable[ClientReply]]
Stage: TypeAlias = Callable[[C, Handler[C]], Awaitable[ClientReply]]
"""One that has nothing to do with a call is no coroutine of its own: it returns what follows."""


def compose(stages: tuple[Stage[C], ...], dispatcher: Handler[C]) -> Handler[C]:
    """One handler out of stages, the first outermost."""
    handler = direct(dispatcher)
    for stage in reversed(stages):
        handler = _bind(direct(stage), handler)
    return handler


def direct(each: F) -> F:
    """What is called when an object is: quicker, and every call goes through a handful."""
    plain: Any = each if isinstance(each, FunctionType | MethodType) else cast("Any", each).__call__
    return cast("F", plain)


def _bind(stage: Stage[C], following: Handler[C]) -> Handler[C]:
    def handler(call: C) -> Awaitable[ClientReply]:
        return stage(call, following)

    return handler
