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
    dialect: str = "openai"

    def model(self, name: str) -> SimModel | None:
        """The model with this id."""
        return next((model for model in self.models if model.id == name), None)


def _quality(
    default: float, code: float, math: float, reasoning: float, writing: float, knowledge: float
) -> dict[str, float]:
    return {
        "default": default,
        "code": code,
        "agentic_code": code,
        "math": math,
        "reasoning": reasoning,
        "data_analysis": reasoning,
        "writing": writing,
        "instruction_following": writing,
        "knowledge": knowledge,
        "long_context": default,
    }


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
            450,
            120,
            _quality(0.9, code=0.94, math=0.93, reasoning=0.96, writing=0.87, knowledge=0.92),
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
            150,
            _quality(0.72, code=0.74, math=0.7, reasoning=0.68, writing=0.73, knowledge=0.72),
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
            110,
            _quality(0.82, code=0.76, math=0.78, reasoning=0.8, writing=0.95, knowledge=0.86),
            modalities=_VISION,
        ),
        SimModel(
            "sim-boreal-lite",
            "Boreal Lite (simulated)",
            "0.2",
            "0.6",
            240,
            160,
            _quality(0.62, code=0.58, math=0.56, reasoning=0.56, writing=0.72, knowledge=0.62),
        ),
    ),
    ("gdpr", "soc2", "iso27001"),
    dialect="anthropic",
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
            320,
            _quality(0.5, code=0.44, math=0.42, reasoning=0.42, writing=0.5, knowledge=0.58),
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
            _quality(0.4, code=0.36, math=0.34, reasoning=0.34, writing=0.44, knowledge=0.4),
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
            480,
            100,
            _quality(0.74, code=0.86, math=0.94, reasoning=0.74, writing=0.62, knowledge=0.68),
            abilities=_REASONING,
            reasoning_tokens=48,
        ),
    ),
    data_use="trains",
    dialect="gemini",
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
            _quality(0.6, code=0.6, math=0.58, reasoning=0.58, writing=0.62, knowledge=0.6),
        ),
    ),
    faults=Faults(error=0.12, limited=0.06, slow=0.06, cut=0.06),
)

PROFILES: tuple[Profile, ...] = (ATLAS, BOREAL, COMET, HARBOR, LOTUS, FLAKY)
