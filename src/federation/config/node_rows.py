"""A host of our own that is registered at run time, read as a row of providers.yaml would be.

What such a host is asked needs no sign-in: one that wants a key is written into a file, where
its key can be named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import ValidationError

from federation.config.overlay import new_provider
from federation.config.provider_row import ProviderRow
from federation.config.words import DIALECTS
from federation.domain.catalogue import Auth, DataUse, Provider
from federation.errors import ConfigError, Problem

_SHOWN = {"regions": "region", "limits": "concurrency"}


def node_provider(
    name: str,
    base_url: str,
    dialect: str,
    region: str,
    models: Sequence[str],
    abilities: Sequence[str],
    concurrency: int | None,
) -> Provider:
    """The row. Raises `ConfigError` with one problem, whose `where` is the field at fault."""
    if dialect not in DIALECTS:
        raise _wrong("dialect", f"should be one of {', '.join(sorted(DIALECTS))}")
    if not models:
        raise _wrong("models", "should name one model or more")
    able = {"abilities": list(abilities)} if abilities else {}
    written = {
        "id": name,
        "base_url": base_url,
        "dialect": dialect,
        "regions": [region],
        "models": [{"id": model} | able for model in models],
        "limits": {"concurrency": concurrency},
        "local": True,
    }
    try:
        row = ProviderRow.model_validate(written)
    except ValidationError as error:
        detail = error.errors()[0]
        place = detail["loc"]
        field = "abilities" if "abilities" in place else str(place[0])
        said = detail["msg"].removeprefix("Value error, ")
        raise _wrong(_SHOWN.get(field, field), said) from None
    return replace(
        new_provider(row, frozenset()),
        auth=Auth("none", "", "", {}),
        private=True,
        data_use=DataUse.NONE,
    )


def _wrong(field: str, message: str) -> ConfigError:
    return ConfigError([Problem(field, None, message)])
