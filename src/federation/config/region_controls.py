"""Pinning a provider's row to a region: the host, headers and fields that the provider wants.

Pure. The trap is a wish that nothing carries out. Where a row has no control for the region, it
is refused; and what a control does not reach (a model that refuses the field, an operation that
does not take it) is left out, because it would be processed anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

from federation.domain.catalogue import Model, Provider
from federation.domain.regions import all_meet

CONTROLS: Final = "region_controls"
HOSTS: Final = "hosts"
_FIELDS_REACH: Final = ("chat",)
"""Operations in which fields that are always sent are sent."""


def pinned(row: Provider, region: str) -> Provider:
    """The row, processed in this region alone. Raises `ValueError` with what is wrong, as the
    rest of a sentence."""
    if all_meet(row.regions, (region,)):
        return row  # it is nowhere else
    if region == "local":
        raise ValueError("runs elsewhere: only hosts of your own are local")
    control = _control(row, region)
    if control is None:
        known = ", ".join(_known(row)) or "none"
        raise ValueError(f"has no control for the region '{region}' (it has: {known})")
    changes: dict[str, Any] = {"regions": (region,)}
    quirks = {name: value for name, value in row.quirks.items() if name not in (CONTROLS, HOSTS)}
    if host := control.get("host"):
        changes["base_url"] = str(host)
    if headers := _mapping(control.get("headers")):
        lowered = {name.lower(): str(value) for name, value in headers.items()}
        changes["auth"] = replace(row.auth, extra=row.auth.extra | lowered)
    models = row.models
    if fields := _mapping(control.get("set")):
        quirks["set"] = {**_mapping(quirks.get("set")), **fields}
        if not host and not headers:
            changes["operations"] = _chat(row.operations)
            models = tuple(_only_chat(model) for model in models if _chat(model.operations))
    if isinstance(patterns := control.get("models"), list):
        models = tuple(
            model for model in models if any(fnmatchcase(model.id, str(p)) for p in patterns)
        )
    if not models and row.models:
        raise ValueError(f"serves none of its models under its control for '{region}'")
    return replace(row, **changes, models=models, quirks=quirks)


def own_hosts(row: Provider) -> dict[str, str]:
    """The provider's further addresses, each with the region that it is in; empty: unknown."""
    hosts = _mapping(row.quirks.get(HOSTS))
    for place, control in _mapping(row.quirks.get(CONTROLS)).items():
        if host := _mapping(control).get("host"):
            hosts = hosts | {place: host}
    regions = _known(row)
    return {str(host): place if place in regions else "" for place, host in hosts.items()}


def _control(row: Provider, region: str) -> Mapping[str, Any] | None:
    written = _mapping(row.quirks.get(CONTROLS)).get(region)
    host = _mapping(row.quirks.get(HOSTS)).get(region)
    found = _mapping(written)
    if host and "host" not in found:
        found = {**found, "host": host}
    return found or None


def _known(row: Provider) -> list[str]:
    controls = (_mapping(row.quirks.get(name)) for name in (CONTROLS, HOSTS))
    places = {place for control in controls for place in control}
    return sorted(place for place in places if all_meet((place,), (place,)))


def _chat(operations: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in operations if each in _FIELDS_REACH)


def _only_chat(model: Model) -> Model:
    return replace(model, operations=_chat(model.operations))


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
