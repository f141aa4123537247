"""The dispatcher: decide, then ask deployments in order until one answers.

A deployment may be changed only before the first byte of the answer left for the client.
Which failure allows what is `resilience.recovery`'s to say: there is no status number here.
"""

from __future__ import annotations

import asyncio

from federation.dialects.openai import answers, errors as openai_errors, wire as openai_wire
from federation.dialects.openai.streams import StreamTap
from federation.domain.catalogue import Deployment
from federation.errors import (
    EvidenceUnwritable,
    FederationError,
    UpstreamCut,
    UpstreamError,
    UpstreamGarbled,
)
from federation.gateway.attempt import Attempt
from federation.gateway.call import Call
from federation.gateway.deciding import decide_call
from federation.gateway.reply import whole_headers, with_metadata
from federation.gateway.stream import AnswerStream
from federation.gateway.world import Situation, World
from federation.ports import Exchange
from federation.resilience.recovery import FallBack, Fail, Retry, Tries
from federation.routing.decide import Verdict
from federation.schema.http import ClientReply, Timeouts
from federation.schema.usage import Usage

_ERROR_BODY = 256 * 1024


class Dispatcher:
    """Turns a call into attempts and an attempt into an answer; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, call: Call) -> ClientReply:
        """The answer of the first deployment that gives one.

        Raises the routing refusal (`NotFound`, `NotEligible`), or the last `UpstreamError`
        when nobody answered.
        """
        world = self._world
        situation = world.current()
        verdict = decide_call(world, situation, call)
        tries = Tries(attempts=situation.snapshot.settings.attempts)
        order = verdict.order
        place = 0
        while True:
            index = order[place]
            try:
                return await self._attempt(call, situation, verdict, index)
            except UpstreamError as error:
                last = place + 1 >= len(order)
                action = tries.after(error, world.rng.random(), last=last)
                if isinstance(action, Fail):
                    raise
                if isinstance(action, Retry):
                    await asyncio.sleep(action.after_s)
                elif isinstance(action, FallBack):
                    place += 1
'''
