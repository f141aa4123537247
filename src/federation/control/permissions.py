"""Who may do what: one table of roles, and what a key may hand on. Pure.

The trap: a permission marked as the platform's shows all tenants' affairs. Outside the
operators' own tenant only administrators have it, whatever a role says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.errors import Forbidden, InvalidRequest


class Permission(str, Enum):
    """Something that can be done through the API."""

    INFER = "infer"
    READ_CALLS = "calls.read"
    READ_STATS = "stats.read"
    READ_PROVIDERS = "providers.read"
    CHANGE_PROVIDERS = "providers.change"
    READ_KEYS = "keys.read"
    CHANGE_KEYS = "keys.change"
    READ_STATUS = "status.read"
    READ_METRICS = "metrics.read"
    ALL_TENANTS = "tenants.all"


_READING = frozenset(
    {
        Permission.READ_CALLS,
        Permission.READ_STATS,
        Permission.READ_PROVIDERS,
        Permission.READ_STATUS,
        Permission.READ_METRICS,
    }
)

ROLES: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OWNER: _READING | {Permission.INFER, Permission.READ_KEYS, Permission.CHANGE_KEYS},
    Role.DEVELOPER: frozenset(
        {
            Permission.INFER,
            Permission.READ_CALLS,
            Permission.READ_STATS,
            Permission.READ_PROVIDERS,
        }
    ),
    Role.VIEWER: _READING,
    Role.AUDITOR: _READING | {Permission.READ_KEYS},
}

PLATFORM = frozenset({Permission.CHANGE_PROVIDERS, Permission.READ_STATUS, Permission.READ_METRICS})


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key that somebody asks for."""

    name: str
    role: Role
    tenant: str
    expires_ms: int | None = None
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()


def may(key: VirtualKey, permission: Permission) -> bool:
    """Whether the key's holder has this permission."""
    if permission not in ROLES[key.role]:
        return False
    return permission not in PLATFORM or key.role is Role.ADMIN or key.tenant == DEFAULT_TENANT


def tenant_seen(key: VirtualKey) -> str | None:
    """The tenant whose objects this key can see; None is every tenant."""
    return None if may(key, Permission.ALL_TENANTS) else key.tenant


def check_mint(minter: VirtualKey, wish: KeyWish, now_ms: int) -> None:
    """Raise `Forbidden` where the wish reaches further than the minter itself."""
    if wish.tenant != minter.tenant and tenant_seen(minter) is not None:
        raise Forbidden("A key can only be made for your own tenant.", param="tenant")
    if not ROLES[wish.role] <= ROLES[minter.role]:
        message = f"A key with the role '{minter.role.value}' cannot make one with more rights."
        raise Forbidden(message, param="role")
    for field, own, wanted in (
        ("models", minter.models, wish.models),
        ("providers", minter.providers, wish.providers),
    ):
        if own and not (wanted and set(wanted) <= set(own)):
            message = f"Your own key is limited to these {field}: {', '.join(own)}."
            raise Forbidden(message, param=field)
    if wish.expires_ms is not None and wish.expires_ms <= now_ms:
        raise InvalidRequest("The key would have expired already.", param="expires_in_s")
    if minter.expires_ms is not None and not (
        wish.expires_ms is not None and wish.expires_ms <= minter.expires_ms
    ):
        raise Forbidden("A key cannot outlive the key that made it.", param="expires_in_s")
