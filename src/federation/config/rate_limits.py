"""`rate_limits` in federation.yaml: what every tenant is limited to, and what it becomes.

The trap: a limit of a tenant, team, user or key here binds each of them for itself; one of a
route or of the platform counts all tenants together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BeforeValidator, Field

from federation.config import quantities
from federation.config.document import Document
from federation.config.provider_row import Name, Written
from federation.domain.budgets import EACH
from federation.domain.limits import (
    EVERY,
    MINUTE,
    Counted,
    Limit,
    LimitScope,
    Method,
    checked,
    method_of,
    window_of,
)
from federation.domain.tenancy import Tier
from federation.errors import InvalidRequest, Problem

_PREFIX = "default."


def _window(value: object) -> int:
    try:
        return window_of(value)
    except InvalidRequest as error:
        raise ValueError(f"is no window: {error.message}") from None


class RateLimitRow(Written):
    """A limit of every tenant."""

    name: Annotated[str, BeforeValidator(quantities.identifier)]
    scope: LimitScope = LimitScope.TENANT
    subject: Name = EACH
    counts: Counted = Counted.REQUESTS
    amount: Annotated[int, Field(ge=0)]
    window: Annotated[int, BeforeValidator(_window)] = MINUTE
    method: Method | None = None
    burst: Annotated[int, Field(ge=0)] = 0
    tier: Tier | None = None


def limits(
    rows: Iterable[RateLimitRow], where: Document, problems: list[Problem]
) -> tuple[Limit, ...]:
    """The limits of the file; what cannot be kept is noted in `problems`."""
    found: dict[str, Limit] = {}
    for index, row in enumerate(rows):
        limit = Limit(
            _PREFIX + row.name,
            EVERY,
            row.scope,
            row.subject,
            row.counts,
            row.amount,
            row.window,
            row.method or method_of(row.counts, row.window),
            row.burst,
            "" if row.tier is None else row.tier.value,
        )
        try:
            if limit.id in found:
                raise InvalidRequest(f"There are two of the name '{row.name}'.", param="name")
            found[limit.id] = checked(limit)
        except InvalidRequest as error:
            path = ("rate_limits", index, error.param or "name")
            problems.append(where.problem(path, error.message))
    return tuple(found.values())
