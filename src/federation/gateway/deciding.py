"""From a call to a verdict: gathers what the pure decision needs, policies first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from federation.domain.catalogue import Limits, Provider
from federation.domain.routes import AUTO
from federation.errors import FederationError, NotEligible, Unavailable
from federation.gateway.call import AnyCall, Call, OperationCall
from federation.gateway.ruled import (
    POLICY,
    Ruled,
    by_policy,
    facts_of,
    max_nano_of,
    rules_of,
    told,
)
from federation.gateway.world import Situation, World
from federation.governance.facts import CallFacts
from federation.governance.obligations import NOTHING
from federation.routing.decide import decide
from federation.routing.fleet import Fleet
from federation.routing.request import Memory, RoutingRequest, Verdict
from federation.schema.usage import Usage

PASSAGE: Final = "passthrough"
"""The operation of a request that has none of its own."""


def decide_call(
    world: World, situation: Situation, call: Call, memory: Memory | None = None
) -> Verdict:
    """Decide under one situation and enter the decision into the call's account. `memory` is the
    worker's own unless it is given.

    Raises what `decide` and `judged` raise: `NotFound`, `InvalidRequest`, `NotEligible`,
    `Unavailable`.
    """
    ruled = judged(situation, call)
    request = RoutingRequest(
        glance=call.glance,
        read_text=lambda: call.face.prompt(call.request, call.glance),
        now_s=world.clock(),
        wall_ms=call.started_ms,
        key=call.key,
        policy=rules_of(ruled),
        policy_max_nano=max_nano_of(ruled),
    )
    return _decided(world, situation.fleet, call, request, memory or world.memory)


def decide_operation(
    world: World, situation: Situation, call: OperationCall, usage: Usage
) -> Verdict:
    """The same for an operation other than chat, which is expected to use so much."""
    glance = call.glance
    ruled = judged(situation, call)
    request = RoutingRequest(
        glance=glance,
        read_text=str,
        now_s=world.clock(),
        wall_ms=call.started_ms,
        key=call.key,
        usage=usage,
        policy=rules_of(ruled),
        policy_max_nano=max_nano_of(ruled),
    )
    fleet = situation.fleets[glance.operation, glance.dialect]
    return _decided(world, fleet, call, request, world.memory)


def judged(situation: Situation, call: AnyCall) -> Ruled | None:
    """What the policies of this situation say of a call; None where there is nothing to say.

    Asked at admission, and again by whoever decides: the rules that a decision goes by must be
    about its own deployments. Raises `Unavailable` where the policies became others meanwhile
    and demand something else: what stood between has done its duty by the old ones.
    """
    account, book = call.account, situation.book
    if account.book is book:
        return account.ruled
    found = None
    if book.policies or call.glance.ask.privacy is not None:
        found = Ruled.under(book, _facts(situation, call))
    admitted, duties = account.book is not None, account.duties
    account.book, account.ruled = book, found
    if admitted and (duties or NOTHING) != (account.duties or NOTHING):
        raise changed()
    return found


def changed() -> Unavailable:
    """What is said to a call that the rules of now leave nobody."""
    return Unavailable("The policies have changed while this call waited. Send it again.")


def may_still(world: World, situation: Situation, call: AnyCall, index: int) -> bool:
    """Whether a deployment of the call's situation may be asked under the one of now, too.

    A call is decided once, and goes by that. But a retry, a hedge, a fallback, or the rest of a
    broken answer may come minutes later: what was withdrawn or forbidden since is not asked, nor
    anybody where policies demand something else by now of what was done long ago.
    """
    now = world.situation
    if now is None or now is situation:
        return True
    asked = situation.snapshot.deployments[index]
    try:
        place = now.book.census.ids.index(asked.id)
    except ValueError:
        return False
    row = now.snapshot.deployments[place]
    there = row.usable and row.enabled and row.provider.enabled
    # It is asked at its address of then: rules of now are about its facts of now.
    if not there or _host(row.provider) != _host(asked.provider):
        return False
    if not now.book.policies and call.glance.ask.privacy is None:
        return (call.account.duties or NOTHING) == NOTHING
    ruling = now.book.rule(_facts(now, call))
    same = ruling.obligations == (call.account.duties or NOTHING)
    return same and bool(ruling.mask >> place & 1)


def _host(provider: Provider) -> Provider:
    """Where a deployment is asked and what rules look at, without what may be raised, named or
    dated otherwise under a call that runs."""
    return replace(
        provider,
        models=(), name="", env=(), limits=Limits(), deadlines=None,
        sources=(), as_of="", confidence="",
    )  # fmt: skip


def _facts(situation: Situation, call: AnyCall) -> CallFacts:
    model = call.glance.model
    if isinstance(call, Call):
        route = situation.fleet.named_by(model)
    else:
        # A passage without a model is no call for any: nobody chooses one for it.
        route = model or ("" if call.operation == PASSAGE else AUTO)
    whole = situation.book.conditional
    return facts_of(
        call.glance,
        call.key,
        call.operation,
        route,
        call.started_ms,
        whole=whole,
        approvals=situation.snapshot.approvals,
        asker=call.account.asker,
    )


def _decided(
    world: World, fleet: Fleet, call: AnyCall, request: RoutingRequest, memory: Memory
) -> Verdict:
    account = call.account
    try:
        verdict = decide(fleet, world.live(), request, world.rng, memory)
    except NotEligible as error:
        refused(call, error, fleet.resolve(call.glance.model).ready)
        raise
    account.decision = verdict.decision
    account.expected_nano = verdict.cost_nano
    account.router_chose = verdict.router_chose
    ruled = account.ruled
    if ruled is not None and ruled.ruling.watched:
        account.watched = ruled.watched(verdict.case.slate.mask)
    return verdict


def refused(call: AnyCall, error: NotEligible, among: int) -> None:
    """Enter which rules left nobody to a call, and say in the error which policies they are of.
    `among` are the deployments that were there but for the call's rules."""
    words = _why(call, Counter(error.removed.values()), among)
    if words:
        error.message = f"{error.message} Policies: {words}."


def nobody_else(call: AnyCall, error: FederationError, verdict: Verdict) -> None:
    """Say of a call that failed which others policies kept from it."""
    removed = verdict.decision.removed
    if any(rule.startswith(POLICY) for rule in removed):
        words = _why(call, removed, verdict.target.ready)
        stop = "" if error.message.endswith((".", "!", "?")) else "."
        error.message = f"{error.message}{stop} Others may not be asked: {words}."


def _why(call: AnyCall, removed: Mapping[str, int], among: int) -> str:
    """Enter the rules that kept deployments from a call, those of policies under their names;
    the latter in words, empty where there are none."""
    account = call.account
    ruled = account.ruled
    found = () if ruled is None else ruled.reasons(among)
    kinds = {f"{POLICY}{reason.rule}" for reason, _ in found}
    own = {rule: count for rule, count in removed.items() if rule not in kinds}
    account.refusals = own | by_policy(found)
    return told(found)
