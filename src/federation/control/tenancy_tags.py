"""Entity tags (RFC 9110 sections 8.8.3 and 13.1.1): which state of an object a change is meant for.

The trap: a tag is made from what is kept, not from what is shown, so that it also differs
where a list of fields or the form of a date does not.
"""

from __future__ import annotations

import hashlib

import msgspec

from federation.domain.access import VirtualKey
from federation.domain.budgets import Budget
from federation.domain.limits import Limit
from federation.domain.tenancy import Member
from federation.errors import InvalidRequest

Kept = Member | VirtualKey | Limit | Budget


def tag_of(kept: Kept) -> str:
    """The strong entity tag of an object as it is now, quotes included."""
    digest = hashlib.sha256(msgspec.json.encode(kept)).hexdigest()
    return f'"{digest[:32]}"'


def check_tag(kept: Kept, if_match: str | None) -> None:
    """Raise `InvalidRequest` (412) where the object is in none of the states that `If-Match`
    names. Without the header any will do."""
    if if_match is None or if_match.strip() == "*":
        return
    if tag_of(kept) in (each.strip() for each in if_match.split(",")):
        return
    message = f"The {type(kept).__name__.lower()} was changed since. Read it again, then change it."
    raise InvalidRequest(message.replace("virtualkey", "key"), status=412, code="changed_since")
