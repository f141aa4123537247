"""Compiles the catalogue: `python -m federation.catalogue.build [--check]`.

Reads `data/<tier>/<provider>.yaml`, writes `catalogue.json` beside itself and the reference
page. Both are committed; `--check` writes nothing and fails where either is stale.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from federation.catalogue.reader import COMPILED
from federation.catalogue.rows import parse_row
from federation.domain.catalogue import Provider
from federation.errors import ConfigError, Problem

DATA = Path(__file__).with_name("data")


def read_rows(data: Path = DATA) -> list[Provider]:
    """Return every row, sorted by id. Raises `ConfigError` naming each file and key at fault."""
    providers: list[Provider] = []
    problems: list[Problem] = []
    for path in sorted(data.glob("*/*.yaml"), key=lambda path: path.stem):
        where = f"{path.parent.name}/{path.name}"
        try:
            provider = parse_row(path.read_text(encoding="utf-8"), where)
        except ConfigError as error:
            problems += error.problems
            continue
        if provider.tier.value != path.parent.name:
            problems.append(Problem(where, None, "tier: must be the name of the folder"))
        if providers and providers[-1].id == provider.id:
            problems.append(Problem(where, None, "id: another file has the same id"))
        providers.append(provider)
    if problems:
        raise ConfigError(problems)
    return providers


def compiled(providers: list[Provider]) -> bytes:
    """Return the canonical JSON: defaults left out, keys sorted, one line a scalar."""
    raw = msgspec.json.encode([plain(provider) for provider in providers], order="sorted")
    return msgspec.json.format(raw, indent=1) + b"\n"


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
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def main(arguments: list[str]) -> int:
    """Build, or with `--check` compare; the exit code is 1 where something is wrong or stale."""
    try:
        providers = read_rows()
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        return 1
    stale = False
    for path, content in ((COMPILED, compiled(providers)),):
        if path.exists() and path.read_bytes() == content:
            continue
        stale = True
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"wrote {path.name}")
        else:
            print(f"{path.name} is stale: run python -m federation.catalogue.build", file=sys.stderr)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
