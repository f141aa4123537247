"""The frozen, versioned state under which a worker decides."""

from __future__ import annotations

from dataclasses import dataclass, field

from federation.domain.access import VirtualKey
from federation.domain.approvals import Granted
from federation.domain.catalogue import Deployment
from federation.domain.policies import Policy
from federation.domain.routes import Route, Settings
from federation.domain.tenancy import Quota, User


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a decision may depend on, but for live health.

    `version` counts up with every change and is named in each record; `digest` is the
    hash of the content, equal for equal content.
    """

    version: int
    digest: str
    settings: Settings
    deployments: tuple[Deployment, ...]
    routes: dict[str, Route] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    """Provider id to resolved credential. Crosses only the owner-only Unix socket."""
    policies: tuple[Policy, ...] = ()
    store_regions: tuple[str, ...] = ()
    """Where our own store lies; empty where nobody said."""
    approvals: tuple[Granted, ...] = ()
    """Approvals in force, some of which may be over by the time of a call."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Every virtual key that is in force, and the key under which their hashes were made."""

    version: int
    hash_key: bytes = field(repr=False)
    keys: tuple[VirtualKey, ...]
    quotas: dict[str, Quota] = field(default_factory=dict)
    """What a tenant's tier allows, by tenant; one that is not named has no limits."""
    people: tuple[User, ...] = ()
    """Everyone whom a tenant in force has, for tokens that name them."""
    tenants: frozenset[str] = frozenset()
    """The tenants in force."""
