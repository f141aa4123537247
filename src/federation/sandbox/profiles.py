"""Who the simulated providers are: speed, price, quality, place and faults, as data.

Every name begins with `sim-`, so that nobody takes a row or an answer for the real thing.
Prices, scores and certifications are invented, and plausible beside one another: what one
can see with them is how routing, residency and failover choose, not what anything is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MARK = "simulated"
"""Stands in every listing, fingerprint and answer."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often a provider misbehaves by itself, as shares of its requests."""

    error: float = 0.0
    limited: float = 0.0
    slow: float = 0.0
    cut: float = 0.0


@dataclass(frozen=True, slots=True)
class SimModel:
    """One simulated model. Prices are USD per million tokens, in decimal notation."""

    id: str
    name: str
    input_usd: str
    output_usd: str
    first_token_ms: float
    tokens_per_s: float
    quality: dict[str, float]
    """Category to 0..1; it decides how complete an answer is."""
    context: int = 128_000
    max_output: int = 8_192
    modalities: tuple[str, ...] = ("text",)
    abilities: tuple[str, ...] = ("tools", "json_schema", "sampling", "forced_tools")
    reasoning_tokens: int = 0
    """Spent before each answer, billed as output."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One simulated provider."""

    id: str
    name: str
    tier: str
    regions: tuple[str, ...]
    models: tuple[SimModel, ...]
    certifications: tuple[str, ...] = ()
    data_use: str = "none"
    local: bool = False
    faults: Faults = field(default_factory=Faults)

    def model(self, name: str) -> SimModel | None:
        """The model with this id."""
        return next((model for model in self.models if model.id == name), None)


def _quality(default: float, **others: float) -> dict[str, float]:
    return {"default": default, **others}


_VISION = ("text", "image")
_REASONING = ("tools", "json_schema", "sampling", "forced_tools", "reasoning")

ATLAS = Profile(
    "sim-atlas",
    "Atlas (simulated)",
    "frontier",
    ("us",),
    (
        SimModel(
            "sim-atlas-large",
            "Atlas Large (simulated)",
            "3",
            "15",
            620,
            70,
            _quality(0.9, code=0.93, math=0.92, reasoning=0.94, writing=0.88, knowledge=0.91),
            context=200_000,
            max_output=32_000,
            modalities=_VISION,
            abilities=_REASONING,
            reasoning_tokens=64,
        ),
        SimModel(
            "sim-atlas-mini",
            "Atlas Mini (simulated)",
            "0.4",
            "1.6",
            300,
            140,
            _quality(0.74, code=0.76, math=0.72, reasoning=0.7, writing=0.75, knowledge=0.72),
            modalities=_VISION,
        ),
    ),
    ("soc2", "iso27001", "hipaa"),
)

BOREAL = Profile(
    "sim-boreal",
    "Boreal (simulated)",
    "frontier",
    ("eu",),
    (
        SimModel(
            "sim-boreal-pro",
            "Boreal Pro (simulated)",
            "2",
            "6",
            420,
            95,
            _quality(0.84, code=0.8, math=0.82, reasoning=0.82, writing=0.92, knowledge=0.86),
            modalities=_VISION,
        ),
        SimModel(
            "sim-boreal-lite",
            "Boreal Lite (simulated)",
            "0.2",
            "0.6",
            240,
            160,
            _quality(0.66, code=0.62, math=0.6, reasoning=0.6, writing=0.74, knowledge=0.66),
        ),
    ),
    ("gdpr", "soc2", "iso27001"),
)

COMET = Profile(
    "sim-comet",
    "Comet (simulated)",
    "specialized",
    ("us",),
    (
        SimModel(
            "sim-comet-flash",
            "Comet Flash (simulated)",
            "0.1",
            "0.3",
            90,
            900,
            _quality(0.62, code=0.6, math=0.58, reasoning=0.55, writing=0.64, knowledge=0.63),
            context=64_000,
        ),
    ),
    ("soc2",),
)

HARBOR = Profile(
    "sim-harbor",
    "Harbor (simulated)",
    "opensource",
    ("local",),
    (
        SimModel(
            "sim-harbor-8b",
            "Harbor 8B (simulated)",
            "0",
            "0",
            180,
            45,
            _quality(0.52, code=0.48, math=0.45, reasoning=0.45, writing=0.55, knowledge=0.5),
            context=32_000,
            max_output=4_096,
            abilities=("tools", "json_schema", "sampling"),
        ),
    ),
    local=True,
)

LOTUS = Profile(
    "sim-lotus",
    "Lotus (simulated)",
    "chinese",
    ("cn",),
    (
        SimModel(
            "sim-lotus-max",
            "Lotus Max (simulated)",
            "0.5",
            "1.5",
            520,
            80,
            _quality(0.83, code=0.9, math=0.93, reasoning=0.88, writing=0.76, knowledge=0.8),
            abilities=_REASONING,
            reasoning_tokens=48,
        ),
    ),
    data_use="trains",
)

FLAKY = Profile(
    "sim-flaky",
    "Flaky (simulated)",
    "emerging",
    ("us",),
    (
        SimModel(
            "sim-flaky-chat",
            "Flaky Chat (simulated)",
            "0.15",
            "0.5",
            260,
            120,
            _quality(0.7, code=0.7, math=0.68, reasoning=0.68, writing=0.7, knowledge=0.7),
        ),
    ),
    faults=Faults(error=0.12, limited=0.06, slow=0.06, cut=0.06),
)

PROFILES: tuple[Profile, ...] = (ATLAS, BOREAL, COMET, HARBOR, LOTUS, FLAKY)
