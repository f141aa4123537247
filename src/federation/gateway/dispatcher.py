"""The dispatcher: decide, then ask deployments in order until one answers (`gateway.fallback`)."""

from __future__ import annotations

from collections.abc import Awaitable

from federation.errors import BudgetExceeded, RateLimited, UpstreamError
from federation.gateway.call import Call
from federation.gateway.chat_attempt import ChatAttempt
from federation.gateway.cheaper import cheaper
from federation.gateway.deciding import decide_call, nobody_else
from federation.gateway.fallback import first_answer
from federation.gateway.world import World
from federation.schema.http import ClientReply


class Dispatcher:
    """Turns a call into attempts and an attempt into an answer; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, call: Call) -> ClientReply:
        """The answer of the first deployment that gives one.

        Raises the routing refusal (`NotFound`, `NotEligible`), `RateLimited` where every
        candidate's allowance is used up, or the last `UpstreamError` when nobody answered.
        """
        world = self._world
        situation = world.current()
        verdict = decide_call(world, situation, call)

        asked: list[int] = []

        def attempt(index: int) -> Awaitable[ClientReply]:
            asked.append(index)
            return ChatAttempt(world, situation, call, verdict, index).answer()

        order = verdict.order
        while True:
            try:
                return await first_answer(world, situation, call, order, attempt)
            except BudgetExceeded as error:
                order = cheaper(situation, call, order, asked, error.left_nano)
                if not order or call.account.tried >= situation.snapshot.settings.attempts:
                    raise
            except (UpstreamError, RateLimited) as error:
                nobody_else(call, error, verdict)
                raise
