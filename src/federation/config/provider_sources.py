"""Which files hold provider rows, and in which order they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

EXTRA_VARIABLE = "FEDERATION_PROVIDERS_FILE"


def sources(config_dir: Path) -> list[Path]:
    """providers.yaml (it may be missing), then providers/*.yaml by name: later wins."""
    return [config_dir / "providers.yaml", *sorted((config_dir / "providers").glob("*.yaml"))]


def extra(environ: Mapping[str, str]) -> list[Path]:
    """The file of rows that the environment names, read after all others."""
    named = environ.get(EXTRA_VARIABLE, "").strip()
    return [Path(named)] if named else []
