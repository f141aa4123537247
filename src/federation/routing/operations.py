"""What routing knows of an operation other than chat: its rules, its terms, its vectors.

The rules that govern are those of a chat. What differs: nobody knows how long an input may
be (the provider has the last word), the price is that of the usage that is expected, and
vectors of two models cannot be compared. So everything that may answer an embeddings call
makes the same vectors as the first of its name, whatever fails: this is a rule, applied
before anything is put in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from federation.domain.access import VirtualKey
from federation.domain.catalogue import Deployment
from federation.domain.routes import Weights
from federation.errors import InvalidRequest, NotEligible
from federation.routing.eligible import cost_cap, governing_rules, key_rules
from federation.routing.fleet import Fleet
from federation.routing.masks import indexes_of, mask_of
from federation.routing.names import Resolved, Rules, apply_rules
from federation.routing.score import Terms, shares_of
from federation.schema.operations import (
    AUDIO_TRANSLATION,
    EMBEDDINGS,
    IMAGE,
    IMAGE_EDIT,
    MODERATIONS,
    RERANK,
    SPEECH,
    TRANSCRIPTION,
    OperationGlance,
)
from federation.schema.records import Features
from federation.schema.usage import Usage

_READS_PICTURES: Final = frozenset((EMBEDDINGS, MODERATIONS))
"""Operations that take pictures at some models only."""
_USUAL_MS: Final[Mapping[str, float]] = {
    EMBEDDINGS: 400.0,
    RERANK: 500.0,
    MODERATIONS: 400.0,
    SPEECH: 1_000.0,
    TRANSCRIPTION: 3_000.0,
    AUDIO_TRANSLATION: 3_000.0,
    IMAGE: 12_000.0,
    IMAGE_EDIT: 12_000.0,
}
_USUAL_UNIT_NANO: Final[Mapping[str, float]] = {
    "image": 40_000_000.0,
    "second": 100_000.0,
    "character": 15_000.0,
    "search": 2_000_000.0,
}
_USUAL_TOKEN_NANO: Final = 100.0
_LEAST_USUAL_NANO: Final = 1_000.0
"""What takes as long, or costs as much, scores one half: common list prices and waiting times."""
_SHOWN: Final = 10
_NO_CATEGORY: Final = "default"

Vectors = tuple[str, int | None, str]
"""What makes two vectors comparable: family, dimensions, and the deployment itself where its
dimensions are not known."""


def operation_rules(
    fleet: Fleet, target: Resolved, glance: OperationGlance, key: VirtualKey | None
) -> Rules:
    """The rules that this call brings, as (rule, who passes).

    Raises `InvalidRequest` for an embeddings call that leaves the model open where there are
    several kinds of vectors.
    """
    rules = key_rules(fleet, target.name, key)
    if glance.operation == EMBEDDINGS:
        rules += _same_vectors(fleet, target, glance, rules)
    if "image_input" in glance.needs and glance.operation in _READS_PICTURES:
        trusted = fleet.unstated if target.named else 0
        rules += (("modality:image", fleet.modalities.get("image", 0) | trusted),)
    return rules + governing_rules(fleet, glance.ask.constraints)


def _same_vectors(fleet: Fleet, target: Resolved, glance: OperationGlance, reach: Rules) -> Rules:
    """The rule that keeps to one kind of vectors, whoever is ill: what a name stands for
    depends on the configuration and the key alone."""
    ready, _ = apply_rules(target.ready, reach)
    candidates = [fleet.deployments[index] for index in indexes_of(ready)]
    kinds = {kind_of(item, glance.dimensions) for item in candidates}
    if len(kinds) < 2:
        return ()
    if not target.named and not target.order:
        raise _open(candidates)
    first = _first(target, ready)
    kind = kind_of(fleet.deployments[first], glance.dimensions)
    same = mask_of(
        index
        for index in indexes_of(ready)
        if kind_of(fleet.deployments[index], glance.dimensions) == kind
    )
    return (("vectors", same),)


def kind_of(deployment: Deployment, dimensions: int | None) -> Vectors:
    """What must be equal for two deployments to make the same vectors. `dimensions` are those
    that the call asks for."""
    model = deployment.model
    size = dimensions or model.dimensions
    return (model.family or model.id, size, "" if size is not None else deployment.id)


def _first(target: Resolved, ready: int) -> int:
    """Who decides what kind it is: the first target that a route names and that offers the
    operation, ready or not, or a route would change its vectors when a key is missing."""
    offered = target.mask
    for rule, passes in target.rules:
        if rule in ("operation", "dialect"):
            offered &= passes
    for index in target.order:
        if offered >> index & 1:
            return index
    return indexes_of(ready)[0]


def _open(candidates: list[Deployment]) -> InvalidRequest:
    names = [item.id for item in candidates]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return InvalidRequest(
        "Name a model: vectors of different models cannot be compared, so none is chosen for "
        f"you. There are {', '.join(names[:_SHOWN])}{more}.",
        code="model_required",
        param="model",
    )


def admit_passage(
    fleet: Fleet,
    mask: int,
    glance: OperationGlance,
    key: VirtualKey,
    price_nano: int,
    policy: Rules = (),
    policy_max_nano: int | None = None,
) -> None:
    """Apply the rules to a request that goes to one provider untranslated; `mask` are its
    deployments, whose place and evidence are the provider's.

    Raises `NotEligible`. A key that is kept to some models needs to know which one is meant; a
    policy that keeps out any of them keeps out a request that does not say.
    """
    constraints = glance.ask.constraints
    named = (fleet.names.covers(glance.model) if glance.model else 0) & mask or mask
    rules: Rules = tuple((rule, 0 if named & ~passes else mask) for rule, passes in policy)
    if key.providers:
        rules += (("key_providers", fleet.of_providers(key.providers)),)
    if key.most_providers is not None:
        rules += (("tier_providers", fleet.first(key.most_providers)),)
    if key.models:
        meant = fleet.names.covers(glance.model) if glance.model else 0
        rules += (("key_models", mask if meant & mask & fleet.named(key.models) else 0),)
    rules += governing_rules(fleet, constraints)
    cap = cost_cap(constraints, policy_max_nano)
    if cap is not None:
        rules += ((cap[0], mask if price_nano <= cap[1] else 0),)
    if constraints.max_latency_ms is not None:
        rules += (("max_latency", 0),)
    left, removed = apply_rules(mask, rules)
    if not left:
        provider = fleet.deployments[indexes_of(mask)[0]].provider.id
        rule = next(iter(removed), "disabled")
        raise NotEligible(
            f"{provider} may not be passed through to for this call (rule {rule}).",
            removed={provider: rule},
        )


def operation_terms(operation: str, usage: Usage, weights: Weights) -> Terms:
    """What scores of an operation are made of: price of the whole usage, time, reliability and
    the model's quality where it has one."""
    usual_nano = _USUAL_TOKEN_NANO * (usage.input + usage.output)
    for unit, count in usage.units.items():
        usual_nano += _USUAL_UNIT_NANO.get(unit, 0.0) * count
    return Terms(
        _NO_CATEGORY,
        1.0,
        _USUAL_MS.get(operation, 1_000.0),
        max(usual_nano, _LEAST_USUAL_NANO),
        shares_of(weights),
        0,
        0,
    )


def operation_features(glance: OperationGlance, usage: Usage) -> Features:
    """What the record of a decision says of such a call."""
    return Features(
        input_tokens=usage.input,
        output_tokens=usage.output,
        messages=glance.items,
        images=glance.images,
        stream=glance.stream,
        needs=glance.needs,
    )
