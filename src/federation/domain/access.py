"""Tenants and the virtual keys that we issue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

DEFAULT_TENANT = "default"


class Role(str, Enum):
    """What a key's holder may do; `control.permissions` has the table."""

    ADMIN = "admin"
    OWNER = "owner"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """A key that we issued. The secret is not in it: only its keyed hash."""

    id: str
    hash: bytes
    """HMAC-SHA256 of the secret under the master key, 32 bytes."""
    name: str
    tenant: str
    role: Role
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None
    models: tuple[str, ...] = ()
    """Model, deployment or route names that it may use; empty is all."""
    providers: tuple[str, ...] = ()
    hint: str = ""
    """The secret's last four characters, to recognize it in lists."""
    team: str = ""
    """The id of its team within the tenant; empty is none."""
    user: str = ""
    """The id of the person whose it is; empty is nobody's."""
    scopes: tuple[str, ...] = ()
    """Permissions that it is limited to (`control.permissions`); empty is all of its role's."""
    most_providers: int | None = None
    """Different providers that its tenant's tier leaves it; known where it is in force, never
    kept with it."""

    def allows(self, permission: str) -> bool:
        """Whether its scopes leave it this permission, where its role has it."""
        return not self.scopes or permission in self.scopes

    def __repr__(self) -> str:
        return f"VirtualKey(id={self.id!r}, name={self.name!r}, tenant={self.tenant!r})"
