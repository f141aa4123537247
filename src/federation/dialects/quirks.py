"""Reads what a catalogue row says about its host: quirks, each optional and of any type.

A row is data that a person wrote, so a value of another type than the quirk's is as good as
none: rows are checked where they are read (`catalogue`), not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from federation.domain.catalogue import Deployment

Quirks: TypeAlias = Mapping[str, object]


def quirks_of(deployment: Deployment) -> Quirks:
    """The quirks of a deployment: its model's before its provider's."""
    return {**deployment.provider.quirks, **deployment.model.quirks}


def mapping(quirks: Quirks, name: str) -> dict[str, Any]:
    """An object; empty where there is none."""
    value = quirks.get(name)
    return value if isinstance(value, dict) else {}


def words(quirks: Quirks, name: str) -> dict[str, str]:
    """An object whose values are texts."""
    return {key: str(value) for key, value in mapping(quirks, name).items()}


def listed(quirks: Quirks, name: str) -> list[str]:
    """A list of texts in its order; empty where there is none."""
    values = quirks.get(name)
    return [str(value) for value in values] if isinstance(values, list | tuple) else []


def named(quirks: Quirks, name: str) -> frozenset[str] | None:
    """A set of texts; None where the row says nothing, which differs from an empty one."""
    return frozenset(listed(quirks, name)) if isinstance(quirks.get(name), list | tuple) else None


def accepted(
    quirks: Quirks, kept: frozenset[str], rename: Mapping[str, str]
) -> frozenset[str] | None:
    """The only fields that a host takes, with those that a call is nothing without; None where
    it takes any. A field that the host calls by another name is among them under both, for a row
    may mean either."""
    only = named(quirks, "accepts_only")
    if only is None:
        return None
    both = kept | only
    return both.union(*[pair for pair in rename.items() if not both.isdisjoint(pair)])


def statuses(quirks: Quirks, name: str) -> frozenset[int]:
    """A set of HTTP statuses."""
    values = quirks.get(name)
    return frozenset(values) if isinstance(values, list | tuple) else frozenset()


def number(quirks: Quirks, name: str) -> float | None:
    """A number; None where there is none."""
    value = quirks.get(name)
    return float(value) if isinstance(value, int | float) else None


def path_of(quirks: Quirks, usual: str, *kinds: str) -> str:
    """What follows the base address: `path`, or its member for the first of the kinds that it
    has, else what is usual."""
    path: object = quirks.get("path")
    if isinstance(path, dict):
        said, path = path, None
        for kind in kinds:
            path = path or said.get(kind)
    return path if isinstance(path, str) else usual


def in_json(values: Mapping[str, Any]) -> dict[str, bytes]:
    """Fields with their values as JSON."""
    return {name: msgspec.json.encode(value) for name, value in values.items()}
