"""Deployments and requests for the tests of dialects, made from the few facts that matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from federation.dialects.address import Reach
from federation.dialects.openai.wire import Wire, prepare
from federation.domain.catalogue import Auth, Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.schema.http import ClientRequest

MakeWire = Callable[..., Wire]
MakeRequest = Callable[..., ClientRequest]


@pytest.fixture(scope="session")
def make_wire() -> MakeWire:
    """A wire for a row with the given quirks; `model`, `base_url`, ... override the rest."""

    def make(
        *,
        quirks: dict[str, object] | None = None,
        model_quirks: dict[str, object] | None = None,
        model: str = "acme-large",
        base_url: str = "https://api.acme.test/v1",
        auth: Auth | None = None,
        settings: Settings | None = None,
        **others: Any,
    ) -> Wire:
        provider = Provider(
            "acme",
            "Acme",
            Tier.FRONTIER,
            "openai",
            base_url,
            auth=auth or Auth(),
            quirks=quirks or {},
        )
        deployment = Deployment(
            f"acme/{model}", provider, Model(model, quirks=model_quirks or {}), usable=True
        )
        return prepare(deployment, settings or Settings(), Reach(**others))

    return make


@pytest.fixture(scope="session")
def make_request() -> MakeRequest:
    """A chat request with this body and these further headers."""

    def make(body: bytes, headers: dict[bytes, bytes] | None = None) -> ClientRequest:
        return ClientRequest("POST", "/v1/chat/completions", "", headers or {}, body)

    return make
