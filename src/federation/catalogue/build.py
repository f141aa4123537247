"""Compiles the catalogue: `python -m federation.catalogue.build [--check]`.

Reads `data/<tier>/<provider>.yaml`, joins the priors of quality and speed, and writes
`catalogue.json` beside itself and the reference page in `docs/`. Both are committed, so
that a reviewer sees what a change of facts does; `--check` writes nothing and fails where
either is stale.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields, is_dataclass, replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from federation.catalogue.files import DATA, read_evidence, read_rows, read_speeds
from federation.catalogue.page import page
from federation.catalogue.quality import Evidence, estimate
from federation.catalogue.reader import COMPILED
from federation.catalogue.speed import SpeedClasses, assumed_speed
from federation.domain.catalogue import Model, Provider
from federation.errors import ConfigError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "providers.md"


def joined(providers: list[Provider], evidence: Evidence, speeds: SpeedClasses) -> list[Provider]:
    """Return the providers with the priors of quality and speed in their models."""

    def with_priors(provider: Provider, model: Model) -> Model:
        model = replace(model, quality=estimate(evidence, model))
        speed = assumed_speed(speeds, provider.id, model)
        if model.speed is not None or speed is None:
            return model
        return replace(model, speed=speed, quirks=model.quirks | {"speed_assumed": True})

    return [
        replace(provider, models=tuple(with_priors(provider, m) for m in provider.models))
        for provider in providers
    ]


def canonical(providers: list[Provider]) -> bytes:
    """Return the canonical JSON: defaults left out, keys sorted, a line for each model."""
    return b"[\n" + b",\n".join(_line(provider) for provider in providers) + b"\n]\n"


def _line(provider: Provider) -> bytes:
    head = msgspec.json.encode(plain(replace(provider, models=())), order="sorted")
    models = [msgspec.json.encode(plain(model), order="sorted") for model in provider.models]
    return head[:-1] + b',"models":[' + b",".join(b"\n " + model for model in models) + b"]}"


def plain(value: Any) -> Any:
    """Return a domain value as JSON types, without what equals its field's default."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(item)
            for field in fields(value)
            if (item := getattr(value, field.name)) != _default(field)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def compile_catalogue() -> dict[str, bytes]:
    """Return the content of `catalogue.json` and of the page. Raises `ConfigError`."""
    providers = joined(read_rows(DATA), read_evidence(DATA), read_speeds(DATA))
    return {"catalogue": canonical(providers), "page": page(providers).encode()}


def main(arguments: list[str]) -> int:
    """Build, or with `--check` compare; 1 where a row is wrong or a file stale."""
    try:
        contents = compile_catalogue()
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return 1
    stale = [
        (path, content)
        for path, content in ((COMPILED, contents["catalogue"]), (PAGE, contents["page"]))
        if not path.exists() or path.read_bytes() != content
    ]
    if "--check" in arguments:
        for path, _ in stale:
            print(
                f"{path.name} is stale: run python -m federation.catalogue.build",
                file=sys.stderr,
            )
        return 1 if stale else 0
    for path, content in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
