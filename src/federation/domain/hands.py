"""Through whose hands the secret of a key has gone: whether two who ask can be told apart.

The traps: who makes a key, or gives it a new secret, has seen the secret, and can ask as that key
for ever. So what is known of a key only grows: nothing that is done to it later clears it. And who
has signed in has two ids: with the name, by which sessions and the operator's files know them, and
with the pseudonym, by which everything knows them that is kept of what they did.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from federation.domain.access import VirtualKey

USER_SUBJECT: Final = "user:"
"""Before the tenant and the id of a person who is signed in; no id of a key begins so."""


class How(str, Enum):
    """How somebody came to be behind a key."""

    MADE = "made"
    """They made it. A key that nobody is known to have made is from before this was noted."""
    ROTATED = "rotated"
    """They gave it a new secret, without being the key itself."""
    HELD = "held"
    """It is this person's, or was."""


@dataclass(frozen=True, slots=True)
class Hand:
    """One who is behind a key: another key or a person, by the id under which they ask."""

    key: str
    hand: str
    how: How


def person_id(tenant: str, user: str) -> str:
    """The id under which a person asks who is signed in, by name or pseudonym."""
    return f"{USER_SUBJECT}{tenant}/{user}"


def person_of(asker: str) -> tuple[str, str] | None:
    """The tenant and the name or pseudonym in the id of a person; None for a key's."""
    if not asker.startswith(USER_SUBJECT):
        return None
    tenant, _, user = asker.removeprefix(USER_SUBJECT).partition("/")
    return tenant, user


def own_ids(asker: VirtualKey) -> tuple[str, ...]:
    """The ids under which records hold what this asker did: of who has signed in, lines from
    before there were pseudonyms have the name."""
    if person_of(asker.id) is None:
        return (asker.id,)
    return asker.id, person_id(asker.tenant, asker.user)


def put_behind(before: VirtualKey | None, after: VirtualKey, by: str) -> list[Hand]:
    """What there is to note of a key that is made (`before` is None) or changed by who asks as
    `by`; without a `by` it is nobody whom we know. Who holds it now stands in the key."""
    if before is None:
        return [Hand(after.id, by, How.MADE)] if by else []
    found = []
    if before.hash != after.hash and by != after.id:
        found.append(Hand(after.id, by, How.ROTATED))
    if before.user != after.user:
        found += held(before)
    return found


def held(key: VirtualKey) -> list[Hand]:
    """The person whose key it is, if it is anybody's."""
    return [Hand(key.id, person_id(key.tenant, key.user), How.HELD)] if key.user else []
