"""Whom a budget or a limit may be about: what both ask before they are kept. Pure but for the
look-ups; raises `NotFound` and `InvalidRequest`."""

from __future__ import annotations

import re
from typing import Final

from federation.control.tenancy_ports import TenancyStore
from federation.errors import InvalidRequest, NotFound

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
        raise InvalidRequest(f"A tenant's own is about itself: '{tenant}'.", param="subject")
    if scope == "team" and tenancy.teams.find(tenant, subject) is None:
        raise NotFound(f"There is no team '{subject}'.", param="subject")
    if scope == "user" and tenancy.users.find(tenant, subject) is None:
        raise NotFound(f"There is no user '{subject}'.", param="subject")
