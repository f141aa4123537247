"""The simulated providers as rows of providers.yaml, so that control loads them like any other."""

from __future__ import annotations

from typing import Any, Final

from federation.sandbox.faults import SUFFIXES
from federation.sandbox.profiles import PROFILES, Profile, SimModel

BASES: Final = {
    "openai": "/v1",
    "anthropic": "/v1",
    "gemini": "/v1beta",
    "cohere": "/v2",
    "bedrock": "",
    "ollama": "",
    "openai_responses": "/v1",
}
"""The path of a base address, by dialect."""


def rows(ports: dict[str, int], *, fault_models: bool = False) -> list[dict[str, Any]]:
    """A row for each provider that has a port; plain JSON values, prices as decimal strings.

    `fault_models` also lists every model once per fault (`model:fault`), for those who want
    to see failures; `auto` would choose them as well.
    """
    return [
        provider_row(
            profile,
            f"http://127.0.0.1:{ports[profile.id]}{BASES[profile.dialect]}",
            _models(profile, fault_models=fault_models),
        )
        for profile in PROFILES
        if profile.id in ports
    ]


def _models(profile: Profile, *, fault_models: bool) -> list[dict[str, Any]]:
    models = [model_row(model, model.id) for model in profile.models]
    if fault_models:
        models += [
            model_row(model, f"{model.id}:{suffix}")
            for model in profile.models
            for suffix in SUFFIXES
        ]
    return models


def provider_row(profile: Profile, base_url: str, models: list[dict[str, Any]]) -> dict[str, Any]:
    """One provider at an address, with these models."""
    return {
        "id": profile.id,
        "name": profile.name,
        "tier": profile.tier,
        "dialect": profile.dialect,
        "base_url": base_url,
        "auth": {"scheme": "none"},
        "regions": list(profile.regions),
        "certifications": list(profile.certifications),
        "data_use": profile.data_use,
        "retention": "none",
        "local": profile.local,
        "simulated": True,
        "models": models,
    }


def model_row(model: SimModel, name: str) -> dict[str, Any]:
    """One model under a name."""
    return {
        "id": name,
        "name": model.name,
        "maker": True,
        "context": model.context,
        "max_output": model.max_output,
        "input_modalities": list(model.modalities),
        "abilities": list(model.abilities),
        "price": {"input": model.input_usd, "output": model.output_usd},
        "quality": {
            category: {"mean": mean, "deviation": 0.03} for category, mean in model.quality.items()
        },
        "speed": {"first_token_ms": model.first_token_ms, "tokens_per_s": model.tokens_per_s},
    }
