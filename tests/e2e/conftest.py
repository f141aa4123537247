"""One gateway for all end-to-end tests, and the provider behind it."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from native_vendors import WHOLE, base_path, start_vendors
from openai_upstream import Provider, start_provider
from served import Gateway, serving

BODY_LIMIT = 200_000
PROVIDERS = """
providers:
  - id: acme
    dialect: openai
    base_url: PROVIDER_URL
    credential: env:ACME_KEY
    regions: [eu]
    certifications: [soc2, gdpr]
    models:
      - id: acme-large
        price: {input: 2.5, output: 10}
        context: 128000
        input_modalities: [text, image]
        abilities: [tools, forced_tools, json_schema, reasoning, sampling]
        quality: {code: 0.9, default: 0.8}
  - id: frail
    dialect: openai
    base_url: PROVIDER_URL
    credential: env:ACME_KEY
    regions: [eu]
    models:
      - id: frail-small
        price: {input: 1, output: 1}
        context: 128000
        quality: {default: 0.1}
"""
NATIVE = """
  - id: native_{dialect}
    dialect: {dialect}
    base_url: {url}
    credential: env:ACME_KEY
    auth: bearer
    regions: [eu]
    models:
      - id: native-{dialect}
        price: {{input: 1, output: 1}}
        context: 128000
        abilities: [tools, forced_tools, json_schema, reasoning, sampling]
        quality: {{default: 0.1}}
"""
FEDERATION = f"""
server:
  limits: {{body_bytes: {BODY_LIMIT}}}
routes:
  - {{name: chat, strategy: priority, targets: [acme/acme-large]}}
  - {{name: frail, strategy: priority, targets: [frail/frail-small]}}
  - name: hasty
    strategy: priority
    targets: [acme/acme-large]
    timeouts: {{first_token_s: 0.3, total_s: 1}}
"""


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    provider, server = start_provider()
    yield provider
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def vendors() -> Iterator[str]:
    """The address of a provider of each dialect."""
    url, server = start_vendors()
    yield url
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def gateway(
    provider: Provider, vendors: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    rows = "".join(
        NATIVE.format(dialect=dialect, url=vendors + base_path(dialect)) for dialect in WHOLE
    )
    files = {"providers.yaml": PROVIDERS + rows, "federation.yaml": FEDERATION}
    with serving(provider, tmp_path_factory.mktemp("e2e"), files) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def body_limit() -> int:
    return BODY_LIMIT


@pytest.fixture(scope="session")
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=20
    ) as client:
        yield client
