"""Tenants, their teams and their people: what every other object belongs to.

The trap: the ids of teams and users are chosen by people, so they mean something only within
a tenant. Two tenants may both have a team `search`, and neither can learn of the other's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from federation.domain.access import Role
from federation.domain.pseudonyms import is_pseudonym
from federation.errors import InvalidRequest

NAME_LIMIT: Final = 200
_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_TEAM: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}\Z")
_USER: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,126}\Z")


class Tier(str, Enum):
    """What a tenant has subscribed to."""

    COMMUNITY = "community"
    PRO = "pro"
    ENTERPRISE = "enterprise"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Quota:
    """How much a tenant may use; None is without a limit."""

    requests_month: int | None = None
    """Inference requests in a calendar month (UTC)."""
    providers: int | None = None
    """Different providers in use at a time."""


TIERS: Final[dict[Tier, Quota]] = {
    Tier.COMMUNITY: Quota(1_000, 5),
    Tier.PRO: Quota(100_000, 20),
    Tier.ENTERPRISE: Quota(),
}
"""`custom` is not here: its quota stands on the tenant."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A customer of this gateway, or its operators' own (`access.DEFAULT_TENANT`)."""

    id: str
    name: str
    created_ms: int
    tier: Tier = Tier.COMMUNITY
    custom: Quota = Quota()
    """The quota where the tier is `custom`."""
    suspended: bool = False
    """None of its keys is in force."""

    @property
    def quota(self) -> Quota:
        """What the tier allows."""
        return TIERS.get(self.tier, self.custom)


@dataclass(frozen=True, slots=True)
class Team:
    """Some people of a tenant, whom policies and budgets can name."""

    id: str
    tenant: str
    name: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class User:
    """A person. Their keys follow them: into another team, to a lesser role, out of the house."""

    id: str
    tenant: str
    name: str
    created_ms: int
    role: Role = Role.DEVELOPER
    """The most that a key of theirs can do."""
    team: str = ""
    email: str = ""
    suspended: bool = False
    """None of their keys is in force."""


Member = Tenant | Team | User


def checked_id(kind: type, name: str) -> str:
    """The id itself, where an object of this kind can have it. Raises `InvalidRequest`."""
    if kind is User and is_pseudonym(name):
        # Or they would stand in records as somebody else.
        raise InvalidRequest("An id of this form is a pseudonym, and nobody's.", param="id")
    pattern = {Tenant: _TENANT, Team: _TEAM, User: _USER}[kind]
    if pattern.match(name):
        return name
    signs = {Tenant: "- and _", Team: ". - and _", User: ". - _ + and @"}[kind]
    message = f"An id is small letters, digits, {signs}, and begins with a letter or digit."
    raise InvalidRequest(message, param="id")
