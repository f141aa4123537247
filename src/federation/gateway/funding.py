"""Reserves the money that an attempt may cost at most, before a byte of it leaves.

That bound is computed from the very bytes that are to be sent. Where a hard budget has too little
left, the limit on output is lowered if operator and client allow it: in the client's own bytes
where its language has a field for it, else by writing the call anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from msgspec import structs

from federation.dialects.operations import billing
from federation.dialects.sent_limit import sent_limit
from federation.dialects.splice import splice
from federation.domain.budgets import Pot
from federation.domain.catalogue import Deployment, Model
from federation.domain.routes import Settings
from federation.errors import BudgetExceeded, InvalidRequest
from federation.gateway.asking import Asking, ask
from federation.gateway.attempt import Attempt
from federation.gateway.call import Call, OperationCall
from federation.gateway.deadlines import left_s
from federation.gateway.money import hardest
from federation.gateway.threads import off_loop, weight
from federation.gateway.world import Line, Situation, World
from federation.pricing.bounds import CallFacts, longest_output, worst
from federation.schema.glance import Edits
from federation.schema.http import WireRequest

LEAST: Final = 16
"""Tokens of output below which an answer is not worth its prompt."""
_TRIES: Final = 3
"""Others reserve meanwhile, so what was left may be gone."""
_SLACK: Final = 64
"""Bytes that a lowered limit may add to a body."""
_SOON_S: Final = 1.0
_CHARACTER_BYTES: Final = 4
_NOTHING: Final[dict[str, int | None]] = {}
_TOOLS: Final[dict[str, int | None]] = {"tool": None}
"""What a provider's own tools cost is not bounded by anything in a call."""


async def fund_chat(
    world: World, situation: Situation, call: Call, line: Line, attempt: Attempt, asking: Asking
) -> Asking:
    """Reserve for an attempt at a chat: what to ask then, perhaps with a lowered limit.

    Raises `BudgetExceeded`, `InvalidRequest` (402) where nothing bounds the cost, and
    `Unavailable`; the attempt has then never begun.
    """
    pots = world.money.pots(call)
    if not pots:
        return asking
    try:
        return await _fund_chat(
            world, situation.snapshot.settings, pots, call, line, attempt, asking
        )
    except BaseException:
        attempt.withdraw()
        raise


async def fund_rest(
    world: World, situation: Situation, call: Call, line: Line, attempt: Attempt, asking: Asking
) -> None:
    """Reserve for an attempt that goes on with an answer that broke. Raises as `fund_chat`; the
    attempt is the caller's to end."""
    pots = world.money.pots(call)
    if pots:
        limit = await _limit(situation.snapshot.settings, call, line, asking)
        facts = chat_facts(call, len(asking.request.body), limit)
        await attempt.reserve(pots, _bound(facts, attempt.deployment, pots), 0.0)


async def fund_operation(
    world: World,
    situation: Situation,
    call: OperationCall,
    attempt: Attempt,
    requests: Sequence[WireRequest],
) -> None:
    """The same for an operation other than chat, of so many requests."""
    pots = world.money.pots(call)
    if pots:
        facts = operation_facts(call, len(requests))
        # Its inputs are each as long as the context at most, not all of them together.
        deployment = widened(attempt.deployment, call.glance.items + call.glance.images)
        amount = _bound(facts, deployment, pots)
        await _reserve(pots, attempt, amount, patience_s(world, situation, call))


def patience_s(world: World, situation: Situation, call: Call | OperationCall) -> float:
    """How long a call may wait for money."""
    return max(0.0, min(situation.snapshot.settings.spending.wait_s, left_s(world, call)))


def chat_facts(call: Call, body_bytes: int, max_output: int | None) -> CallFacts:
    """What bounds the cost of a chat. A governed field may do what its bytes do not show: call
    up what a provider keeps, run tools there, or choose another class of service."""
    glance = call.glance
    governed, limits = glance.governed, call.face.limits
    if len(limits) > 1 and all(map(glance.spans.__contains__, limits)):
        max_output = None  # which of them holds is the provider's choice
    media = glance.images + glance.audio + glance.files
    hosted = bool(governed) and any(name.startswith(("tools", "mcp")) for name in governed)
    return CallFacts(
        input_bytes=body_bytes,
        messages=glance.messages + 2,
        tools=glance.tools,
        media=media + len(governed),
        max_output=max_output,
        answers=glance.choices,
        sound=bool(glance.audio) or "audio" in glance.spans or "modalities" in glance.spans,
        any_class=bool(governed),
        units=_TOOLS if hosted else _NOTHING,
    )


def operation_facts(call: OperationCall, requests: int) -> CallFacts:
    """What bounds the cost of an operation."""
    glance = call.glance
    most = billing.bound(glance)
    units: dict[str, int | None] = dict(most.units)
    if not billing.covers_units(glance):
        units["second"] = None
    if requests > 1:
        units["request"] = requests
    return CallFacts(
        input_bytes=max(most.input, _CHARACTER_BYTES * glance.characters),
        messages=glance.items,
        media=glance.images + (1 if glance.media_bytes else 0),
        max_output=None if billing.makes_tokens(glance) else 0,
        answers=glance.outputs,
        sound=True,
        any_class=bool(glance.governed),
        units=units,
    )


def widened(deployment: Deployment, items: int) -> Deployment:
    """A deployment whose model takes its whole context for each of so many inputs."""
    model, times = deployment.model, max(1, items)
    if times == 1 or (model.context is None and model.max_input is None):
        return deployment
    context, most = model.context, model.max_input
    wide = replace(
        model,
        context=None if context is None else context * times,
        max_input=None if most is None else most * times,
    )
    return replace(deployment, model=wide)


async def _reserve(pots: Sequence[Pot], attempt: Attempt, amount: int, wait_s: float) -> None:
    try:
        await attempt.reserve(pots, amount, wait_s)
    except BaseException:
        attempt.withdraw()
        raise


async def _fund_chat(
    world: World,
    settings: Settings,
    pots: Sequence[Pot],
    call: Call,
    line: Line,
    attempt: Attempt,
    asking: Asking,
) -> Asking:
    deployment, rules = attempt.deployment, settings.spending
    lower = rules.lower and not call.glance.ask.strict
    wait_s = max(0.0, min(rules.wait_s, left_s(world, call)))
    if lower:
        wait_s = min(wait_s, _SOON_S)
    tries = 0
    while True:
        tries += 1
        limit = await _limit(settings, call, line, asking)
        facts = chat_facts(call, len(asking.request.body), limit)
        try:
            await attempt.reserve(pots, _bound(facts, deployment, pots), wait_s)
        except BudgetExceeded as error:
            again = lower and tries < _TRIES
            limit = _fitting(facts, deployment, error.left_nano) if again else None
            if limit is None:
                raise
        else:
            return asking
        asking = await _lowered(call, line, asking, limit)


async def _limit(settings: Settings, call: Call, line: Line, asking: Asking) -> int | None:
    """The limit of output that holds for what is sent: the call's own, where nothing was left out
    of it, and else what the operator or the row makes of it."""
    own = call.glance.max_output if asking.lowered is None else asking.lowered
    if not asking.losses and (own is not None or settings.max_tokens_default is None):
        return own
    body, language = asking.request.body, line.upstream.forwards
    return await off_loop(len(body), partial(sent_limit, language, body))


def _bound(facts: CallFacts, deployment: Deployment, pots: Sequence[Pot]) -> int:
    """What to reserve. Budgets that only tell are told of what has no bound afterwards."""
    most = worst(facts, deployment.model, region=deployment.provider.priced_in)
    if most is not None:
        return most
    if hardest(pots) is None:
        return 0
    raise InvalidRequest(
        f"Nothing tells what this call may cost at most at {deployment.id!r}, and it is under a "
        "hard budget. Give a limit of output and leave out the provider's own tools; or let the "
        "operator state the model's prices and limits.",
        code="cost_unbounded",
        status=402,
    )


def _fitting(facts: CallFacts, deployment: Deployment, left_nano: int) -> int | None:
    """The longest limit of output that what is left pays for."""
    model: Model = deployment.model
    roomier = structs.replace(facts, input_bytes=facts.input_bytes + _SLACK)
    limit = longest_output(
        roomier, model, left_nano, least=LEAST, region=deployment.provider.priced_in
    )
    known = facts.max_output
    return None if limit is None or (known is not None and limit >= known) else limit


async def _lowered(call: Call, line: Line, asking: Asking, limit: int) -> Asking:
    return await off_loop(weight(call.request.body), partial(lowered, call, line, asking, limit))


def lowered(call: Call, line: Line, asking: Asking, limit: int) -> Asking:
    """The same request with another limit of output."""
    fields, spans = call.face.limits, call.glance.spans
    if asking.translated or not fields or "reasoning" in call.glance.needs:
        # Reasoning has a share of the limit, which only an encoder knows how to keep.
        return structs.replace(ask(call, line, limit), lowered=limit)
    named = [name for name in fields if name in spans] or [fields[0]]
    value = b"%d" % limit
    body = splice(call.request.body, spans, call.glance.end, Edits(dict.fromkeys(named, value)))
    request = structs.replace(call.request, body=body)
    again = structs.replace(call, request=request, glance=call.face.glance(request))
    return structs.replace(ask(again, line), lowered=limit)
