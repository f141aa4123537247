"""A small catalogue for tests of configuration and the command line."""

from __future__ import annotations

from collections.abc import Callable

from federation.config.settings import Loaded
from federation.domain.catalogue import (
    Auth,
    DataUse,
    Model,
    Price,
    Provider,
    Quality,
    Rates,
    Tier,
)

Load = Callable[..., Loaded]


def a_catalogue() -> dict[str, Provider]:
    rows = [
        Provider(
            id="openai",
            name="OpenAI",
            tier=Tier.FRONTIER,
            dialect="openai",
            base_url="https://api.openai.com/v1",
            env=("OPENAI_API_KEY",),
            regions=("us",),
            certifications=frozenset({"soc2"}),
            data_use=DataUse.NONE,
            sources=("a page",),
            quirks={"output_limit_field": "max_completion_tokens"},
            models=(
                Model(
                    id="gpt-6.1-sol",
                    maker=True,
                    aliases=("sol",),
                    context=1_050_000,
                    price=Price(Rates(2_000_000_000, 10_000_000_000, 100_000_000)),
                    quality={"default": Quality(0.9, 0.05, "bench")},
                ),
                Model(id="gpt-6-luna", maker=True),
            ),
        ),
        Provider(
            id="anthropic",
            name="Anthropic",
            tier=Tier.FRONTIER,
            dialect="anthropic",
            base_url="https://api.anthropic.com/v1",
            auth=Auth("header", "x-api-key", "", {"anthropic-version": "2023-06-01"}),
            env=("ANTHROPIC_API_KEY",),
            models=(Model(id="claude-opus-5.5", maker=True),),
        ),
        Provider(
            id="lmstudio",
            name="LM Studio",
            tier=Tier.OPENSOURCE,
            dialect="openai",
            base_url="http://127.0.0.1:1234/v1",
            env=("LM_STUDIO_API_KEY",),
            regions=("local",),
            local=True,
            quirks={"auth_optional": True},
        ),
        Provider(
            id="ollama",
            name="Ollama",
            tier=Tier.OPENSOURCE,
            dialect="ollama",
            base_url="http://localhost:11434",
            local=True,
            quirks={"auth_optional": True, "base_env": ["OLLAMA_HOST"]},
        ),
        Provider(
            id="openrouter",
            name="OpenRouter",
            tier=Tier.AGGREGATOR,
            dialect="openai",
            base_url="https://openrouter.ai/api/v1",
            env=("OPENROUTER_API_KEY",),
        ),
        Provider(
            id="azure_openai",
            name="Azure OpenAI",
            tier=Tier.CLOUD,
            dialect="openai",
            base_url="https://{resource}.openai.azure.com/openai/v1",
            auth=Auth("header", "api-key", ""),
            env=("AZURE_OPENAI_API_KEY",),
            quirks={
                "placeholders": {"resource": "AZURE_RESOURCE_NAME"},
                "base_env": ["AZURE_OPENAI_ENDPOINT"],
                "header_env": {"X-Ms-Tag": "AZURE_TAG"},
            },
        ),
        Provider(
            id="bedrock",
            name="Bedrock",
            tier=Tier.CLOUD,
            dialect="bedrock",
            base_url="https://bedrock-runtime.{region}.amazonaws.com",
            auth=Auth("sigv4", "", ""),
            env=("AWS_ACCESS_KEY_ID",),
            quirks={"placeholders": {"region": "AWS_REGION"}},
        ),
    ]
    return {row.id: row for row in rows}
