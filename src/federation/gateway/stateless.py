"""A call whose states a provider refuses is asked once more without them.

Nobody may know whose a state in a conversation is (`dialects.origins` forgets, and another
worker may have forwarded it). A provider that cannot open one refuses the whole call, and
would for ever: the client sends the same history with each turn. So the refusal is taken as
the answer to the question whose it is not.
"""

from __future__ import annotations

from functools import partial

from federation.dialects.carriage import NOBODY
from federation.dialects.refusals import refuses_state
from federation.errors import InvalidRequest, UpstreamRejected
from federation.gateway.call import Call, Handler
from federation.gateway.threads import off_loop, weight
from federation.schema.http import ClientReply


def without_refused_states(dispatcher: Handler[Call]) -> Handler[Call]:
    """A dispatcher that asks once more, without states, where one was refused."""

    async def handler(call: Call) -> ClientReply:
        try:
            return await dispatcher(call)
        except UpstreamRejected as error:
            asks_again = not (call.reading.stateless or call.glance.ask.strict)
            if not asks_again or not refuses_state(error):
                raise
            refused = error
        if not await _loses_some(call):
            raise refused
        return await dispatcher(call)

    return handler


async def _loses_some(call: Call) -> bool:
    """Leave the states of a call out; whether it had any."""
    reading = call.reading
    reading.stateless = True
    try:
        _, lost = await off_loop(weight(call.request.body), partial(reading.fitted, NOBODY))
    except InvalidRequest:
        return False
    return lost
