"""One attempt: a deployment is asked once, and what came of it is noted.

An attempt is closed exactly once: with a reply, with an `UpstreamError` that the recovery
table reads, or because the client left. Health hears of the first two; what was consumed
is charged in every case, by our own count where the provider never said.
"""

from __future__ import annotations

from datetime import UTC, datetime

from federation.domain.catalogue import Deployment
from federation.errors import UpstreamError
from federation.gateway.call import AnyCall
from federation.gateway.stream import Ending
from federation.gateway.world import World
from federation.pricing.charges import charge
from federation.pricing.measures import measured
from federation.resilience.recovery import blame
from federation.schema.link import Measure
from federation.schema.records import AttemptRecord
from federation.schema.tap import StreamTap
from federation.schema.usage import Usage

CANCELED = "canceled"


class Attempt:
    """The open end of one attempt. `close` notes the outcome; later calls do nothing."""

    __slots__ = (
        "_call",
        "_closed",
        "_expected",
        "_first",
        "_started",
        "_status",
        "_world",
        "deployment",
        "sent",
    )

    def __init__(
        self,
        world: World,
        call: AnyCall,
        deployment: Deployment,
        expected: Usage | None = None,
    ) -> None:
        """`expected` is what an operation other than chat counts as where nobody says."""
        self._world = world
        self._call = call
        self._expected = expected
        self.deployment = deployment
        self._started = world.clock()
        self._first = 0.0
        self._status = 0
        self._closed = False
        self.sent = False
        world.health.begin(deployment.id)
        call.account.choose(deployment)

    def answered(self, status: int) -> None:
        """The response's head is here."""
        self._status = status
        self._first = self._world.clock()

    def left(self, within_s: float) -> float:
        """What is left of so many seconds since the attempt started."""
        return self._started + within_s - self._world.clock()

    def began(self) -> None:
        """The answer itself has begun: for streams this, and not the head, is the first byte."""
        self._first = self._world.clock()
        self._call.account.first_byte_ms = round((self._first - self._call.started) * 1000.0, 3)

    def close(self, usage: Usage, error: BaseException | None = None) -> None:
        """Tell health, price the attempt and add it to the call's account."""
        if self._closed:
            return
        self._closed = True
        world, deployment = self._world, self.deployment
        now, wall = world.clock(), world.wall()
        world.health.end(deployment.id)
        first_ms = (self._first - self._started) * 1000.0 if self._first else 0.0
        total_ms = (now - self._started) * 1000.0
        word = _word(error)
        world.note(
            Measure(
                deployment.id,
                int(wall * 1000),
                error is None,
                first_ms,
                total_ms,
                usage.output,
                word,
            ),
            now,
        )
        self._call.account.attempts.append(
            AttemptRecord(
                deployment=deployment.id,
                started_ms=int((wall - (now - self._started)) * 1000),
                status=self._status,
                error=word,
                first_byte_ms=round(first_ms, 3),
                total_ms=round(total_ms, 3),
                usage=usage,
                cost_nano=cost(deployment, usage, wall),
            )
        )

    def fail(self, error: BaseException) -> None:
        """Close an attempt that brought nothing. A provider that was left in the middle of its
        work because the client hung up may bill for the prompt, so that is charged; one that
        failed, kept silent or was never asked is not."""
        left = not isinstance(error, UpstreamError)
        self.close(self.estimate(0) if left and self.sent else Usage(), error)

    def asked(self) -> None:
        """The request's bytes have left for the provider."""
        self.sent = True

    def ending(self, tap: StreamTap) -> Ending:
        """What to call when a stream that this attempt opened is over."""

        def end(outcome: str, error: UpstreamError | None) -> None:
            answer = tap.answer()
            self._call.account.hear(answer)
            usage = answer.usage or self.estimate(tap.events)
            if outcome == CANCELED:
                self.close(usage, ClientLeft())
            else:
                self.close(usage, error)

        return end

    def estimate(self, output: int) -> Usage:
        """Our own count where the provider gives none: what routing expected of the prompt,
        and as many output tokens as there were events, or fours of bytes."""
        if self._expected is not None:
            return self._expected
        decision = self._call.account.decision
        expected = decision.features.input_tokens if decision is not None else 0
        return Usage(input=expected, output=output, estimated=True)


class ClientLeft(Exception):
    """Stands for a client that hung up, where an outcome is noted."""


def cost(deployment: Deployment, usage: Usage, wall: float) -> int | None:
    """The charge of one attempt in nano-dollars; None where its price is unknown."""
    if not usage.input and not usage.output and not usage.units and usage.reported_nano is None:
        return 0
    regions = deployment.provider.regions
    # A row with one region is priced for it; which of several served the call is not known.
    region = regions[0] if len(regions) == 1 else None
    at = datetime.fromtimestamp(wall, UTC)
    price = deployment.model.price
    if usage.units:
        usage = measured(price, usage)
    return charge(price, usage, at, region=region)


def _word(error: BaseException | None) -> str:
    if error is None:
        return ""
    return blame(error) if isinstance(error, UpstreamError) else CANCELED
