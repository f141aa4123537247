"""Guard: what a policy demands of content, before a byte of it leaves.

The stage checks what goes out and hands on, with the call, what is to check what comes back.
The traps: tens of milliseconds of compiling and of reading long texts do not belong on the
loop; and a surface that no check covers is refused, not let through.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable
from functools import partial

from msgspec import structs

from federation.gateway.call import AnyCall, C, Call, Handler, OperationCall
from federation.gateway.guarded_bodies import checked_body
from federation.gateway.reading import Reading
from federation.gateway.safeguards import Guarding, Safeguard, safeguard_of
from federation.gateway.stages.admit import admitted
from federation.gateway.stages.report_mode import watched
from federation.gateway.threads import checked, off_loop, weight
from federation.gateway.world import World
from federation.governance.obligations import Obligations, demands
from federation.guardrails.chat import screen_beside
from federation.schema.http import ClientReply
from federation.schema.operations import OperationGlance

_KEPT = 64
_JSON = b"application/json"
_OURS = frozenset(("model", "modelId", "federation"))
"""Members of a body that nobody is sent as they are."""


class ContentGuard:
    """The stage; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: OrderedDict[Obligations, Safeguard] = OrderedDict()
        self._making: dict[Obligations, asyncio.Task[Safeguard]] = {}

    def chat(self, call: Call, following: Handler[Call]) -> Awaitable[ClientReply]:
        """Pass the call on with what may leave of it.

        Raises `Forbidden` for content that a policy does not allow, `PayloadTooLarge` for more
        than it checks, and `Unavailable` where a required check could not be made.
        """
        duties = call.duties
        if duties is None:
            return following(call)
        if call.account.looks:
            look = partial(_read, call)
            return watched(self.compiled, call, look, self._held_chat, following)
        return self._held_chat(call, following)

    def _held_chat(self, call: Call, following: Handler[Call]) -> Awaitable[ClientReply]:
        duties = call.duties
        if duties is None or not demands(duties):
            return following(call)
        return self._chat(call, duties, following)

    async def _chat(self, call: Call, duties: Obligations, following: Handler[Call]) -> ClientReply:
        reading, size = call.reading, len(call.request.body)
        guarding = await self.begin(duties, call)
        if not (guarding.quick(size) and _passes(guarding, call)):
            await off_loop(weight(call.request.body), reading.canonical)
            reading = await checked(guarding, size, lambda: _screened(guarding, call))
        call = classified(self._world, call, guarding)
        if call.duties is not duties and call.duties is not None and call.duties != duties:
            return await self._chat(call, call.duties, following)
        return await following(structs.replace(call, reading=reading, guarding=guarding))

    def operation(
        self, call: OperationCall, following: Handler[OperationCall]
    ) -> Awaitable[ClientReply]:
        """The same for other operations, whose bodies are checked as they stand."""
        duties = call.duties
        if duties is None:
            return following(call)
        if call.account.looks:
            look = partial(_read_operation, call)
            return watched(self.compiled, call, look, self._held_operation, following)
        return self._held_operation(call, following)

    def _held_operation(
        self, call: OperationCall, following: Handler[OperationCall]
    ) -> Awaitable[ClientReply]:
        duties = call.duties
        if duties is None or not demands(duties):
            return following(call)
        return self._operation(call, duties, following)

    async def _operation(
        self, call: OperationCall, duties: Obligations, following: Handler[OperationCall]
    ) -> ClientReply:
        guarding = await self.begin(duties, call)
        body = call.request.body
        kind = call.request.headers.get(b"content-type", _JSON)

        def look() -> OperationCall:
            told = checked_body(guarding, call.glance, kind, body)
            if told == body:
                return structs.replace(call, guarding=guarding)
            request = structs.replace(call.request, body=told)
            glance = call.face.glance(request)
            return structs.replace(call, request=request, glance=glance, guarding=guarding)

        after = await checked(guarding, len(body), look)
        call = classified(self._world, call, guarding)
        if call.duties is not duties and call.duties is not None and call.duties != duties:
            return await self._operation(call, call.duties, following)
        return await following(structs.replace(after, glance=_told(after.glance, call.glance)))

    async def begin(self, duties: Obligations, call: AnyCall) -> Guarding:
        """The checks of one call, entered in its account."""
        safeguard = self._ready(duties) or await self.compiled(duties)
        guarding = Guarding.begin(safeguard, self._world.seal_key, call.id)
        call.account.guarding = guarding
        return guarding

    async def compiled(self, duties: Obligations) -> Safeguard:
        """What these demand of content, made ready; made once, whoever asks meanwhile."""
        safeguard = self._ready(duties)
        if safeguard is not None:
            return safeguard
        making = self._making.get(duties)
        if making is None:
            making = self._making[duties] = asyncio.create_task(self._make(duties))
        return await asyncio.shield(making)

    def _ready(self, duties: Obligations) -> Safeguard | None:
        safeguard = self._made.get(duties)
        if safeguard is not None:
            self._made.move_to_end(duties)
        return safeguard

    async def _make(self, duties: Obligations) -> Safeguard:
        world = self._world
        try:
            made = await asyncio.to_thread(safeguard_of, duties, world.seal_key, world.recognizers)
        finally:
            del self._making[duties]
        self._made[duties] = made
        if len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return made


def _read(call: Call, guarding: Guarding) -> None:
    """Look at a call as the stage does, and hand nothing on."""
    if not (guarding.quick(len(call.request.body)) and _passes(guarding, call)):
        _screened(guarding, call)


def _read_operation(call: OperationCall, guarding: Guarding) -> None:
    kind = call.request.headers.get(b"content-type", _JSON)
    checked_body(guarding, call.glance, kind, call.request.body)


def _passes(guarding: Guarding, call: Call) -> bool:
    """Whether a call is so plain that its words are known without reading it in full, and they
    hold nothing."""
    if call.reading.changed:
        return False
    words = call.face.words(call.request, call.glance)
    return words is not None and guarding.passes(words)


def _screened(guarding: Guarding, call: Call) -> Reading:
    """The call as it may go out. Where its bytes go on as they came, all that stands in them is
    looked at, also what the canonical form leaves out."""
    request = call.reading.canonical()
    reading = call.reading.screened(guarding.request(request))
    guard = guarding.safeguard.guard
    if guard is not None and not reading.changed:
        screen_beside(guard, _sent(call), request, guarding.screening)
    return reading


def _sent(call: Call) -> str:
    """The body without the members that stay here."""
    body, spans = call.request.body, call.glance.spans
    pieces: list[bytes] = []
    at = 0
    for span in sorted((spans[name] for name in _OURS & spans.keys()), key=lambda each: each.key):
        pieces.append(body[at : span.key])
        at = span.end
    return b"".join((*pieces, body[at:])).decode()


def classified(world: World, call: C, guarding: Guarding) -> C:
    """The call with the classes of data that were found in it among those that its author told,
    judged anew by the policies where they are more. One that tells of none at all stays as
    unclassified as it was: a search for some types says nothing of all others.

    Raises as `admitted` does.
    """
    said: tuple[str, ...] | None = call.glance.ask.data_classes
    if said is None:
        return call
    classes = guarding.classes().union(said)
    if len(classes) == len(set(said)):
        return call
    ask = structs.replace(call.glance.ask, data_classes=tuple(sorted(classes)))
    call = structs.replace(call, glance=structs.replace(call.glance, ask=ask))
    call.account.book = None  # what was judged is another call now
    return admitted(world.current(), call, world.money)


def _told(glance: OperationGlance, classified: OperationGlance) -> OperationGlance:
    ask = structs.replace(glance.ask, data_classes=classified.ask.data_classes)
    return structs.replace(glance, ask=ask)
