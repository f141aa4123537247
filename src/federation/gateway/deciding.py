"""From a call to a verdict: gathers what the pure decision needs."""

from __future__ import annotations

from federation.gateway.call import AnyCall, Call, OperationCall
from federation.gateway.world import Situation, World
from federation.routing.decide import decide
from federation.routing.request import RoutingRequest, Verdict
from federation.schema.usage import Usage


def decide_call(world: World, situation: Situation, call: Call) -> Verdict:
    """Decide under one situation and enter the decision into the call's account.

    Raises what `decide` raises: `NotFound`, `InvalidRequest`, `NotEligible`.
    """
    request = RoutingRequest(
        glance=call.glance,
        read_text=lambda: call.face.prompt(call.request, call.glance),
        now_s=world.clock(),
        wall_ms=call.started_ms,
        key=call.key,
    )
    verdict = decide(situation.fleet, world.live(), request, world.rng, world.memory)
    return _entered(call, verdict)


def decide_operation(
    world: World, situation: Situation, call: OperationCall, usage: Usage
) -> Verdict:
    """The same for an operation other than chat, which is expected to use so much."""
    glance = call.glance
    request = RoutingRequest(
        glance=glance,
        read_text=str,
        now_s=world.clock(),
        wall_ms=call.started_ms,
        key=call.key,
        usage=usage,
    )
    fleet = situation.fleets[glance.operation, glance.dialect]
    return _entered(call, decide(fleet, world.live(), request, world.rng, world.memory))


def _entered(call: AnyCall, verdict: Verdict) -> Verdict:
    account = call.account
    account.decision = verdict.decision
    account.expected_nano = verdict.cost_nano
    account.router_chose = verdict.router_chose
    return verdict
