"""Prior quality of every deployment in each task category, shrunk where evidence is thin.

Published scores cover few models, and newer ones least. Each estimate is therefore drawn
towards the next wider one by the precision of both (a normal prior times a normal
likelihood): category towards the model's default, default towards the family's mean,
family towards the middle. A model that nobody measured stands where its family stands.
"""

from __future__ import annotations

from collections.abc import Iterable

from federation.domain.catalogue import CATEGORIES, Deployment, Quality

_MIDDLE = Quality(0.5, 0.25)
_WITHIN_FAMILY = 0.15
"""Standard deviation of models of one family around its mean."""
_ACROSS_CATEGORIES = 0.10
"""Standard deviation of a model's categories around its default."""
_LEAST_DEVIATION = 0.005
_BOUND = 0.995
"""A quality of exactly 0 or 1 would make difficulty (a change of odds) meaningless."""


def combine(prior: Quality, evidence: Quality) -> Quality:
    """The posterior of a normal prior and one normal observation."""
    before = 1.0 / max(prior.deviation, _LEAST_DEVIATION) ** 2
    seen = 1.0 / max(evidence.deviation, _LEAST_DEVIATION) ** 2
    total = before + seen
    mean = (prior.mean * before + evidence.mean * seen) / total
    return Quality(mean, total**-0.5)


def quality_columns(deployments: tuple[Deployment, ...]) -> dict[str, list[float]]:
    """By category, a column of estimates in (0, 1) indexed like `deployments`."""
    families = _families(deployments)
    columns: dict[str, list[float]] = {category: [] for category in CATEGORIES}
    for deployment in deployments:
        model = deployment.model
        prior = families.get(model.family, _MIDDLE)
        prior = Quality(prior.mean, (prior.deviation**2 + _WITHIN_FAMILY**2) ** 0.5)
        own = model.quality.get("default")
        default = combine(prior, own) if own is not None else prior
        wider = Quality(default.mean, (default.deviation**2 + _ACROSS_CATEGORIES**2) ** 0.5)
        for category, column in columns.items():
            known = model.quality.get(category) if category != "default" else None
            mean = combine(wider, known).mean if known is not None else default.mean
            column.append(min(max(mean, 1.0 - _BOUND), _BOUND))
    return columns


def _families(deployments: Iterable[Deployment]) -> dict[str, Quality]:
    """The mean default quality of each named family, from its members that have one."""
    members: dict[str, dict[str, Quality]] = {}
    for deployment in deployments:
        model = deployment.model
        known = model.quality.get("default")
        if model.family and known is not None:
            # One model at many hosts is one piece of evidence.
            members.setdefault(model.family, {})[model.id] = known
    families = {}
    for name, found in members.items():
        estimate = _MIDDLE
        for known in found.values():
            spread = (known.deviation**2 + _WITHIN_FAMILY**2) ** 0.5
            estimate = combine(estimate, Quality(known.mean, spread))
        families[name] = estimate
    return families
