"""Rows and keys for the tests of signing in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sign_in import KeyPair, new_key_pair

from federation.domain.catalogue import Auth, Provider, Tier

MakeRow = Callable[..., Provider]


@pytest.fixture(scope="session")
def key_pair() -> KeyPair:
    return new_key_pair()


@pytest.fixture(scope="session")
def make_row() -> MakeRow:
    """A provider's row with this scheme and these quirks."""

    def make(
        scheme: str = "oauth",
        *,
        base_url: str = "https://api.acme.test/v1",
        auth: Auth | None = None,
        private: bool = False,
        **quirks: Any,
    ) -> Provider:
        return Provider(
            "acme",
            "Acme",
            Tier.CLOUD,
            "openai",
            base_url,
            auth=auth or Auth(scheme=scheme),
            quirks=quirks,
            private=private,
        )

    return make
