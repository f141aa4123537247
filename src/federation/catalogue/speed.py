"""What speed to expect of a deployment that nobody has measured yet.

An assumption, and marked as one in the compiled row (`speed_assumed`): larger models cost
more and answer more slowly, and some hosts run on hardware made for speed. The first few
measured calls outweigh it.
"""

from __future__ import annotations

import msgspec

from federation.domain.catalogue import Model, Speed


class SpeedClass(msgspec.Struct, forbid_unknown_fields=True):
    """Typical for models whose output costs less than `below` USD per million tokens."""

    below: float
    first_token_ms: float
    tokens_per_s: float


class Hardware(msgspec.Struct, forbid_unknown_fields=True):
    """Typical for everything that one host serves."""

    first_token_ms: float
    tokens_per_s: float


class SpeedClasses(msgspec.Struct, forbid_unknown_fields=True):
    """The content of data/speed.yaml. The last class holds for whatever costs more."""

    classes: list[SpeedClass]
    hardware: dict[str, Hardware]
    """By provider id."""


def assumed_speed(speeds: SpeedClasses, provider: str, model: Model) -> Speed | None:
    """Return the speed to assume, None where not even the price hints at it."""
    if "chat" not in model.operations:
        return None
    special = speeds.hardware.get(provider)
    if special is not None:
        return Speed(special.first_token_ms, special.tokens_per_s)
    output = model.price.rates.output
    if not output:
        return None
    usd = output / 1e9
    found = next((step for step in speeds.classes if usd < step.below), speeds.classes[-1])
    return Speed(found.first_token_ms, found.tokens_per_s)
