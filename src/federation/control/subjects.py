"""What budgets and limits do alike: whom one may be about, which one is meant by an id, and how
one is set and ended. Pure but for the store; raises `NotFound` and `InvalidRequest`.

The trap: an id is unique in its tenant only, so that nobody learns from a refusal which ids
others have. Who sees every tenant may have to say which one is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from federation.control.changes import Noting
from federation.control.owned_ports import OwnedStore
from federation.control.permissions import reach
from federation.control.tenancy_ports import TenancyStore
from federation.control.tenancy_tags import check_tag
from federation.domain.access import VirtualKey
from federation.domain.budgets import Budget
from federation.domain.limits import Limit
from federation.errors import InvalidRequest, NotFound

MOST: Final = 1_000
"""Budgets, and limits, that a tenant may set: each worker holds those of all."""
T = TypeVar("T")
BudgetOrLimit = TypeVar("BudgetOrLimit", Budget, Limit)
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")


def check_name(name: str, ours: tuple[str, ...]) -> None:
    """Refuse an id that people cannot give, also where it begins as `ours` do."""
    if not _ID.match(name) or name.startswith(ours):
        listed = " or ".join(f"'{each}'" for each in ours)
        message = "An id is small letters, digits, - _ and ., and begins with a letter or digit"
        raise InvalidRequest(f"{message}; ids with {listed} are the configuration's.")


def check_subject(tenancy: TenancyStore, tenant: str, scope: str, subject: str) -> None:
    """Refuse a team or user that the tenant does not have: a slip of the pen would leave them
    without what is to bind them."""
    if scope == "tenant" and subject != tenant:
        message = f"With the scope 'tenant' it is about the tenant itself, '{tenant}'"
        raise InvalidRequest(
            f"{message}, not '{subject}'. Name another one as 'tenant' (--tenant), and no subject.",
            param="subject",
        )
    if scope == "team" and tenancy.teams.find(tenant, subject) is None:
        raise NotFound(f"There is no team '{subject}'.", param="subject")
    if scope == "user" and tenancy.users.find(tenant, subject) is None:
        raise NotFound(f"There is no user '{subject}'.", param="subject")


def meant(
    kept: Mapping[tuple[str, str], T],
    asker: VirtualKey,
    name: str,
    tenant: str | None,
    shared: str | None = None,
) -> T | None:
    """What an asker means by an id: the tenant's, where one is named, else what they can see.
    `shared` is whose are about every tenant.

    Raises `NotFound` for a tenant that they cannot see, and `InvalidRequest` where several
    tenants have something of this id, and the asker sees them.
    """
    seen = reach(asker, tenant)
    if seen is not None:
        own = kept.get((seen, name))
        return own if own is not None or shared is None else kept.get((shared, name))
    found = [each for (_, known), each in kept.items() if known == name]
    if len(found) > 1:
        message = f"Several tenants have '{name}': say with 'tenant' whose you mean."
        raise InvalidRequest(message, status=409, code="tenant_needed", param="tenant")
    return found[0] if found else None


def put(
    store: OwnedStore[BudgetOrLimit],
    thing: BudgetOrLimit,
    if_match: str | None,
    check: Callable[[BudgetOrLimit], None],
) -> None:
    """Keep a thing in the place of its tenant's with its id, where `check` passes the one that
    is there. Raises `InvalidRequest`: 412 for another state than `if_match` says, 409 where it
    would be one too many."""
    kind = type(thing).__name__.lower()
    if if_match is None and store.find(thing.tenant, thing.id) is None:
        _check_room(kind, len(store.list(thing.tenant)))

    def edit(before: BudgetOrLimit | None) -> BudgetOrLimit | None:
        if before is None:
            _check_none(kind, if_match)
        else:
            check(before)
            check_tag(before, if_match)
        return thing

    noting = Noting(edit)
    store.change(thing.tenant, thing.id, noting)
    noting.note()


def end(
    store: OwnedStore[BudgetOrLimit],
    asker: VirtualKey,
    name: str,
    tenant: str | None,
    if_match: str | None,
    check: Callable[[BudgetOrLimit | None], BudgetOrLimit],
) -> None:
    """End what the asker means by an id, where `check` passes it; it raises for None, and
    answers what it was given. Raises `InvalidRequest` as `put` and `meant` do."""
    kept = {(each.tenant, each.id): each for each in store.list(reach(asker, tenant))}

    def edit(before: BudgetOrLimit | None) -> None:
        check_tag(check(before), if_match)

    noting: Noting[BudgetOrLimit | None] = Noting(edit)
    store.change(check(meant(kept, asker, name, tenant)).tenant, name, noting)
    noting.note()


def _check_room(kind: str, count: int) -> None:
    """Refuse one more than a tenant may have."""
    if count >= MOST:
        message = f"A tenant may set {MOST:,} {kind}s, and has them. Remove one, or use '*'."
        raise InvalidRequest(message, status=409, code="too_many")


def _check_none(kind: str, if_match: str | None) -> None:
    """What is not there is in no state that `If-Match` could name (RFC 9110 section 13.1.1)."""
    if if_match is not None:
        message = f"There is no such {kind} any more. Leave If-Match out to set it anew."
        raise InvalidRequest(message, status=412, code="changed_since")
