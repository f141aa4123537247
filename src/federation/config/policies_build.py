"""Turns the rules of policies as written in YAML into typed rules, by a table with a line for each.

A rule of prohibited data becomes one for each place that it names, so that each can be
explained by itself; every other rule stays one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from federation.config.policies_rows import HoursRow, RuleRow
from federation.config.policies_zones import shifts
from federation.domain.catalogue import DataUse
from federation.domain.policies import (
    AllowedModels,
    AllowedOperations,
    AllowedProviders,
    AnyRule,
    Approval,
    Certified,
    Condition,
    DeniedModels,
    DeniedOperations,
    DeniedProviders,
    DeploymentCondition,
    Durable,
    Encryption,
    Guard,
    Guardrails,
    Hours,
    Logged,
    MaxCost,
    MaxPrice,
    Payloads,
    Pii,
    PiiExcluded,
    PiiPattern,
    PrivacyLevel,
    Prohibited,
    Residency,
    Retention,
    StoreResidency,
    Use,
    Window,
)

Build = Callable[..., AnyRule]


def rules_of(row: RuleRow, file: str, line: int | None) -> Iterator[AnyRule]:
    """The rules that one written rule stands for."""
    said: dict[str, Any] = {
        "control": row.control,
        "evidence": row.evidence,
        "when": row.when,
        "file": file,
        "line": line or 0,
    }
    value = getattr(row, row.kind)
    if row.prohibited_data is not None:
        for at, classes in row.prohibited_data.items():
            yield Prohibited(classes=classes, at=(at,), **said)
    else:
        yield _BUILD[row.kind](value, said)


def _window(row: HoursRow) -> Window:
    return Window(row.zone, shifts(row.zone), row.days, row.start, row.end)


def _pii(row: Any, said: dict[str, Any]) -> AnyRule:
    types = tuple(sorted(row.types.items()))
    return Pii(
        action=row.action,
        types=types,
        block_on_failure=row.on_failure == "block",
        max_characters=row.max_characters,
        patterns=tuple(
            PiiPattern(
                name,
                each.pattern,
                each.entity or "",
                tuple(each.context),
                each.validator or "",
                ignore_case=each.ignore_case,
            )
            for name, each in sorted(row.patterns.items())
        ),
        **said,
    )


def _guards(rows: Any, said: dict[str, Any]) -> AnyRule:
    guards = tuple(Guard(row.name, row.action == "block", row.threshold) for row in rows)
    return Guardrails(guards=guards, **said)


_BUILD: Final[dict[str, Build]] = {
    "all_requests_logged": lambda _, said: Logged(**said),
    "pii_exclusion_required": lambda _, said: PiiExcluded(**said),
    "data_residency": lambda value, said: Residency(places=value, **said),
    "store_residency": lambda value, said: StoreResidency(places=value, **said),
    "certifications": lambda value, said: Certified(names=value, **said),
    "privacy": lambda value, said: PrivacyLevel(level=value, **said),
    "data_use": lambda value, said: Use(allowed=tuple(map(DataUse, value)), **said),
    "allowed_providers": lambda value, said: AllowedProviders(names=value, **said),
    "denied_providers": lambda value, said: DeniedProviders(names=value, **said),
    "allowed_models": lambda value, said: AllowedModels(names=value, **said),
    "denied_models": lambda value, said: DeniedModels(names=value, **said),
    "allowed_operations": lambda value, said: AllowedOperations(names=value, **said),
    "denied_operations": lambda value, said: DeniedOperations(names=value, **said),
    "hours": lambda rows, said: Hours(windows=tuple(map(_window, rows)), **said),
    "max_price": lambda row, said: MaxPrice(
        input=row.input,
        output=row.output,
        cache_write=row.cache_write,
        cache_write_long=row.cache_write_long,
        units=tuple(sorted(row.units.items())),
        **said,
    ),
    "max_cost": lambda value, said: MaxCost(nano=value, **said),
    "pii": _pii,
    "guardrails": _guards,
    "durability": lambda _, said: Durable(**said),
    "retention_days": lambda value, said: Retention(days=value, **said),
    "payloads": lambda row, said: Payloads(keep=row.keep, days=row.days, **said),
    "encryption": lambda value, said: Encryption(algorithm=value, **said),
    "approval": lambda row, said: Approval(name=row.name, at=row.at, **said),
    "condition": lambda value, said: Condition(expression=value, **said),
    "deployments": lambda value, said: DeploymentCondition(expression=value, **said),
}
