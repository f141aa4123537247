"""Report mode: what policies in report mode would do to content, counted around those in force.

The rules look at the call as its author sent it, before a policy in force has changed it. The
traps: a check in force may find classes of data for which further rules apply, which look then;
and the stage outside of this one closes the record, so what was found is entered before an answer
or an error leaves here, and before a stream's end is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from federation.errors import FederationError
from federation.gateway.call import AnyCall, C, Handler
from federation.gateway.report_mode import Watch, Watching, by_rules
from federation.gateway.safeguards import Guarding, Safeguard
from federation.gateway.stream import AnswerStream
from federation.governance.obligations import Obligations
from federation.schema.http import ClientReply

Examine = Callable[[Guarding], object]
Compile = Callable[[Obligations], Awaitable[Safeguard]]


async def watched(
    compiled: Compile,
    call: C,
    look: Examine,
    held: Callable[[C, Handler[C]], Awaitable[ClientReply]],
    following: Handler[C],
) -> ClientReply:
    """Look at a call and at its answer, and pass it on through `held`, which is what policies in
    force demand of it. Raises what that and what follows raise, and nothing of its own."""
    watching = call.account.watching = Watching()

    async def onward(after: C) -> ClientReply:
        await heed(compiled, watching, call, look)
        return await following(after)

    try:
        await heed(compiled, watching, call, look)
        reply = await held(call, onward)
    except BaseException:
        enter(call)
        raise
    body = reply.body
    if isinstance(body, AnswerStream):

        def ended(_outcome: str, _error: FederationError | None) -> None:
            enter(call)

        body.on_end.append(ended)
    else:
        enter(call)
    return reply


async def heed(compiled: Compile, watching: Watching, call: AnyCall, look: Examine) -> None:
    """Have the rules look that report now and have not looked; what others found is dropped."""
    looks = call.account.looks
    if watching.looks == looks:
        return
    known = {(each.label, each.duties): each for each in watching.watches}
    fresh: list[Watch] = []
    every: list[Watch] = []
    for label, duties in looks:
        watch = known.get((label, duties))
        if watch is None:
            watch = await _made(compiled, label, duties)
            fresh.append(watch)
        every.append(watch)
    watching.looks, watching.watches = looks, tuple(every)
    await watching.look(len(call.request.body), look, fresh)


async def _made(compiled: Compile, label: str, duties: Obligations) -> Watch:
    try:
        safeguard = await compiled(duties)
        guard = safeguard.guard
        slow = guard is not None and guard.plan.recognizers
        streamed = await asyncio.to_thread(by_rules, safeguard) if slow else None
        return Watch(label, duties, safeguard, streamed)
    except Exception:  # noqa: BLE001 - whatever it is, the call does not depend on it
        return Watch.failed(label, duties)


def enter(call: AnyCall) -> None:
    """Put what was found so far into the call's account; again, it changes nothing."""
    account = call.account
    if account.watching is not None:
        account.watched = account.watched | account.watching.findings()
