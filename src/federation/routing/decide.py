"""The routing decision of one call: name, rules, predictions, order.

The operation is the fleet's (`Fleet.offering`); a call's glance is of the same operation.

Runs for every call, so it does no more than the call's strategy needs: a route in fixed
order is neither classified nor scored. Turns and rings live in `Memory`, the random source
is an argument, and nothing here reads a clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from federation.domain.live import Live
from federation.domain.routes import Weights
from federation.errors import InvalidRequest
from federation.routing.eligible import cost_cap, eligible, refusal, rule_outcome
from federation.routing.fleet import Fleet, RuleOutcome
from federation.routing.intents import UNKNOWN, category_of, expected_output
from federation.routing.names import Resolved, Rules, apply_rules
from federation.routing.operations import operation_features, operation_rules, operation_terms
from federation.routing.request import Case, Memory, RoutingRequest, Verdict, expected_input
from federation.routing.score import Terms, parts, predicted_ms, predicted_nano, totals
from federation.routing.strategies import (
    LOCAL_FIRST,
    STRATEGIES,
    Choice,
    Order,
    Strategy,
    as_listed,
    cooling_last,
)
from federation.schema.glance import Glance
from federation.schema.records import Decision, Features, Ranked

RECORDED = 16
"""Candidates kept in the record; later ones are almost never asked."""
_CERTAIN = [1.0, 0.0]
_SHOWN = 60
"""Characters of a wrong word that are told."""


def decide(
    fleet: Fleet, live: Live, request: RoutingRequest, rng: Random, memory: Memory
) -> Verdict:
    """Choose who is asked, in which order.

    Raises `NotFound` for an unknown name, `InvalidRequest` for an unknown strategy or preferred
    provider, and `NotEligible` where the rules leave nobody.
    """
    target = fleet.resolve(request.glance.model)
    strategy = _strategy(request, target)
    constraints = request.glance.ask.constraints
    case = _admit(fleet, live, request, target, strategy, memory)
    limited = constraints.max_cost is not None or constraints.max_latency_ms is not None
    if limited or request.policy_max_nano is not None:
        _limit(case)
    if case.classified:
        score(case)
    order, odds = _order(case, STRATEGIES[strategy], rng, memory)
    return _verdict(case, order, odds)


def _strategy(request: RoutingRequest, target: Resolved) -> str:
    name = request.glance.ask.strategy or target.strategy
    if name not in STRATEGIES:
        raise InvalidRequest(
            f"There is no strategy named {name[:_SHOWN]!r}; there are {', '.join(STRATEGIES)}.",
            code="unknown_strategy",
            param="federation.strategy",
        )
    return name


def _weights(fleet: Fleet, target: Resolved, strategy: Strategy, *, asked: bool) -> Weights:
    """A route's weights belong to the route's strategy: a call that asks for another
    strategy gets that one's."""
    if target.weights is not None and (strategy.weights is None or not asked):
        return target.weights
    return strategy.weights or fleet.settings.weights


def _admit(
    fleet: Fleet,
    live: Live,
    request: RoutingRequest,
    target: Resolved,
    strategy: str,
    memory: Memory,
) -> Case:
    """Apply every rule that needs no prediction; `NotEligible` where nobody is left."""
    glance, entry = request.glance, STRATEGIES[strategy]
    known = None
    if isinstance(glance, Glance):
        known = rule_outcome(fleet, target, glance, request.key, request.policy)
        rules, removed, slate = known.rules, known.removed, known.slate
    else:
        rules = request.policy + operation_rules(fleet, target, glance, request.key)
        mask, removed = eligible(target, rules)
        if not mask:
            raise refusal(fleet, target, rules)
        slate = fleet.slate(mask)
    scoring = entry.scores and len(slate.indexes) > 1
    intent = UNKNOWN
    if isinstance(glance, Glance):
        if scoring:
            intent = memory.classify(request.read_text())
        given = expected_input(glance)
        limit = glance.max_output or fleet.settings.max_tokens_default
        made = expected_output(intent, given, limit) * max(glance.choices, 1)
        prices = fleet.prices.columns(given, request.wall_ms)
    else:
        given, made = request.usage.input, request.usage.output
        prices = fleet.prices.charged(request.usage, slate.indexes, request.wall_ms)
    return Case(
        fleet,
        live,
        request,
        target,
        strategy,
        _weights(fleet, target, entry, asked=glance.ask.strategy is not None),
        rules,
        removed,
        slate,
        intent,
        scoring,
        given,
        made,
        prices,
        known,
    )


def _limit(case: Case) -> None:
    """Apply the limits on predicted price and duration; an unknown price is over any."""
    constraints, slate = case.request.glance.ask.constraints, case.slate
    given, made = case.input_tokens, case.output_tokens
    limits: Rules = ()
    cap = cost_cap(constraints, case.request.policy_max_nano)
    if cap is not None:
        nano = [predicted_nano(case.prices, i, given, made) for i in slate.indexes]
        limits = ((cap[0], slate.mask_under(nano, cap[1])),)
    if constraints.max_latency_ms is not None:
        ms = [predicted_ms(case.live, i, made) for i in slate.indexes]
        limits = (*limits, ("max_latency", slate.mask_under(ms, constraints.max_latency_ms)))
    mask, removed = apply_rules(slate.mask, limits)
    case.rules += limits
    if not mask:
        raise refusal(case.fleet, case.target, case.rules)
    if removed:
        case.removed = case.removed | removed
        case.slate = case.fleet.slate(mask)
        case.outcome = None


def score(case: Case) -> None:
    """Fill in what the candidates' scores are made of, for the case's intent."""
    intent, given, glance = case.intent, case.input_tokens, case.request.glance
    if isinstance(glance, Glance):
        case.terms = Terms.of(
            case.weights,
            category_of(intent, given, glance.tools),
            given,
            case.output_tokens,
            difficulty=intent.difficulty,
            certainty=intent.confidence,
        )
    else:
        case.terms = operation_terms(glance.operation, case.request.usage, case.weights)
    case.sheet = case.fleet.sheet(case.slate, case.terms.category, case.live, case.prices)
    case.totals = totals(case.sheet, case.terms)


def _order(case: Case, strategy: Strategy, rng: Random, memory: Memory) -> Order:
    indexes, now_s = case.slate.indexes, case.request.now_s
    if case.outcome is not None and (strategy.fixed or len(indexes) == 1):
        return cooling_last(_listed(case, case.outcome), case.slate, case.live, now_s), ()
    if len(indexes) == 1:
        return list(indexes), ()
    preference = case.request.glance.ask.constraints.provider_preference
    order, odds = strategy.order(
        Choice(
            case.slate,
            case.live,
            case.target.order,
            case.target.shares,
            lambda: _sticky(case.request),
            lambda: memory.turn(case.target.name),
            rng,
            memory.ring,
            case.totals,
            case.sheet,
            case.fleet.local,
            _overflow(case.fleet) if case.strategy == LOCAL_FIRST else (),
            _ranks(case, preference) if preference else (),
        )
    )
    settled = cooling_last(order, case.slate, case.live, now_s)
    if odds and settled is not order:
        odds = _without_cooling(dict(zip(order, odds, strict=True)), settled, case)
    return settled, odds


def _listed(case: Case, known: RuleOutcome) -> list[int]:
    """The order of a strategy to which only the route and who is left matter: kept."""
    if not known.listed:
        known.listed = as_listed(case.target.order, case.slate)
    return known.listed


def _overflow(fleet: Fleet) -> tuple[int, ...]:
    return tuple([fleet.providers.get(name, 0) for name in fleet.settings.overflow.providers])


def _without_cooling(odds: dict[int, float], settled: list[int], case: Case) -> tuple[float, ...]:
    """The odds of standing first when those who are cooling down cannot."""
    down, now_s = case.live.down_until, case.request.now_s
    left = [0.0 if down[index] > now_s else odds[index] for index in settled]
    whole = sum(left)
    return tuple([share / whole for share in left]) if whole else ()


def _sticky(request: RoutingRequest) -> str:
    ask, key = request.glance.ask, request.key
    own = ask.session or ask.user or request.glance.user
    if key is None:
        return own
    # Two tenants that name their sessions alike are not one session.
    return f"{key.tenant}/{own}" if own else f"{key.tenant}/{key.id}"


def _ranks(case: Case, preference: tuple[str, ...]) -> tuple[int, ...]:
    ranks = {provider: rank for rank, provider in enumerate(preference, start=1)}
    deployments = case.fleet.deployments
    return tuple([ranks.get(deployments[i].provider.id, 0) for i in case.slate.indexes])


def _verdict(case: Case, order: list[int], odds: tuple[float, ...]) -> Verdict:
    request, target, weights, first = case.request, case.target, case.weights, order[0]
    glance, intent, prices, live = request.glance, case.intent, case.prices, case.live
    given, made = case.input_tokens, case.output_tokens
    nano = predicted_nano(prices, first, given, made)
    if isinstance(glance, Glance):
        features = Features(
            intent.name,
            intent.confidence,
            intent.difficulty,
            given,
            made,
            glance.messages,
            glance.tools,
            glance.images,
            glance.stream,
            glance.needs,
        )
    else:
        features = operation_features(glance, request.usage)
    decision = Decision(
        requested=glance.model or target.name,
        strategy=case.strategy,
        snapshot=case.fleet.version,
        features=features,
        eligible=len(order),
        removed=case.removed,
        weights=(weights.quality, weights.speed, weights.cost, weights.reliability),
        ranked=_recorded(case, order, odds),
    )
    return Verdict(
        order,
        decision,
        None if math.isinf(nano) else round(nano),
        predicted_ms(live, first, made),
        target.router_chose,
        case,
    )


def _recorded(case: Case, order: list[int], odds: tuple[float, ...]) -> Ranked:
    """The candidates that the record names; kept where nothing of them is the call's own."""
    known = case.outcome
    if known is None or order is not known.listed or case.terms is not None:
        return ranked(case, order[:RECORDED], odds)
    if known.told is None:
        known.told = ranked(case, order[:RECORDED], odds)
    return known.told


def ranked(case: Case, order: list[int], odds: tuple[float, ...]) -> Ranked:
    """These deployments with their scores, where there are any, and odds of standing first."""
    ids, terms, sheet = case.fleet.ids, case.terms, case.sheet
    named = [ids[index] for index in order]
    chances = _short(odds[: len(order)]) if odds else _CERTAIN[: len(order)]
    if terms is None or sheet is None:
        return Ranked(named, probability=chances)
    row_of, scores = sheet.row_of, case.totals
    rows = [row_of[index] for index in order]
    found = parts(sheet, set(rows), terms)
    quality, speed, cost, success = zip(*[found[row] for row in rows], strict=True)
    return Ranked(
        named,
        [scores[row] for row in rows],
        _short(quality),
        _short(speed),
        _short(cost),
        _short(success),
        chances,
    )


def _short(column: Sequence[float]) -> list[float]:
    """A column up to where it goes on with one value."""
    last, count = column[-1], len(column)
    if column[0] == last and column.count(last) == count:
        return [last]
    while count > 1 and column[count - 2] == last:
        count -= 1
    return list(column[:count])
