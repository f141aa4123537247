"""How good a model is expected to be at a kind of task, before we have measured it ourselves.

Public benchmarks speak on different scales, cover different models and grow stale. All of
them are brought to one: the chance that an answer is preferred to that of a fixed reference
model. What has no score inherits from the model before it, or is guessed from its price,
and the deviation says how little that is worth. The method, its constants and what was
rejected: docs/decisions/0004-quality-priors.md. The numbers: data/quality.yaml.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from federation.domain.catalogue import Model, Price, Quality

DEFAULT = "default"
_FLOOR = 0.02
_LEAST_DEVIATION = 0.03
_UNRELATED = 0.1
"""Deviation added where skill at one kind of task stands in for skill at all."""
_GENERATION = 0.05
"""Deviation added for each generation between a model and the one that was measured."""
_STEP = 0.1
"""What a generation is worth, in log-odds: about 17 Elo, half of what recent ones brought."""


class Benchmark(msgspec.Struct, forbid_unknown_fields=True):
    """A family of scores. `scales` maps a task to the common value of scores 0 and 100;
    `reference` is the Elo rating of the reference model, for families of ratings."""

    title: str
    deviation: float
    reference: float | None = None
    scales: dict[str, tuple[float, float]] = {}


class PriceClass(msgspec.Struct, forbid_unknown_fields=True):
    """What models measured so far were worth whose output costs less than `below` USD."""

    below: float
    mean: float


class Predecessor(msgspec.Struct, forbid_unknown_fields=True):
    """The model whose scores stand in, and how many generations lie between.

    Negative steps are for a smaller sibling."""

    family: str
    steps: int


class Evidence(msgspec.Struct, forbid_unknown_fields=True):
    """The content of data/quality.yaml."""

    as_of: str
    benchmarks: dict[str, Benchmark]
    categories: dict[str, dict[str, list[str]]]
    """Category to benchmark to the tasks of it that count; several are averaged."""
    price_classes: list[PriceClass]
    unpriced: float
    guess_deviation: float
    narrow: dict[str, float]
    """Families made for one narrow task: their worth for general use."""
    predecessors: dict[str, Predecessor]
    scores: dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True, slots=True)
class _Estimate:
    mean: float
    deviation: float
    source: str


def estimate(evidence: Evidence, model: Model) -> dict[str, Quality]:
    """Return the estimate for each task category with evidence, and always for `default`.

    Models that do not chat have none: nothing public compares them on these tasks.
    """
    if not {"chat", "completions", "responses"} & set(model.operations):
        return {}
    if model.family in evidence.narrow:
        found = {DEFAULT: _Estimate(evidence.narrow[model.family], 0.15, "made for one task")}
    else:
        found = _of_family(evidence, model.family, ())
    if DEFAULT not in found:
        guess = _by_price(evidence, model.price)
        found = found | {DEFAULT: _pooled([*_stand_in(found), guess])}
    return {
        category: Quality(
            mean=round(value.mean, 3),
            deviation=round(max(value.deviation, _LEAST_DEVIATION), 3),
            source=value.source,
        )
        for category, value in found.items()
    }


def _of_family(evidence: Evidence, family: str, seen: tuple[str, ...]) -> dict[str, _Estimate]:
    """Own scores, weighed with what the predecessor passes on."""
    if family in seen:
        raise ValueError(f"predecessors: {' -> '.join((*seen, family))} is a circle")
    own = _measured(evidence, family)
    before = evidence.predecessors.get(family)
    if before is None:
        return own
    inherited = {
        category: _advanced(value, before)
        for category, value in _of_family(evidence, before.family, (*seen, family)).items()
    }
    return {
        category: _pooled([e for e in (own.get(category), inherited.get(category)) if e])
        for category in sorted({*own, *inherited})
    }


def _measured(evidence: Evidence, family: str) -> dict[str, _Estimate]:
    scores = evidence.scores.get(family, {})
    found: dict[str, _Estimate] = {}
    for category, benchmarks in evidence.categories.items():
        points = [
            point
            for name, tasks in benchmarks.items()
            if (point := _point(evidence.benchmarks[name], tasks, scores.get(name, {})))
        ]
        if points:
            found[category] = _pooled(points)
    return found


def _stand_in(found: dict[str, _Estimate]) -> list[_Estimate]:
    """What the categories with evidence say about all the others, which is little."""
    if not found:
        return []
    mean = sum(value.mean for value in found.values()) / len(found)
    widest = max(value.deviation for value in found.values())
    sources = dict.fromkeys(value.source for value in found.values())
    return [_Estimate(mean, math.hypot(widest, _UNRELATED), ", ".join(sources))]


def _point(benchmark: Benchmark, tasks: list[str], scores: dict[str, float]) -> _Estimate | None:
    values = [common(benchmark, task, scores[task]) for task in tasks if task in scores]
    if not values:
        return None
    return _Estimate(sum(values) / len(values), benchmark.deviation, benchmark.title)


def common(benchmark: Benchmark, task: str, score: float) -> float:
    """Bring one score to the common scale.

    A rating becomes the expected score against the reference (Elo's logistic curve); a
    percentage is mapped on the straight line that gave the models with both kinds of score
    the same mean and spread (linear equating).
    """
    if benchmark.reference is not None:
        value = 1.0 / (1.0 + math.pow(10.0, (benchmark.reference - score) / 400.0))
    else:
        low, high = benchmark.scales[task]
        value = low + (high - low) * score / 100.0
    return min(1.0 - _FLOOR, max(_FLOOR, value))


def _pooled(points: list[_Estimate]) -> _Estimate:
    """Weigh by precision; where sources disagree, the deviation grows by their spread."""
    weights = [1.0 / point.deviation**2 for point in points]
    total = sum(weights)
    mean = sum(w * point.mean for w, point in zip(weights, points, strict=True)) / total
    spread = sum(w * (point.mean - mean) ** 2 for w, point in zip(weights, points, strict=True))
    deviation = math.sqrt(1.0 / total + spread / total)
    return _Estimate(mean, deviation, " + ".join(dict.fromkeys(p.source for p in points)))


def _advanced(value: _Estimate, before: Predecessor) -> _Estimate:
    odds = math.log(value.mean / (1.0 - value.mean)) + _STEP * before.steps
    doubt = _GENERATION * max(1, abs(before.steps))
    inherited = value.source.startswith("family prior")
    source = value.source if inherited else f"family prior ({before.family})"
    return _Estimate(1.0 / (1.0 + math.exp(-odds)), math.hypot(value.deviation, doubt), source)


def _by_price(evidence: Evidence, price: Price) -> _Estimate:
    output = price.rates.output
    if not output:
        return _Estimate(evidence.unpriced, evidence.guess_deviation, "no evidence")
    usd = output / 1e9
    mean = next(
        (step.mean for step in evidence.price_classes if usd < step.below),
        evidence.price_classes[-1].mean,
    )
    return _Estimate(mean, evidence.guess_deviation, "price class")
