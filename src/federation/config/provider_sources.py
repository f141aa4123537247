"""Which files hold provider rows, and in which order they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from federation.errors import Problem

EXTRA_VARIABLE = "FEDERATION_PROVIDERS_FILE"


def sources(config_dir: Path) -> list[Path]:
    """providers.yaml (it may be missing), then providers/*.yaml by name: later wins."""
    return [config_dir / "providers.yaml", *sorted((config_dir / "providers").glob("*.yaml"))]


def extra(environ: Mapping[str, str], problems: list[Problem]) -> list[Path]:
    """The file of rows that the environment names, read after all others; who names one wants
    it, so that one that is not there is added to `problems`."""
    named = environ.get(EXTRA_VARIABLE, "").strip()
    if not named:
        return []
    path = Path(named)
    if not path.is_file():
        where = f"environment variable {EXTRA_VARIABLE}"
        problems.append(Problem(where, None, f"there is no file {path}"))
    return [path]
