"""Which files hold provider rows, and in which order they are read."""

from __future__ import annotations

from pathlib import Path


def sources(config_dir: Path) -> list[Path]:
    """providers.yaml (it may be missing), then providers/*.yaml by name: later wins."""
    return [config_dir / "providers.yaml", *sorted((config_dir / "providers").glob("*.yaml"))]
