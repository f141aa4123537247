"""One attempt: a deployment is asked once, and what came of it is noted.

An attempt ends in one of two ways: a reply, or an `UpstreamError` that the dispatcher's
recovery table reads. Health hears of both; a caller's own mistake is not a failure.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

from federation.domain.catalogue import Deployment
from federation.errors import Recovery, UpstreamError
from federation.gateway.call import Call
from federation.gateway.world import World
from federation.pricing.charges import charge
from federation.schema.link import Measure
from federation.schema.records import AttemptRecord
from federation.schema.usage import Usage


class Attempt:
    """The open end of one attempt. `close` is called exactly once."""

    __slots__ = ("_call", "_index", "_world", "deployment", "first_byte", "sent", "started")

    def __init__(self, world: World, call: Call, index: int, deployment: Deployment) -> None:
        self._world = world
        self._call = call
        self._index = index
        self.deployment = deployment
        self.started = world.clock()
        self.first_byte = 0.0
        self.sent = False
        world.health.begin(deployment.id)

    def close(self, status: int, usage: Usage, error: BaseException | None) -> AttemptRecord:
        """Note the outcome with health, price it, and add it to the call's account."""
        world, deployment = self._world, self.deployment
        now = world.clock()
        wall = world.wall()
        world.health.end(deployment.id)
        first_ms = (self.first_byte - self.started) * 1000.0 if self.first_byte else 0.0
        total_ms = (now - self.started) * 1000.0
        canceled = isinstance(error, asyncio.CancelledError)
        code = _code(error)
        if not canceled:
            failed = isinstance(error, UpstreamError) and error.recovery is not Recovery.FAIL
            measure = Measure(
                deployment=deployment.id,
                at_ms=int(wall * 1000),
                ok=not failed,
                first_byte_ms=first_ms,
                total_ms=total_ms,
                output_tokens=usage.output,
                error=code if failed else "",
            )
            world.note(measure, now)
        record = AttemptRecord(
            deployment=deployment.id,
            started_ms=int((wall - (now - self.started)) * 1000),
            status=status,
            error=code,
            first_byte_ms=round(first_ms, 3),
            total_ms=round(total_ms, 3),
            usage=usage,
            cost_nano=_cost(deployment, usage, wall),
        )
        self._call.account.attempts.append(record)
        return record


def _code(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, UpstreamError):
        return error.code
    return "client_left" if isinstance(error, asyncio.CancelledError) else "internal_error"


def _cost(deployment: Deployment, usage: Usage, wall: float) -> int | None:
    if not usage.input and not usage.output and usage.reported_nano is None:
        return 0
    return charge(deployment.model.price, usage, datetime.fromtimestamp(wall, timezone.utc))
