"""Reads the catalogue's YAML files, strictly. Used at build time and in tests, never at run time.

Every problem of every file is collected before one `ConfigError` is raised, because someone
who edits twenty rows wants one list and not twenty runs.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from federation.catalogue.faults import faults
from federation.catalogue.quality import Evidence
from federation.catalogue.rows import ProviderRow, provider_of
from federation.catalogue.speed import SpeedClasses
from federation.domain.catalogue import Provider
from federation.errors import ConfigError, Problem

DATA = Path(__file__).with_name("data")

T = TypeVar("T")


class _Loader(yaml.SafeLoader):
    """Safe YAML that keeps decimals exact and refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return dict(super().construct_mapping(node, deep))


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def parse_row(text: str, where: str) -> Provider:
    """Read one provider's file. Raises `ConfigError` with the file and the key at fault.

    `where` is `<tier>/<id>.yaml`, which the row must agree with.
    """
    row = _typed(text, where, ProviderRow)
    folder, _, name = where.partition("/")
    problems = [Problem(where, None, fault) for fault in faults(row)]
    if name != f"{row.id}.yaml":
        problems.append(Problem(where, None, f"id: the file must be named {row.id}.yaml"))
    if folder != row.tier.value:
        problems.append(Problem(where, None, f"tier: the file must lie in {row.tier.value}/"))
    if problems:
        raise ConfigError(problems)
    return provider_of(row)


def read_rows(data: Path = DATA) -> list[Provider]:
    """Return every provider, sorted by id. Raises one `ConfigError` with all problems."""
    providers: dict[str, Provider] = {}
    problems: list[Problem] = []
    for path in sorted(data.glob("*/*.yaml"), key=lambda path: path.stem):
        where = f"{path.parent.name}/{path.name}"
        try:
            provider = parse_row(path.read_text(encoding="utf-8"), where)
        except ConfigError as error:
            problems += error.problems
            continue
        if provider.id in providers:
            problems.append(Problem(where, None, "id: another file has the same id"))
        providers[provider.id] = provider
    if problems:
        raise ConfigError(problems)
    return list(providers.values())


def read_evidence(data: Path = DATA) -> Evidence:
    """Return the public scores and how to read them."""
    text = (data / "quality.yaml").read_text(encoding="utf-8")
    return _typed(text, "quality.yaml", Evidence)


def read_speeds(data: Path = DATA) -> SpeedClasses:
    """Return the assumed speeds."""
    return _typed((data / "speed.yaml").read_text(encoding="utf-8"), "speed.yaml", SpeedClasses)


def _typed(text: str, where: str, kind: type[T]) -> T:
    try:
        raw = yaml.load(text, _Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise ConfigError([Problem(where, line, str(error.problem))]) from error
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError([Problem(where, None, str(error))]) from error
