"""A verdict made readable: what was chosen, from whom, under which rules, and why.

For people and dry runs, so it may be slow. It names deployments and numbers, and holds
nothing of the prompt. What the strategy had no need of (the intent, scores) is worked out here,
and changes neither the order nor what was predicted.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec import structs

from federation.domain.money import nano_to_usd
from federation.routing.decide import ranked, score
from federation.routing.eligible import removed_by
from federation.routing.intents import Classifier
from federation.routing.request import Case, Verdict
from federation.routing.score import predicted_ms, predicted_nano
from federation.schema.glance import Glance
from federation.schema.records import Candidate, Decision

_REMOVED_LIMIT = 500
_DIGITS = 4


def explain(verdict: Verdict, classify: Classifier) -> dict[str, Any]:
    """The decision as values for `msgspec.json`: costs in USD, rendered, because no float holds
    them exactly; durations in milliseconds.

    `candidates` are all that may serve the call, in the order in which they would be
    asked; `removed` maps the others to the first rule that removed each (bounded).
    `intent.classified` says whether the order was made with the intent and the scores.
    """
    case, decision = _scored(verdict.case, classify), verdict.decision
    chosen = case.fleet.deployments[verdict.order[0]]
    odds = tuple(candidate.probability for candidate in decision.candidates)
    odds += (0.0,) * (len(verdict.order) - len(odds))
    every = ranked(case, verdict.order, odds).rows()
    removed = removed_by(case.fleet, case.target, case.rules)
    return {
        "requested": decision.requested,
        "provider": chosen.provider.id,
        "model": chosen.model.id,
        "deployment": chosen.id,
        "simulated": chosen.provider.simulated,
        "confidence": round(confidence(decision), _DIGITS),
        "estimated_cost": _usd(verdict.cost_nano),
        "estimated_latency_ms": round(verdict.latency_ms, 1),
        "strategy": case.strategy,
        "weights": {
            "quality": case.weights.quality,
            "speed": case.weights.speed,
            "cost": case.weights.cost,
            "reliability": case.weights.reliability,
        },
        "intent": {
            "name": case.intent.name,
            "confidence": round(case.intent.confidence, _DIGITS),
            "difficulty": round(case.intent.difficulty, _DIGITS),
            "classified": case.classified,
        },
        "expected": {"input_tokens": case.input_tokens, "output_tokens": case.output_tokens},
        "candidates": [
            _row(case, index, candidate)
            for index, candidate in zip(verdict.order, every, strict=True)
        ],
        "removed": dict(list(removed.items())[:_REMOVED_LIMIT]),
        "removed_by_rule": decision.removed,
        "snapshot": decision.snapshot,
        "reasoning": reasoning(verdict),
    }


def confidence(decision: Decision) -> float:
    """How sure the choice is: of the classifier where scores decided, else certain."""
    told = decision.ranked
    return decision.features.confidence if told is not None and told.score else 1.0


def _scored(case: Case, classify: Classifier) -> Case:
    if case.terms is not None:
        return case
    case = structs.replace(case)
    if isinstance(case.request.glance, Glance):
        case.intent = classify(case.request.read_text())
    score(case)
    return case


def reasoning(verdict: Verdict) -> str:
    """One or two sentences for a person: what decided."""
    case, decision = verdict.case, verdict.decision
    chosen, count = case.fleet.ids[verdict.order[0]], len(verdict.order)
    named = f"{case.target.name!r}"
    if count == 1:
        said = f"{chosen} is the only deployment that may serve {named}."
    elif case.terms is not None:
        first, second = decision.candidates[0], decision.candidates[1]
        said = (
            f"Read as {case.intent.name.replace('_', ' ')} (confidence "
            f"{case.intent.confidence:.2f}, difficulty {case.intent.difficulty:.2f}), {chosen} "
            f"scores {first.score:.3f} under {case.strategy}: quality {first.quality:.2f}, "
            f"speed {first.speed:.2f}, cost {first.cost:.2f}, reliability "
            f"{first.reliability:.2f}; next is {second.deployment} with {second.score:.3f}"
            f"{', which is cooling down' if _is_cooling(case, verdict.order[1]) else ''}."
        )
    else:
        said = f"{case.strategy} put {chosen} first of {count} deployments behind {named}."
    if decision.removed:
        parts = [f"{number} by {rule}" for rule, number in decision.removed.items()]
        said += f" Rules removed {', '.join(parts)}."
    return said


def _is_cooling(case: Case, index: int) -> bool:
    return case.live.down_until[index] > case.request.now_s


def _row(case: Case, index: int, candidate: Candidate) -> dict[str, Any]:
    live, prices = case.live, case.prices
    nano = predicted_nano(prices, index, case.input_tokens, case.output_tokens)
    return {
        "deployment": candidate.deployment,
        "estimated_cost": _usd(None if math.isinf(nano) else round(nano)),
        "estimated_latency_ms": round(predicted_ms(live, index, case.output_tokens), 1),
        "probability": round(candidate.probability, _DIGITS),
        "cooling_down": _is_cooling(case, index),
        "score": round(candidate.score, _DIGITS),
        "scores": {
            part: round(getattr(candidate, part), _DIGITS)
            for part in ("quality", "speed", "cost", "reliability")
        },
    }


def _usd(nano: int | None) -> msgspec.Raw | None:
    """USD, exact; None where the price is unknown."""
    return None if nano is None else msgspec.Raw(f"{nano_to_usd(nano):f}".encode())
