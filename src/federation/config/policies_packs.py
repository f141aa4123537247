"""The packs that are shipped: rules for a framework, each with the control that it serves.

A pack binds nobody by itself: a policy names it under `packs`, and may add rules of its own,
which can only make it stricter. Rules say `pack:<name>` where others say their file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from federation.config import document
from federation.config.policies_build import rules_of
from federation.config.policies_rows import PackRow
from federation.config.problems import translate
from federation.domain.policies import AnyRule
from federation.errors import ConfigError

_DIRECTORY = Path(__file__).with_name("policy_packs")


@dataclass(frozen=True, slots=True)
class Pack:
    """A shipped set of rules."""

    name: str
    title: str
    framework: str
    version: int
    description: str
    rules: tuple[AnyRule, ...]
    text: str
    """Its YAML, as shipped."""


@cache
def pack_names() -> tuple[str, ...]:
    """The names of all packs."""
    return tuple(sorted(path.stem for path in _DIRECTORY.glob("*.yaml")))


def pack_rules(name: str) -> tuple[AnyRule, ...]:
    """The rules of a pack."""
    return pack(name).rules


@cache
def pack(name: str) -> Pack:
    """A pack by its name, one of `pack_names()`; `ConfigError` if it was tampered with."""
    path = _DIRECTORY / f"{name}.yaml"
    where = document.read(path, f"pack:{name}")
    if where.problems:
        raise ConfigError(where.problems)
    try:
        row = PackRow.model_validate(where.at(("policy",)))
    except ValidationError as error:
        raise ConfigError(translate(error, PackRow, where, ("policy",))) from None
    rules = [
        rule
        for at, written in enumerate(row.rules)
        for rule in rules_of(written, where.name, where.place(("policy", "rules", at)).line)
    ]
    text = path.read_text("utf-8")
    return Pack(
        name, row.title, row.framework, row.version, row.description.strip(), tuple(rules), text
    )
