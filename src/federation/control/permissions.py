"""Who may do what: one table of roles, and what a key may hand on. Pure.

The trap: a permission marked as the platform's shows all tenants' affairs. Outside the
operators' own tenant only administrators have it, whatever a role says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.errors import Forbidden, InvalidRequest, NotFound


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
    READ_TENANCY = "tenancy.read"
    """A tenant's teams and people, and the tenant itself."""
    CHANGE_TENANCY = "tenancy.change"
    CHANGE_BUDGETS = "budgets.change"
    """Of teams, users, keys, sessions and tags; a whole tenant's only with all tenants."""
    CHANGE_LIMITS = "limits.change"
    """As with budgets: of teams, users, keys and routes."""
    CHANGE_TENANTS = "tenants.change"
    READ_OVERSIGHT = "oversight.read"
    """Violations and compliance reports."""
    READ_POLICIES = "policies.read"
    """Those in force, their history, and approvals."""
    CHANGE_VIOLATIONS = "violations.change"
    CHANGE_POLICIES = "policies.change"
    """To propose, and to decide about what others proposed."""
    READ_DATA = "data.read"
    """Contents that are kept, holds and erasures."""
    CHANGE_DATA = "data.change"
    """To erase and to hold contents, and to rotate the keys that seal them."""
    ALL_TENANTS = "tenants.all"
    READ_SELF = "self.read"
    """Who one is. No scope takes it away."""


_READING = frozenset(
    {
        Permission.READ_CALLS,
        Permission.READ_STATS,
        Permission.READ_PROVIDERS,
        Permission.READ_STATUS,
        Permission.READ_METRICS,
        Permission.READ_SELF,
    }
)

ROLES: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OWNER: _READING
    | {
        Permission.INFER,
        Permission.READ_KEYS,
        Permission.CHANGE_KEYS,
        Permission.READ_TENANCY,
        Permission.CHANGE_TENANCY,
        Permission.CHANGE_BUDGETS,
        Permission.CHANGE_LIMITS,
        Permission.READ_OVERSIGHT,
        Permission.READ_POLICIES,
        Permission.CHANGE_VIOLATIONS,
        Permission.READ_DATA,
        Permission.CHANGE_DATA,
    },
    Role.DEVELOPER: frozenset(
        {
            Permission.INFER,
            Permission.READ_CALLS,
            Permission.READ_STATS,
            Permission.READ_PROVIDERS,
            Permission.READ_SELF,
        }
    ),
    Role.VIEWER: _READING,
    Role.AUDITOR: _READING
    | {
        Permission.READ_KEYS,
        Permission.READ_TENANCY,
        Permission.READ_OVERSIGHT,
        Permission.READ_POLICIES,
    },
}

PLATFORM = frozenset(
    {
        Permission.CHANGE_PROVIDERS,
        Permission.READ_STATUS,
        Permission.READ_METRICS,
        Permission.READ_POLICIES,
        Permission.CHANGE_POLICIES,
    }
)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key that somebody asks for."""

    name: str
    role: Role
    tenant: str
    expires_ms: int | None = None
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    team: str = ""
    user: str = ""
    scopes: tuple[str, ...] = ()


def rights(role: Role, scopes: tuple[str, ...]) -> frozenset[Permission]:
    """What a role leaves within scopes; none of them is all of the role's."""
    whole = ROLES[role]
    if not scopes:
        return whole
    return frozenset(each for each in whole if each in scopes or each is Permission.READ_SELF)


def may(key: VirtualKey, permission: Permission) -> bool:
    """Whether the key's holder has this permission."""
    if permission not in rights(key.role, key.scopes):
        return False
    return permission not in PLATFORM or key.role is Role.ADMIN or key.tenant == DEFAULT_TENANT


def tenant_seen(key: VirtualKey) -> str | None:
    """The tenant whose objects this key can see; None is every tenant."""
    return None if may(key, Permission.ALL_TENANTS) else key.tenant


def reach(key: VirtualKey, wanted: str | None) -> str | None:
    """Where to look for what a key's holder asks for; None is in every tenant.

    Raises `NotFound` for a tenant that they cannot see, as for one that does not exist.
    """
    seen = tenant_seen(key)
    if seen is None or wanted is None:
        return seen or wanted
    if wanted != seen:
        raise no_tenant(wanted)
    return seen


def home(key: VirtualKey, wanted: str | None) -> str:
    """The one tenant in which to look: the wanted one, else their own. Raises `NotFound`."""
    return reach(key, wanted) or key.tenant


def no_tenant(tenant: str) -> NotFound:
    """What is said of a tenant that is not there, or not for who asks."""
    return NotFound(f"There is no tenant '{tenant}'.", param="tenant")


def check_role(key: VirtualKey, role: Role, scopes: tuple[str, ...] = ()) -> None:
    """Raise `Forbidden` where a role within scopes has more rights than the key itself."""
    if rights(role, scopes) <= rights(key.role, key.scopes):
        return
    if ROLES[role] <= ROLES[key.role]:
        message = f"Your own key is limited to these scopes: {', '.join(key.scopes)}."
        raise Forbidden(message, param="scopes")
    message = f"A key with the role '{key.role.value}' cannot give the role '{role.value}'."
    raise Forbidden(message, param="role")


def check_reach(minter: VirtualKey, wish: KeyWish) -> None:
    """Raise `Forbidden` where the wish reaches further than the minter itself, and `NotFound`
    where it is for a tenant that the minter cannot see."""
    home(minter, wish.tenant)
    check_role(minter, wish.role, wish.scopes)
    for field, own, wanted in (
        ("models", minter.models, wish.models),
        ("providers", minter.providers, wish.providers),
    ):
        if own and not (wanted and set(wanted) <= set(own)):
            message = f"Your own key is limited to these {field}: {', '.join(own)}."
            raise Forbidden(message, param=field)
    # A team's key stays with its team. A person's team says where they belong, not how far
    # they reach: an owner in a team still makes keys for the others.
    if minter.team and not minter.user and wish.team != minter.team:
        raise Forbidden(f"Your own key is the team {minter.team}'s.", param="team")
    if minter.expires_ms is not None and not (
        wish.expires_ms is not None and wish.expires_ms <= minter.expires_ms
    ):
        raise Forbidden("A key cannot outlive the key that made it.", param="expires_in_s")


def check_mint(minter: VirtualKey, wish: KeyWish, now_ms: int) -> None:
    """As `check_reach`; `InvalidRequest` where the key would have expired already."""
    if wish.expires_ms is not None and wish.expires_ms <= now_ms:
        raise InvalidRequest("The key would have expired already.", param="expires_in_s")
    check_reach(minter, wish)
