"""Limit: whether a call comes within the limits of its key, user, team, tenant and route.

What tokens a call will use is not known before, so what is expected is taken, and corrected when
it has ended. The trap is which calls count: one that we refuse, or that no provider could
answer, is given back whole; one that a provider found wrong, or that its client left, was made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Final

from federation.domain.budgets import told
from federation.domain.limits import MONTH, Counted, meter_limit, pausing, worded
from federation.domain.routes import AUTO
from federation.errors import FederationError, RateLimited, UpstreamRejected
from federation.gateway.call import C, Call, Handler
from federation.gateway.rates import Lack, Pairs, Plan, Taken
from federation.gateway.rates_part import HeldPart
from federation.gateway.stream import AnswerStream
from federation.gateway.world import World
from federation.schema.http import ClientReply
from federation.telemetry import metrics

USUAL_OUTPUT: Final = 512
"""Tokens of output that a chat is expected to use where it names no limit."""
_BYTES: Final = 4
"""Of a body for each token."""
_LONGEST_S: Final = 32 * 86_400.0


class Limiter:
    """The stage; one for each worker. Without limits it is not even a coroutine."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, call: C, following: Handler[C]) -> Awaitable[ClientReply]:
        """Pass the call on. Raises `RateLimited`, and `Unavailable` where control is away."""
        rates = self._world.rates
        if not rates.on:
            return following(call)
        fleet = self._world.current().fleet
        # What stands in where a call names no model is one for chats.
        name = call.glance.model or (fleet.named_by(None) if isinstance(call, Call) else AUTO)
        plan = rates.plan(call.key, name, fleet.names)
        return self._limited(call, following, plan) if plan.parts else following(call)

    async def _limited(self, call: C, following: Handler[C], plan: Plan) -> ClientReply:
        world = self._world
        needs = plan.needs or _needs(call, plan.parts)
        taken = world.rates.take(plan.parts, needs)
        if taken is None:
            taken = await self._more(call, plan, needs)
        try:
            reply: ClientReply = await following(call)
        except FederationError as error:
            _end(call, plan, taken, made=isinstance(error, UpstreamRejected))
            error.headers += tuple(self._headers(call, plan))
            raise
        except asyncio.CancelledError:
            _end(call, plan, taken, made=call.account.tried > 0)
            raise
        except BaseException:
            taken.close({})
            raise
        body = reply.body
        if isinstance(body, AnswerStream):
            body.on_end.append(lambda _outcome, _error: _end(call, plan, taken))
        else:
            _end(call, plan, taken)
        reply.headers = reply.headers + self._headers(call, plan)
        return reply

    async def _more(self, call: C, plan: Plan, needs: Sequence[int]) -> Taken:
        rates = self._world.rates
        found = rates.lack(plan.parts, needs) or await rates.more(plan.parts, needs)
        if isinstance(found, Taken):
            return found
        meter = found.part.meter
        scope = meter.whose.partition(" ")[0]
        self._world.meter.add(metrics.LIMITED, (scope, meter.counts.value), 1)
        error = refusal(found, self._world.wall())
        error.headers += tuple(self._headers(call, plan))
        raise error

    def _headers(self, call: C, plan: Plan) -> Pairs:
        dialect = call.face.name if isinstance(call, Call) else call.face.dialect
        return plan.headers(dialect, self._world.rates.clock(), self._world.wall)


def refusal(lack: Lack, wall_s: float) -> RateLimited:
    """What the client is told: which limit, of what window, and when to come back."""
    meter = lack.part.meter
    _, name = meter_limit(meter.id)
    whose = f" for {meter.whose}" if meter.whose else ""
    wait_s = min(lack.wait_s, _LONGEST_S)
    if lack.part.slots:
        return RateLimited(
            f"The limit {name!r} of {meter.amount} calls at the same time{whose} is reached. "
            "Come back when one of them has ended.",
            code="concurrency_limit_exceeded",
            retry_after_s=wait_s,
            limit=name,
        )
    window_s = meter.window_ms // 1000
    what = meter.counts.value.replace("_", " ")
    resets = told(int((wall_s + wait_s) * 1000.0) + 500)
    return RateLimited(
        f"The limit {name!r} of {meter.amount} {what} in {worded(window_s)}{whose} is reached. "
        f"Come back in {pausing(wait_s)}.",
        code="quota_exceeded" if window_s == MONTH else None,
        retry_after_s=wait_s,
        limit=name,
        resets_at=resets,
    )


def _needs(call: C, parts: Sequence[HeldPart]) -> list[int]:
    """What a call needs of each meter. One that can never hold so much is asked for all that
    it has; the rest is counted when it is known."""
    expected = _expected(call)
    return [
        min(need, max(1, part.meter.most)) if (need := expected[part.meter.counts]) > 0 else 0
        for part in parts
    ]


def _expected(call: C) -> dict[Counted, int]:
    glance = call.glance
    size = -(-len(call.request.body) // _BYTES)
    output = 0
    if isinstance(call, Call):
        counting = call.operation != "chat"
        size = 0 if counting else size
        known = call.glance.max_output
        output = 0 if counting else (USUAL_OUTPUT if known is None else known)
        output *= max(1, call.glance.choices)
    elif glance.characters:
        size = -(-glance.characters // _BYTES)
    elif glance.media_bytes:
        size = 0
    return {
        Counted.REQUESTS: 1,
        Counted.CONCURRENCY: 1,
        Counted.INPUT_TOKENS: size,
        Counted.OUTPUT_TOKENS: output,
        Counted.TOKENS: size + output,
    }


def _end(call: C, plan: Plan, taken: Taken, *, made: bool = True) -> None:
    """A call is over; one that was not made gives back its request."""
    if plan.needs is None:
        usage = call.account.usage()
        taken.close(
            {
                Counted.REQUESTS: int(made),
                Counted.INPUT_TOKENS: usage.input,
                Counted.OUTPUT_TOKENS: usage.output,
                Counted.TOKENS: usage.input + usage.output,
            }
        )
    elif made:
        taken.keep()
    else:
        taken.close({})
